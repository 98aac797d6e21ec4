/* HEIC and AVIF through libheif, which itself applies the container's rotation and mirroring: EXIF
 * orientation must not be applied on top. */
#include "image/decode.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

#include <libheif/heif.h>

static wi_status fail_heif(struct heif_error code, wi_error *error)
{
    wi_status status = WI_ERR_FORMAT;
    if (code.code == heif_error_Memory_allocation_error)
        status =
            code.subcode == heif_suberror_Security_limit_exceeded ? WI_ERR_LIMIT : WI_ERR_NOMEM;
    else if (code.code == heif_error_Unsupported_feature ||
             code.code == heif_error_Unsupported_filetype)
        status = WI_ERR_UNSUPPORTED;
    return wi_fail(error, status, "heif: %s", code.message ? code.message : "the file is damaged");
}

/* libheif's own guard takes the side of a square. */
static int side_limit(uint64_t max_pixels)
{
    uint64_t side = 1;
    while (side * side < max_pixels && side < 65536)
        side *= 2;
    return (int)side;
}

static wi_status copy_picture(const struct heif_image *decoded, bool alpha, const wi_encoded *in,
                              wi_image **out, wi_error *error)
{
    int width = heif_image_get_width(decoded, heif_channel_interleaved);
    int height = heif_image_get_height(decoded, heif_channel_interleaved);
    int stride = 0;
    const uint8_t *plane =
        heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
    if (!plane || width <= 0 || height <= 0)
        return wi_fail(error, WI_ERR_FORMAT, "heif: the picture has no pixels");
    wi_status status = wi_decode_check_size(in, "heif", (uint64_t)width, (uint64_t)height, error);
    if (status == WI_OK)
        status = wi_image_new(alpha ? WI_MODE_RGBA : WI_MODE_RGB, (uint32_t)width, (uint32_t)height,
                              "heif", out, error);
    if (status != WI_OK)
        return status;
    for (uint32_t y = 0; y < (uint32_t)height; y++)
        memcpy((*out)->pixels + y * (*out)->stride_bytes, plane + (size_t)y * (size_t)stride,
               (*out)->stride_bytes);
    return WI_OK;
}

static wi_status read_handle(const struct heif_image_handle *handle, const wi_encoded *in,
                             wi_image **out, wi_error *error)
{
    int width = heif_image_handle_get_width(handle), height = heif_image_handle_get_height(handle);
    if (width <= 0 || height <= 0)
        return wi_fail(error, WI_ERR_FORMAT, "heif: the picture has no pixels");
    wi_status status = wi_decode_check_size(in, "heif", (uint64_t)width, (uint64_t)height, error);
    if (status != WI_OK)
        return status;
    bool alpha = heif_image_handle_has_alpha_channel(handle);
    struct heif_image *decoded = NULL;
    struct heif_error code =
        heif_decode_image(handle, &decoded, heif_colorspace_RGB,
                          alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, NULL);
    if (code.code != heif_error_Ok)
        return fail_heif(code, error);
    status = copy_picture(decoded, alpha, in, out, error);
    heif_image_release(decoded);
    return status;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    struct heif_context *context = heif_context_alloc();
    if (!context)
        return wi_fail(error, WI_ERR_NOMEM, "heif: out of memory");
    heif_context_set_maximum_image_size_limit(context, side_limit(in->max_pixels));
    struct heif_image_handle *handle = NULL;
    struct heif_error code =
        heif_context_read_from_memory_without_copy(context, in->bytes, in->n_bytes, NULL);
    if (code.code == heif_error_Ok)
        code = heif_context_get_primary_image_handle(context, &handle);
    /* libheif's messages may live in the context: read them before it goes. */
    wi_status status =
        code.code == heif_error_Ok ? read_handle(handle, in, out, error) : fail_heif(code, error);
    if (handle)
        heif_image_handle_release(handle);
    heif_context_free(context);
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < 12 || memcmp(bytes + 4, "ftyp", 4) != 0)
        return false;
    int n = n_bytes < 4096 ? (int)n_bytes : 4096;
    return heif_check_filetype(bytes, n) != heif_filetype_no;
}

const wi_decoder wi_decoder_heif = {"heif", probe, decode};
