/* HEIC and AVIF through libheif, which itself applies the container's rotation and mirroring: EXIF
 * orientation must not be applied on top. What libheif of the older kind refuses is tried again with
 * a copy in memory that it takes (boxes.h); a newer one never comes to that. */
#include "image/decode.h"

#include "base/error.h"
#include "image/boxes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libheif/heif.h>

enum {
    TRANSFER_UNSAID = 2,   /* ITU-T H.273 */
    BOXES_BYTES = 1 << 16, /* room for those around a sample */
    LARGEST_SIDE_LIMIT = 1 << 16,
    ZEROS_OF_A_CUT = 64 /* at a file's end: a download that was filled up */
};

static wi_status fail_heif(struct heif_error code, const wi_encoded *in, wi_error *error)
{
    if (code.code == heif_error_Memory_allocation_error) {
        bool limit = code.subcode == heif_suberror_Security_limit_exceeded;
        return wi_fail(error, limit ? WI_ERR_LIMIT : WI_ERR_NOMEM, "heif: %s",
                       limit ? "the picture, or a part of it, is over the limits of size"
                             : "out of memory");
    }
    size_t n_zeros = 0;
    while (n_zeros < in->n_bytes && in->bytes[in->n_bytes - 1 - n_zeros] == 0)
        n_zeros++;
    if (n_zeros >= ZEROS_OF_A_CUT || wi_boxes_are_cut(in->bytes, in->n_bytes))
        return wi_fail(error, WI_ERR_FORMAT, "heif: the file is truncated");
    const char *message = code.message ? code.message : "";
    int n = (int)strcspn(message, "\n");
    if (code.code == heif_error_Unsupported_feature || code.code == heif_error_Unsupported_filetype)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "heif: a kind of HEIC or AVIF that libheif here does not read (%.*s)", n,
                       message);
    return wi_fail(error, WI_ERR_FORMAT, "heif: the file is damaged (%.*s)", n, message);
}

/* libheif's own guard takes the side of a square: it is widened for a picture that says that it is
 * wider, and what fits the limit of pixels is judged before anything is decoded. */
static int side_limit(const wi_encoded *in)
{
    int side = 1;
    while ((uint64_t)side * (uint64_t)side < in->max_pixels && side < LARGEST_SIDE_LIMIT)
        side *= 2;
    uint32_t said = wi_boxes_largest_side(in->bytes, in->n_bytes);
    if (said > LARGEST_SIDE_LIMIT)
        said = LARGEST_SIDE_LIMIT;
    return (uint32_t)side < said && said <= in->max_pixels ? (int)said : side;
}

/* By numbers or by a profile. What only the bitstream says, libheif keeps to itself. */
static wi_status read_colors(const struct heif_image_handle *handle, const wi_encoded *in,
                             wi_image *image, wi_error *error)
{
    struct heif_color_profile_nclx *nclx = NULL;
    wi_profile *profile = &image->profile;
    struct heif_error code = heif_image_handle_get_nclx_color_profile(handle, &nclx);
    if (code.code == heif_error_Ok && nclx) {
        profile->primaries = (unsigned)nclx->color_primaries;
        profile->transfer = (unsigned)nclx->transfer_characteristics;
    } else {
        wi_boxes_bitstream_colors(in->bytes, in->n_bytes, &profile->primaries, &profile->transfer);
    }
    heif_nclx_color_profile_free(nclx);
    bool unsaid = profile->transfer == TRANSFER_UNSAID || profile->transfer == 0;
    size_t n = heif_image_handle_get_raw_color_profile_size(handle);
    if (n == 0 && unsaid && heif_image_handle_get_luma_bits_per_pixel(handle) > 8)
        wi_image_warn(image, "more than 8 bits a colour, but no word of the colours: read as sRGB");
    if (n == 0 || n > WI_IMAGE_MAX_ICC_BYTES)
        return WI_OK;
    void *icc = malloc(n);
    if (!icc)
        return wi_fail_nomem(error, n, "a colour profile");
    wi_status status = WI_OK;
    if (heif_image_handle_get_raw_color_profile(handle, icc).code == heif_error_Ok)
        status = wi_image_set_icc(image, icc, n, error);
    free(icc);
    return status;
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
        return fail_heif(code, in, error);
    status = copy_picture(decoded, alpha, in, out, error);
    if (status == WI_OK && !in->exact)
        status = read_colors(handle, in, *out, error);
    heif_image_release(decoded);
    return status;
}

