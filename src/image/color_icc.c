/* Colours that are told by an ICC profile, through Little CMS. */
#include "image/color.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#include <lcms2.h>

/* Differences up to this, of 255, are not worth a conversion: sRGB by another hand. */
enum { NEAR_SRGB = 2, PROBES_A_SIDE = 5 };

typedef struct icc_color {
    wi_color base;
    cmsContext context;
    cmsHTRANSFORM transform; /* NULL where levels hold it all */
    uint8_t levels[256][3];  /* of a grey profile */
} icc_color;

static void transform_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const icc_color *color = (const icc_color *)base;
    cmsDoTransform(color->transform, in, rgb, (cmsUInt32Number)n_px);
}

/* Grey by its level. */
static void levels_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const icc_color *color = (const icc_color *)base;
    for (size_t i = 0; i < n_px; i++)
        memcpy(rgb + 3 * i, color->levels[in[i]], 3);
}

/* Grey that became RGB on the way: a palette, a ground. */
static void rgb_levels_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const icc_color *color = (const icc_color *)base;
    for (size_t i = 0; i < n_px; i++) {
        uint8_t level = in[3 * i + 1];
        memcpy(rgb + 3 * i, color->levels[level], 3);
    }
}

static void icc_free(wi_color *base)
{
    icc_color *color = (icc_color *)base;
    if (color->transform)
        cmsDeleteTransform(color->transform);
    if (color->context)
        cmsDeleteContext(color->context);
    free(color);
}

/* The cmsUInt32Number format of pixels in the profile's space; 0: not a space of this picture. */
static cmsUInt32Number format_of(cmsColorSpaceSignature space, wi_pixel_mode mode)
{
    bool cmyk = mode == WI_MODE_CMYK, grey = mode == WI_MODE_L || mode == WI_MODE_LA;
    switch (space) {
    case cmsSigCmykData:
        return cmyk ? TYPE_CMYK_8 : 0;
    case cmsSigGrayData:
        return grey || mode == WI_MODE_PALETTE ? TYPE_GRAY_8 : 0;
    case cmsSigRgbData:
        return cmyk ? 0 : TYPE_RGB_8;
    default:
        return 0;
    }
}

static bool is_near_srgb(const icc_color *color)
{
    uint8_t out[3];
    for (int i = 0; i < PROBES_A_SIDE * PROBES_A_SIDE * PROBES_A_SIDE; i++) {
        uint8_t in[3];
        for (int c = 0, rest = i; c < 3; c++, rest /= PROBES_A_SIDE)
            in[c] = (uint8_t)(rest % PROBES_A_SIDE * 255 / (PROBES_A_SIDE - 1));
        cmsDoTransform(color->transform, in, out, 1);
        for (int c = 0; c < 3; c++)
            if (abs(out[c] - in[c]) > NEAR_SRGB)
                return false;
    }
    return true;
}

/* Into color->transform; false when the profile is of no use. */
static bool make_transform(icc_color *color, const wi_image *image, cmsUInt32Number *format)
{
    cmsHPROFILE from = cmsOpenProfileFromMemTHR(color->context, image->profile.icc,
                                                (cmsUInt32Number)image->profile.n_icc);
    cmsHPROFILE to = from ? cmsCreate_sRGBProfileTHR(color->context) : NULL;
    *format = from ? format_of(cmsGetColorSpace(from), image->mode) : 0;
    if (to && *format)
        color->transform = cmsCreateTransformTHR(color->context, from, *format, to, TYPE_RGB_8,
                                                 INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_NOCACHE);
    if (from)
        cmsCloseProfile(from);
    if (to)
        cmsCloseProfile(to);
    return color->transform != NULL;
}

/* What a grey profile makes of each level; false when that is near the level itself. */
static bool fill_levels(icc_color *color, bool native)
{
    uint8_t levels[256];
    for (int i = 0; i < 256; i++)
        levels[i] = (uint8_t)i;
    cmsDoTransform(color->transform, levels, color->levels, 256);
    color->base.to_srgb = native ? levels_to_srgb : rgb_levels_to_srgb;
    color->base.takes_native = native;
    for (int i = 0; i < 256; i++)
        if (abs(color->levels[i][1] - i) > NEAR_SRGB)
            return true;
    return false;
}

wi_status wi_color_from_icc(const wi_image *image, wi_color **out, wi_error *error)
{
    icc_color *color = calloc(1, sizeof *color);
    if (!color)
        return wi_fail_nomem(error, sizeof *color, "a colour conversion");
    color->base = (wi_color){transform_to_srgb, icc_free, false};
    color->context = cmsCreateContext(NULL, NULL);
    cmsUInt32Number format = 0;
    bool useful = color->context && make_transform(color, image, &format);
    color->base.takes_native = format == TYPE_CMYK_8;
    if (useful && format == TYPE_RGB_8)
        useful = !is_near_srgb(color);
    else if (useful && format == TYPE_GRAY_8)
        useful = fill_levels(color, image->mode == WI_MODE_L);
    if (!useful) {
        icc_free(&color->base);
        return WI_OK;
    }
    *out = &color->base;
    return WI_OK;
}
