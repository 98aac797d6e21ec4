/* PNG through libspng, every colour type and depth, interlaced or not. 16-bit samples keep their
 * high byte; tRNS is not applied, as Pillow's convert("RGB") drops it. */
#include "image/decode.h"

#include "base/error.h"
#include "image/exif.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>

enum { MAX_CHUNK_BYTES = 64 << 20, MAX_CACHE_BYTES = 128 << 20 };

/* libspng's allocator takes no context, and calls zlib's lack of memory a damaged stream: so
 * remember it. */
static _Thread_local bool memory_ran_out;

static void *remember(void *pointer)
{
    if (!pointer)
        memory_ran_out = true;
    return pointer;
}

static void *png_malloc(size_t n_bytes)
{
    return remember(malloc(n_bytes));
}

static void *png_realloc(void *pointer, size_t n_bytes)
{
    return remember(realloc(pointer, n_bytes));
}

static void *png_calloc(size_t n, size_t n_bytes)
{
    return remember(calloc(n, n_bytes));
}

static wi_status fail_spng(int code, wi_error *error)
{
    if (code == SPNG_EMEM || memory_ran_out)
        return wi_fail(error, WI_ERR_NOMEM, "png: out of memory");
    if (code == SPNG_IO_EOF || code == SPNG_EIDAT_TOO_SHORT)
        return wi_fail(error, WI_ERR_FORMAT, "png: the file is truncated");
    wi_status status = code == SPNG_ECHUNK_LIMITS ? WI_ERR_LIMIT : WI_ERR_FORMAT;
    return wi_fail(error, status, "png: %s", spng_strerror(code));
}

static wi_pixel_mode mode_of(const struct spng_ihdr *header)
{
    switch (header->color_type) {
    case SPNG_COLOR_TYPE_TRUECOLOR:
        return WI_MODE_RGB;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return WI_MODE_RGBA;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return WI_MODE_LA;
    case SPNG_COLOR_TYPE_INDEXED:
        return WI_MODE_PALETTE;
    default:
        return header->bit_depth == 1 ? WI_MODE_BILEVEL : WI_MODE_L;
    }
}

/* One row of the file's samples (8 bits: copied; 16: big-endian high byte; fewer: unpacked, grey
 * stretched to 0..255). */
static void unpack_row(const struct spng_ihdr *header, const uint8_t *in, size_t n_samples,
                       uint8_t *out)
{
    unsigned depth = header->bit_depth;
    if (depth == 8) {
        memcpy(out, in, n_samples);
    } else if (depth == 16) {
        for (size_t i = 0; i < n_samples; i++)
            out[i] = in[2 * i];
    } else {
        unsigned top = (1u << depth) - 1;
        unsigned stretch = header->color_type == SPNG_COLOR_TYPE_GRAYSCALE ? 255 / top : 1;
        for (size_t i = 0; i < n_samples; i++) {
            size_t bit = i * depth;
            unsigned sample = (unsigned)in[bit / 8] >> (8 - depth - bit % 8) & top;
            out[i] = (uint8_t)(sample * stretch);
        }
    }
}

static void read_palette(spng_ctx *codec, wi_image *image)
{
    struct spng_plte palette;
    if (spng_get_plte(codec, &palette) != 0)
        return; /* the grey ramp stays; libspng refuses an indexed picture without palette */
    for (uint32_t i = 0; i < palette.n_entries && i < 256; i++) {
        image->palette[i][0] = palette.entries[i].red;
        image->palette[i][1] = palette.entries[i].green;
        image->palette[i][2] = palette.entries[i].blue;
    }
}

/* Interlaced files and odd depths need the whole raw picture first; plain 8-bit rows are read in
 * place. */
static wi_status read_pixels(spng_ctx *codec, const struct spng_ihdr *header, wi_image *image,
                             wi_error *error)
{
    size_t raw_bytes = 0;
    int code = spng_decoded_image_size(codec, SPNG_FMT_RAW, &raw_bytes);
    if (code)
        return fail_spng(code, error);
    if (header->bit_depth == 8) {
        code = spng_decode_image(codec, image->pixels, image->stride_bytes * image->height_px,
                                 SPNG_FMT_RAW, 0);
        return code ? fail_spng(code, error) : WI_OK;
    }
    /* Zeroed: libspng 0.7.3 ORs the bits of an interlaced picture of less than 8 bits into what is
     * there. */
    uint8_t *raw = calloc(raw_bytes ? raw_bytes : 1, 1);
    if (!raw)
        return wi_fail_nomem(error, raw_bytes, "png samples");
    code = spng_decode_image(codec, raw, raw_bytes, SPNG_FMT_RAW, 0);
    size_t raw_stride = raw_bytes / image->height_px;
    for (uint32_t y = 0; !code && y < image->height_px; y++)
        unpack_row(header, raw + y * raw_stride, image->stride_bytes,
                   image->pixels + y * image->stride_bytes);
    free(raw);
    return code ? fail_spng(code, error) : WI_OK;
}

static wi_status read_picture(spng_ctx *codec, const wi_encoded *in, wi_image **image,
                              wi_error *error)
{
    struct spng_ihdr header;
    int code = spng_set_image_limits(codec, WI_IMAGE_MAX_SIDE, WI_IMAGE_MAX_SIDE);
    if (!code)
        code = spng_set_chunk_limits(codec, MAX_CHUNK_BYTES, MAX_CACHE_BYTES);
    if (!code) /* a damaged ancillary chunk (a date, a profile) does not spoil the picture */
        code = spng_set_crc_action(codec, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    if (!code)
        code = spng_set_png_buffer(codec, in->bytes, in->n_bytes);
    if (!code)
        code = spng_get_ihdr(codec, &header);
    if (code == SPNG_EUSER_WIDTH || code == SPNG_EUSER_HEIGHT)
        return wi_fail(error, WI_ERR_LIMIT, "png: the picture is too large");
    if (code)
        return fail_spng(code, error);
    wi_status status = wi_decode_check_size(in, "png", header.width, header.height, error);
    if (status == WI_OK)
        status = wi_image_new(mode_of(&header), header.width, header.height, "png", image, error);
    if (status == WI_OK)
        status = read_pixels(codec, &header, *image, error);
    if (status == WI_OK && (*image)->mode == WI_MODE_PALETTE)
        read_palette(codec, *image);
    return status;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    memory_ran_out = false;
    struct spng_alloc memory = {png_malloc, png_realloc, png_calloc, free};
    spng_ctx *codec = spng_ctx_new2(&memory, 0);
    if (!codec)
        return wi_fail(error, WI_ERR_NOMEM, "png: out of memory");
    wi_image *image = NULL;
    wi_status status = read_picture(codec, in, &image, error);
    spng_ctx_free(codec);
    if (status != WI_OK)
        wi_image_free(image);
    else
        *out = image;
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A};
    return n_bytes >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

const wi_decoder wi_decoder_png = {"png", probe, decode, wi_exif_orientation_png};