/* Failed: what libheif said. */
static wi_status read_file(const wi_encoded *in, wi_image **out, enum heif_error_code *failed,
                           wi_error *error)
{
    struct heif_context *context = heif_context_alloc();
    if (!context)
        return wi_fail(error, WI_ERR_NOMEM, "heif: out of memory");
    heif_context_set_maximum_image_size_limit(context, side_limit(in));
    struct heif_image_handle *handle = NULL;
    struct heif_error code =
        heif_context_read_from_memory_without_copy(context, in->bytes, in->n_bytes, NULL);
    if (code.code == heif_error_Ok)
        code = heif_context_get_primary_image_handle(context, &handle);
    *failed = code.code;
    /* libheif's messages may live in the context: read them before it goes. */
    wi_status status = code.code == heif_error_Ok ? read_handle(handle, in, out, error)
                                                  : fail_heif(code, in, error);
    if (handle)
        heif_image_handle_release(handle);
    heif_context_free(context);
    return status;
}

/* With references that libheif refuses out of the way, as few as will do. */
static wi_status read_tamed(const wi_encoded *in, wi_image **out, wi_error *error)
{
    uint8_t *copy = malloc(in->n_bytes);
    if (!copy)
        return wi_fail_nomem(error, in->n_bytes, "a copy of the file");
    memcpy(copy, in->bytes, in->n_bytes);
    wi_encoded tame = *in;
    tame.bytes = copy;
    enum heif_error_code failed = heif_error_Invalid_input;
    wi_status status = WI_ERR_FORMAT;
    for (int which = 0; which < WI_BOXES_TAMES && failed == heif_error_Invalid_input; which++)
        if (wi_boxes_tame_references(copy, in->n_bytes, (wi_boxes_tame)which) > 0)
            status = read_file(&tame, out, &failed, error);
    free(copy);
    return status;
}

/* From a file of tracks. */
static wi_status read_track(const wi_encoded *in, wi_image **out, wi_error *error)
{
    wi_buffer still;
    enum heif_error_code failed;
    wi_buffer_init(&still, in->n_bytes + BOXES_BYTES);
    wi_status status = wi_boxes_still_of_track(in->bytes, in->n_bytes, &still, error);
    wi_encoded first = *in;
    first.bytes = still.bytes;
    first.n_bytes = still.n_bytes;
    if (status == WI_OK)
        status = read_file(&first, out, &failed, error);
    wi_buffer_free(&still);
    return status;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    enum heif_error_code failed = heif_error_Ok;
    wi_error second = {0};
    wi_status status = read_file(in, out, &failed, error);
    if (status == WI_OK || failed == heif_error_Ok || failed == heif_error_Memory_allocation_error)
        return status;
    wi_status again = read_tamed(in, out, &second);
    if (again != WI_OK && again != WI_ERR_NOMEM)
        again = read_track(in, out, &second);
    if (again == WI_ERR_NOMEM || again == WI_ERR_LIMIT)
        return wi_fail(error, again, "%s", second.message);
    return again == WI_OK ? WI_OK : status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < 12 || memcmp(bytes + 4, "ftyp", 4) != 0)
        return false;
    int n = n_bytes < 4096 ? (int)n_bytes : 4096;
    return heif_check_filetype(bytes, n) != heif_filetype_no;
}

const wi_decoder wi_decoder_heif = {"heif", probe, decode};
