/* JPEG XL through libjxl, on the caller's thread; of an animation the first frame. */
#include "image/decode.h"

#include "base/error.h"
#include "image/kinds.h"

#include <stdlib.h>
#include <string.h>

#include <jxl/decode.h>

enum { H273_P3_D65 = 12 };

typedef struct jxl_reading {
    JxlDecoder *decoder;
    JxlBasicInfo info;
    wi_image *image;
} jxl_reading;

static wi_status fail_damaged(wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "jxl: the file is damaged");
}

/* Inks beside colours would be read as a picture without its darkness. */
static bool has_black(const jxl_reading *r)
{
    for (uint32_t i = 0; i < r->info.num_extra_channels; i++) {
        JxlExtraChannelInfo extra;
        if (JxlDecoderGetExtraChannelInfo(r->decoder, i, &extra) == JXL_DEC_SUCCESS &&
            extra.type == JXL_CHANNEL_BLACK)
            return true;
    }
    return false;
}

static wi_status begin(jxl_reading *r, const wi_encoded *in, wi_error *error)
{
    if (JxlDecoderGetBasicInfo(r->decoder, &r->info) != JXL_DEC_SUCCESS)
        return fail_damaged(error);
    wi_status status = wi_decode_check_size(in, "jxl", r->info.xsize, r->info.ysize, error);
    if (status != WI_OK)
        return status;
    if (has_black(r))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "jxl: the colours are inks, which is not read");
    bool grey = r->info.num_color_channels == 1, alpha = r->info.alpha_bits > 0;
    wi_pixel_mode mode =
        grey ? (alpha ? WI_MODE_LA : WI_MODE_L) : (alpha ? WI_MODE_RGBA : WI_MODE_RGB);
    status = wi_image_new(mode, r->info.xsize, r->info.ysize, "jxl", &r->image, error);
    if (status == WI_OK)
        r->image->orientation = (int)r->info.orientation;
    return status;
}

/* Before 0.9 these functions take a pixel format, which they ignore. */
#if JPEGXL_MAJOR_VERSION == 0 && JPEGXL_MINOR_VERSION < 9
#define OF_DATA NULL, JXL_COLOR_PROFILE_TARGET_DATA
#else
#define OF_DATA JXL_COLOR_PROFILE_TARGET_DATA
#endif

/* By numbers where the file has them (JPEG XL numbers them as ITU-T H.273 does, but for P3), else by
 * the profile. */
static wi_status read_colors(const jxl_reading *r, wi_error *error)
{
    JxlColorEncoding colors = {0}; /* grey pictures have no primaries, and libjxl leaves them out */
    wi_profile *profile = &r->image->profile;
    if (JxlDecoderGetColorAsEncodedProfile(r->decoder, OF_DATA, &colors) == JXL_DEC_SUCCESS &&
        colors.transfer_function != JXL_TRANSFER_FUNCTION_GAMMA &&
        colors.primaries != JXL_PRIMARIES_CUSTOM && colors.white_point != JXL_WHITE_POINT_CUSTOM) {
        bool p3 = colors.primaries == JXL_PRIMARIES_P3 && colors.white_point == JXL_WHITE_POINT_D65;
        profile->primaries = p3 ? H273_P3_D65 : (unsigned)colors.primaries;
        profile->transfer = (unsigned)colors.transfer_function;
        return WI_OK;
    }
    size_t n = 0;
    if (JxlDecoderGetICCProfileSize(r->decoder, OF_DATA, &n) != JXL_DEC_SUCCESS || n == 0 ||
        n > WI_IMAGE_MAX_ICC_BYTES)
        return WI_OK;
    uint8_t *icc = malloc(n);
    if (!icc)
        return wi_fail_nomem(error, n, "a colour profile");
    wi_status status = WI_OK;
    if (JxlDecoderGetColorAsICCProfile(r->decoder, OF_DATA, icc, n) == JXL_DEC_SUCCESS)
        status = wi_image_set_icc(r->image, icc, n, error);
    free(icc);
    return status;
}

static wi_status set_buffer(const jxl_reading *r, wi_error *error)
{
    const JxlPixelFormat format = {wi_image_channels(r->image->mode), JXL_TYPE_UINT8,
                                   JXL_NATIVE_ENDIAN, 0};
    size_t wanted = 0, n = r->image->stride_bytes * r->image->height_px;
    if (JxlDecoderImageOutBufferSize(r->decoder, &format, &wanted) != JXL_DEC_SUCCESS ||
        wanted > n ||
        JxlDecoderSetImageOutBuffer(r->decoder, &format, r->image->pixels, n) != JXL_DEC_SUCCESS)
        return fail_damaged(error);
    return WI_OK;
}

static wi_status read_frame(jxl_reading *r, const wi_encoded *in, wi_error *error)
{
    for (;;) {
        wi_status status = WI_OK;
        switch (JxlDecoderProcessInput(r->decoder)) {
        case JXL_DEC_BASIC_INFO:
            status = r->image ? fail_damaged(error) : begin(r, in, error);
            break;
        case JXL_DEC_COLOR_ENCODING:
            status = r->image ? (in->exact ? WI_OK : read_colors(r, error)) : fail_damaged(error);
            break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
            status = r->image ? set_buffer(r, error) : fail_damaged(error);
            break;
        case JXL_DEC_FULL_IMAGE:
            return WI_OK;
        case JXL_DEC_NEED_MORE_INPUT:
            return wi_fail(error, WI_ERR_FORMAT, "jxl: the file is truncated");
        default:
            return fail_damaged(error);
        }
        if (status != WI_OK)
            return status;
    }
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    jxl_reading r = {.decoder = JxlDecoderCreate(NULL)};
    if (!r.decoder)
        return wi_fail(error, WI_ERR_NOMEM, "jxl: out of memory");
    wi_status status = WI_OK;
    if (JxlDecoderSubscribeEvents(r.decoder, JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING |
                                                 JXL_DEC_FULL_IMAGE) != JXL_DEC_SUCCESS ||
        JxlDecoderSetKeepOrientation(r.decoder, JXL_TRUE) != JXL_DEC_SUCCESS ||
        JxlDecoderSetUnpremultiplyAlpha(r.decoder, JXL_TRUE) != JXL_DEC_SUCCESS ||
        JxlDecoderSetInput(r.decoder, in->bytes, in->n_bytes) != JXL_DEC_SUCCESS)
        status = fail_damaged(error);
    /* The input is not closed: what is missing is then asked for, not complained of on standard error. */
    if (status == WI_OK)
        status = read_frame(&r, in, error);
    JxlDecoderDestroy(r.decoder);
    if (status != WI_OK) {
        wi_image_free(r.image);
        return status;
    }
    *out = r.image;
    return WI_OK;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    const wi_kind *kind = wi_kind_of(bytes, n_bytes);
    return kind && kind->family == WI_FAMILY_JXL;
}

const wi_decoder wi_decoder_jxl = {"jxl", probe, decode};
