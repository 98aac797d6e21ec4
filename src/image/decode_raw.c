/* RAW photos by the preview that the camera put into them, found by libraw: what the photographer saw
 * on the camera, and quick. The sensor's own numbers are not developed. */
#include "image/decode.h"

#include "base/error.h"
#include "image/kinds.h"

#include <string.h>

#include <libraw/libraw.h>

static wi_status fail_raw(int code, wi_error *error)
{
    switch (code) {
    case LIBRAW_UNSUFFICIENT_MEMORY:
        return wi_fail(error, WI_ERR_NOMEM, "raw: out of memory");
    case LIBRAW_FILE_UNSUPPORTED:
        return wi_fail(error, WI_ERR_UNSUPPORTED, "raw: a camera that libraw does not know");
    case LIBRAW_NO_THUMBNAIL:
    case LIBRAW_UNSUPPORTED_THUMBNAIL:
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "raw: there is no preview in the file: save it as JPEG or PNG");
    default:
        return wi_fail(error, WI_ERR_FORMAT, "raw: the file is damaged (%.80s)",
                       libraw_strerror(code));
    }
}

/* libraw tells turns as its flip (3, 5, 6), EXIF as 1..8. */
static int exif_of(int flip)
{
    return flip == 3 ? 3 : flip == 5 ? 8 : flip == 6 ? 6 : 1;
}

/* A preview that says nothing of how it lies lies as the sensor does, unless its shape shows that the
 * camera has turned it already. */
static int orientation_of(const libraw_data_t *raw, const wi_image *preview)
{
    int flip = exif_of(raw->sizes.flip);
    bool swaps = flip >= 5;
    bool wide = raw->sizes.width >= raw->sizes.height;
    bool preview_wide = preview->width_px >= preview->height_px;
    if (preview->orientation > 1)
        return preview->orientation;
    return swaps && wide != preview_wide ? 1 : flip;
}

static wi_status read_jpeg(const libraw_data_t *raw, const wi_encoded *in, wi_image **out,
                           wi_error *error)
{
    wi_encoded preview = *in;
    preview.bytes = (const uint8_t *)raw->thumbnail.thumb;
    preview.n_bytes = raw->thumbnail.tlength;
    if (!wi_decoder_jpeg.probe(preview.bytes, preview.n_bytes))
        return wi_fail(error, WI_ERR_FORMAT, "raw: the preview is damaged");
    return wi_decoder_jpeg.decode(&preview, out, error);
}

/* Eight bits a colour, side by side. */
static wi_status read_bitmap(const libraw_data_t *raw, const wi_encoded *in, wi_image **out,
                             wi_error *error)
{
    const libraw_thumbnail_t *thumb = &raw->thumbnail;
    uint64_t width = thumb->twidth, height = thumb->theight;
    unsigned colors = thumb->tcolors == 1 ? 1 : 3;
    wi_status status = wi_decode_check_size(in, "raw", width, height, error);
    if (status != WI_OK)
        return status;
    if (width * height * colors > thumb->tlength)
        return wi_fail(error, WI_ERR_FORMAT, "raw: the preview is truncated");
    status = wi_image_new(colors == 1 ? WI_MODE_L : WI_MODE_RGB, thumb->twidth, thumb->theight,
                          "camera-raw", out, error);
    if (status == WI_OK)
        memcpy((*out)->pixels, thumb->thumb, (size_t)(width * height * colors));
    return status;
}

static wi_status read_preview(libraw_data_t *raw, const wi_encoded *in, wi_image **out,
                              wi_error *error)
{
    /* libraw takes no const, and writes nothing. */
    int code = libraw_open_buffer(raw, (void *)(uintptr_t)in->bytes, in->n_bytes);
    if (code == LIBRAW_SUCCESS)
        code = libraw_unpack_thumb(raw);
    if (code != LIBRAW_SUCCESS)
        return fail_raw(code, error);
    if (!raw->thumbnail.thumb)
        return fail_raw(LIBRAW_NO_THUMBNAIL, error);
    wi_status status = raw->thumbnail.tformat == LIBRAW_THUMBNAIL_JPEG
                           ? read_jpeg(raw, in, out, error)
                       : raw->thumbnail.tformat == LIBRAW_THUMBNAIL_BITMAP
                           ? read_bitmap(raw, in, out, error)
                           : fail_raw(LIBRAW_UNSUPPORTED_THUMBNAIL, error);
    if (status == WI_OK) {
        (*out)->format = "camera-raw";
        (*out)->orientation = orientation_of(raw, *out);
    }
    return status;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    libraw_data_t *raw = libraw_init(0);
    if (!raw)
        return wi_fail(error, WI_ERR_NOMEM, "raw: out of memory");
    libraw_set_dataerror_handler(raw, NULL, NULL); /* its own prints to standard error */
    wi_image *image = NULL;
    wi_status status = read_preview(raw, in, &image, error);
    libraw_close(raw);
    if (status == WI_OK)
        *out = image;
    else
        wi_image_free(image);
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    const wi_kind *kind = wi_kind_of(bytes, n_bytes);
    return kind && kind->family == WI_FAMILY_RAW;
}

const wi_decoder wi_decoder_raw = {"camera-raw", probe, decode};
