/* Colours that are told by an ICC profile, through Little CMS. */
#include "image/color.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#include <lcms2.h>

enum { INK_STEPS = 9 };

typedef struct icc_color {
    wi_color base;
    cmsContext context;
    cmsHTRANSFORM transform; /* NULL where levels hold it all */
    uint8_t levels[256][3];  /* of a grey profile */
    uint16_t *inks;          /* [cyan, magenta, yellow, black, RGB] of a press profile; or NULL */
} icc_color;

static void transform_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const icc_color *color = (const icc_color *)base;
    cmsDoTransform(color->transform, in, rgb, (cmsUInt32Number)n_px);
}

/* Between the 16 places of the table around the inks, one axis after the other. */
static void inks_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const icc_color *color = (const icc_color *)base;
    static const size_t strides[4] = {INK_STEPS * INK_STEPS * INK_STEPS, INK_STEPS * INK_STEPS,
                                      INK_STEPS, 1};
    for (size_t i = 0; i < n_px; i++, in += 4, rgb += 3) {
        float share[4], sum[3] = {0, 0, 0};
        size_t corner = 0;
        for (int c = 0; c < 4; c++) {
            float at = (float)in[c] * (INK_STEPS - 1) / 255;
            size_t step = (size_t)at < INK_STEPS - 2 ? (size_t)at : INK_STEPS - 2;
            share[c] = at - (float)step;
            corner += step * strides[c];
        }
        for (unsigned k = 0; k < 16; k++) {
            float weight = 1;
            size_t place = corner;
            for (int c = 0; c < 4; c++) {
                bool far = k >> c & 1;
                weight *= far ? share[c] : 1 - share[c];
                place += far ? strides[c] : 0;
            }
            for (int c = 0; c < 3; c++)
                sum[c] += weight * color->inks[3 * place + (size_t)c];
        }
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(sum[c] / 257 + 0.5F);
    }
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
    free(color->inks);
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

/* Into color->transform; false when the profile is of no use. */
static bool make_transform(icc_color *color, const wi_image *image, cmsUInt32Number *format)
{
    cmsHPROFILE from = cmsOpenProfileFromMemTHR(color->context, image->profile.icc,
                                                (cmsUInt32Number)image->profile.n_icc);
    cmsHPROFILE to = from ? cmsCreate_sRGBProfileTHR(color->context) : NULL;
    *format = from ? format_of(cmsGetColorSpace(from), image->mode) : 0;
    bool inks = *format == TYPE_CMYK_8;
    cmsUInt32Number flags = cmsFLAGS_NOCACHE | (inks ? cmsFLAGS_NOOPTIMIZE : 0);
    if (to && *format)
        color->transform = cmsCreateTransformTHR(color->context, from, *format, to,
                                                 inks ? TYPE_RGB_16 : TYPE_RGB_8,
                                                 INTENT_RELATIVE_COLORIMETRIC, flags);
    if (from)
        cmsCloseProfile(from);
    if (to)
        cmsCloseProfile(to);
    return color->transform != NULL;
}

/* Of four inks Little CMS would make a table that takes as long as a whole picture to fill: this one
 * has as many steps as profiles themselves have. */
static bool fill_inks(icc_color *color)
{
    size_t n = (size_t)INK_STEPS * INK_STEPS * INK_STEPS;
    color->inks = malloc(n * INK_STEPS * 3 * sizeof *color->inks);
    if (!color->inks)
        return false;
    uint8_t in[INK_STEPS][4];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < INK_STEPS; k++) {
            const size_t steps[4] = {i / (INK_STEPS * INK_STEPS), i / INK_STEPS % INK_STEPS,
                                     i % INK_STEPS, k};
            for (int c = 0; c < 4; c++)
                in[k][c] = (uint8_t)((steps[c] * 255 + (INK_STEPS - 1) / 2) / (INK_STEPS - 1));
        }
        cmsDoTransform(color->transform, in, color->inks + i * INK_STEPS * 3, INK_STEPS);
    }
    color->base.to_srgb = inks_to_srgb;
    color->base.takes_native = true;
    return true;
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
        if (abs(color->levels[i][1] - i) > WI_COLOR_NEAR)
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
    if (useful && format == TYPE_CMYK_8)
        useful = fill_inks(color);
    else if (useful && format == TYPE_RGB_8)
        useful = !wi_color_is_near_srgb(&color->base);
    else if (useful && format == TYPE_GRAY_8)
        useful = fill_levels(color, image->mode == WI_MODE_L);
    if (!useful) {
        icc_free(&color->base);
        return WI_OK;
    }
    *out = &color->base;
    return WI_OK;
}
