/* Colours that are told by an ICC profile, through Windows' own colour management. */
#include "image/color.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <icm.h>

/* LCS_sRGB and SPACE_RGB, which the system's header writes as characters that warn. */
static const DWORD srgb_space = 0x73524742, rgb_data = 0x52474220;

typedef struct icm_color {
    wi_color base;
    HTRANSFORM transform;
} icm_color;

/* One pixel a line: rows of more would have to end at multiples of four bytes. */
static void rgb_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const icm_color *color = (const icm_color *)base;
    enum { AT_ONCE = 256, WIDE = 4 };
    uint8_t from[AT_ONCE * WIDE] = {0}, to[AT_ONCE * WIDE];
    while (n_px > 0) {
        const size_t n = n_px < AT_ONCE ? n_px : AT_ONCE;
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < 3; c++) /* blue comes first */
                from[WIDE * i + c] = in[3 * i + 2 - c];
        /* Without it the colours stay, as of a profile that is of no use. */
        const bool done = TranslateBitmapBits(color->transform, from, BM_xRGBQUADS, (DWORD)n, 1, 0,
                                              to, BM_xRGBQUADS, 0, NULL, 0);
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < 3; c++)
                rgb[3 * i + c] = (done ? to : from)[WIDE * i + 2 - c];
        in += 3 * n;
        rgb += 3 * n;
        n_px -= n;
    }
}

static void icm_free(wi_color *base)
{
    icm_color *color = (icm_color *)base;
    if (color->transform)
        DeleteColorTransform(color->transform);
    free(color);
}

/* sRGB as this Windows has it. */
static HPROFILE open_srgb(void)
{
    wchar_t path[MAX_PATH];
    DWORD n_bytes = sizeof path;
    if (!GetStandardColorSpaceProfileW(NULL, srgb_space, path, &n_bytes))
        return NULL;
    PROFILE named = {PROFILE_FILENAME, path, n_bytes};
    return OpenColorProfileW(&named, PROFILE_READ, FILE_SHARE_READ, OPEN_EXISTING);
}

/* NULL when the profile is of no use: damaged, or not of RGB. */
static HTRANSFORM make_transform(const wi_profile *profile)
{
    PROFILE held = {PROFILE_MEMBUFFER, profile->icc, (DWORD)profile->n_icc};
    HPROFILE from = OpenColorProfileW(&held, PROFILE_READ, FILE_SHARE_READ, OPEN_EXISTING);
    HPROFILE to = from ? open_srgb() : NULL;
    HTRANSFORM transform = NULL;
    PROFILEHEADER header;
    if (to && GetColorProfileHeader(from, &header) && header.phDataColorSpace == rgb_data) {
        HPROFILE both[] = {from, to};
        DWORD intents[] = {INTENT_RELATIVE_COLORIMETRIC, INTENT_RELATIVE_COLORIMETRIC};
        transform = CreateMultiProfileTransform(both, 2, intents, 2, BEST_MODE, INDEX_DONT_CARE);
    }
    if (to)
        CloseColorProfile(to);
    if (from)
        CloseColorProfile(from);
    return transform;
}

wi_status wi_color_from_icc(const wi_image *image, wi_color **out, wi_error *error)
{
    if (image->mode == WI_MODE_CMYK || image->mode == WI_MODE_L)
        return WI_OK; /* what profiles of grey and of inks do was not tried */
    icm_color *color = calloc(1, sizeof *color);
    if (!color)
        return wi_fail_nomem(error, sizeof *color, "a colour conversion");
    color->base = (wi_color){rgb_to_srgb, icm_free, false};
    color->transform = make_transform(&image->profile);
    if (!color->transform || wi_color_is_near_srgb(&color->base)) {
        icm_free(&color->base);
        return WI_OK;
    }
    *out = &color->base;
    return WI_OK;
}
