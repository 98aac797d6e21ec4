#include "image/decode.h"

#include "base/buffer.h"
#include "base/error.h"
#include "image/color.h"
#include "image/ground.h"
#include "image/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 30, READ_BYTES = 1 << 16 };

static const wi_decoder *const decoders[] = {
    &wi_decoder_jpeg, &wi_decoder_png, &wi_decoder_webp, &wi_decoder_gif, &wi_decoder_bmp,
#if defined(WI_WITH_HEIF)
    &wi_decoder_heif,
#endif
#if defined(WI_WITH_TIFF)
    &wi_decoder_tiff,
#endif
#if defined(WI_WITH_RAW)
    &wi_decoder_raw,
#endif
#if defined(WI_WITH_JXL)
    &wi_decoder_jxl,
#endif
};

wi_status wi_decode_check_size(const wi_encoded *in, const char *format, uint64_t width,
                               uint64_t height, wi_error *error)
{
    if (width == 0 || height == 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: the picture has no pixels", format);
    if (width > WI_IMAGE_MAX_SIDE || height > WI_IMAGE_MAX_SIDE ||
        width * height > in->max_pixels) /* two numbers of 30 bits */
        return wi_fail(error, WI_ERR_LIMIT, "%s: %llu x %llu px is over the limit of %llu pixels",
                       format, (unsigned long long)width, (unsigned long long)height,
                       (unsigned long long)in->max_pixels);
    return WI_OK;
}

static const wi_decoder *decoder_for(const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (decoders[i]->probe(bytes, n_bytes))
            return decoders[i];
    return NULL;
}

bool wi_decode_has(const char *format)
{
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (strcmp(decoders[i]->format, format) == 0)
            return true;
    return false;
}

const char *wi_decode_probe(const void *bytes, size_t n_bytes)
{
    const wi_decoder *decoder = decoder_for(bytes, n_bytes);
    return decoder ? decoder->format : NULL;
}

wi_status wi_decode_truncated(wi_image *image, const char *format, uint64_t rows_read,
                              uint64_t n_rows, wi_error *error)
{
    if (rows_read >= n_rows) {
        wi_image_warn(image, "the file is truncated: its end is missing, all rows are there");
        return WI_OK;
    }
    unsigned percent = n_rows ? (unsigned)(rows_read * 100 / n_rows) : 0;
    if (rows_read * 2 <= n_rows)
        return wi_fail(error, WI_ERR_FORMAT,
                       "%s: the file is truncated: %u %% of the rows are there", format, percent);
    wi_image_warn(image, "the file is truncated: %u %% of the rows are there", percent);
    return WI_OK;
}

/* As people call them. */
static const struct {
    const char *format, *name;
} read_names[] = {{"jpeg", "JPEG"},      {"png", "PNG"},    {"webp", "WebP"}, {"gif", "GIF"},
                  {"bmp", "BMP"},        {"heif", "HEIC"},  {"heif", "AVIF"}, {"tiff", "TIFF"},
                  {"camera-raw", "RAW"}, {"jxl", "JPEG XL"}};

static wi_status fail_unknown(const uint8_t *bytes, size_t n_bytes, wi_error *error)
{
    if (n_bytes == 0)
        return wi_fail(error, WI_ERR_FORMAT, "the file is empty");
    const wi_kind *kind = wi_kind_of(bytes, n_bytes);
    if (kind && kind->family != WI_FAMILY_OTHER)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "this is %s, which is not read: save it as JPEG or PNG", kind->name);
    if (kind)
        return wi_fail(error, WI_ERR_FORMAT, "not a picture: this is %s", kind->name);
    char names[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof read_names / sizeof read_names[0]; i++)
        if (wi_decode_has(read_names[i].format) && used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     read_names[i].name);
    return wi_fail(error, WI_ERR_FORMAT, "not a picture of a known format (%s)", names);
}

/* What is done to every format's pixels: the ground, the turn, the colours. */
static wi_status finish(wi_image *image, const wi_encoded *in, const wi_image_options *options,
                        wi_error *error)
{
    if (options->strict && image->n_warnings)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %s", image->format, image->warnings[0]);
    if (in->ground)
        wi_ground_pixels(image);
    if (!in->exact && image->mode == WI_MODE_BILEVEL)
        image->mode = WI_MODE_L; /* the same bytes */
    if (!in->exact && image->mode == WI_MODE_PALETTE)
        image->smooth = true;
    wi_status status = in->exact ? WI_OK : wi_color_attach(image, error);
    if (status != WI_OK || options->ignore_exif)
        return status;
    return wi_image_orient(image, image->orientation, error);
}

wi_status wi_image_decode(const void *bytes, size_t n_bytes, const wi_image_options *options,
                          wi_image **out, wi_error *error)
{
    static const wi_image_options defaults = {0};
    if (!options)
        options = &defaults;
    wi_encoded in = {.bytes = bytes, .n_bytes = n_bytes, .exact = options->exact};
    in.ground = !options->exact && options->alpha == WI_ALPHA_GROUND;
    in.max_pixels = options->max_pixels ? options->max_pixels : WI_IMAGE_DEFAULT_MAX_PIXELS;
    in.target_px = options->full_decode || options->exact ? 0 : options->target_px;
    const wi_decoder *decoder = decoder_for(in.bytes, n_bytes);
    if (!decoder)
        return fail_unknown(in.bytes, n_bytes, error);
    wi_image *image = NULL;
    wi_status status = decoder->decode(&in, &image, error);
    if (status == WI_OK)
        status = finish(image, &in, options, error);
    if (status != WI_OK) {
        wi_image_free(image);
        return status;
    }
    *out = image;
    return WI_OK;
}

/* Goes on as long as the beginning may be a picture. */
static wi_status read_picture(FILE *stream, const char *path, wi_buffer *buffer, wi_error *error)
{
    uint8_t block[READ_BYTES];
    size_t n;
    do {
        n = fread(block, 1, sizeof block, stream);
        wi_status status = wi_buffer_append(buffer, block, n, error);
        if (status != WI_OK)
            return status;
        if (!decoder_for(buffer->bytes,
                         buffer->n_bytes < READ_BYTES ? buffer->n_bytes : READ_BYTES))
            break;
    } while (n == sizeof block);
    if (ferror(stream))
        return wi_fail_errno(error, path, "cannot read", errno);
    return WI_OK;
}

wi_status wi_image_decode_file(const char *path, const wi_image_options *options, wi_image **out,
                               wi_error *error)
{
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return wi_fail_errno(error, path, "cannot open", errno);
    wi_buffer buffer;
    wi_buffer_init(&buffer, MAX_FILE_BYTES);
    wi_status status = read_picture(stream, path, &buffer, error);
    fclose(stream);
    if (status == WI_OK) {
        status = wi_image_decode(buffer.bytes, buffer.n_bytes, options, out, error);
        if (status != WI_OK)
            wi_error_prefix(error, path);
    }
    wi_buffer_free(&buffer);
    return status;
}
