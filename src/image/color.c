/* Colours that are told by numbers (ITU-T H.273): wide primaries, and the two transfers of high
 * dynamic range, which are brought to what a screen of ordinary range shows. */
#include "image/color.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRIMARIES_709 = 1,
    PRIMARIES_UNSAID = 2,
    PRIMARIES_2020 = 9,
    PRIMARIES_DCI = 11,
    PRIMARIES_P3 = 12,
    TRANSFER_UNSAID = 2,
    TRANSFER_GAMMA_22 = 4,
    TRANSFER_GAMMA_28 = 5,
    TRANSFER_LINEAR = 8,
    TRANSFER_PQ = 16,
    TRANSFER_HLG = 18,
    ENCODE_STEPS = 1 << 13,
    SAMPLED_PX = 1 << 16 /* of a picture, to know its brightest parts */
};

static const double reference_white_nits = 203; /* ITU-R BT.2408 */
static const double hlg_peak_nits = 1000, hlg_gamma = 1.2;
static const double knee = 0.75; /* of white, above which highlights are drawn together */

/* Linear RGB of a space -> linear RGB of sRGB, white to white. */
typedef struct primaries {
    unsigned number;
    float to_srgb[9];
} primaries;

static const primaries known_primaries[] = {
    {PRIMARIES_2020,
     {1.660491F, -0.587641F, -0.072850F, -0.124550F, 1.132900F, -0.008349F, -0.018151F, -0.100579F,
      1.118730F}},
    {PRIMARIES_P3,
     {1.224940F, -0.224940F, 0.0F, -0.042057F, 1.042057F, 0.0F, -0.019638F, -0.078636F, 1.098274F}},
    {PRIMARIES_DCI,
     {1.157490F, -0.154962F, -0.002528F, -0.041501F, 1.045568F, -0.004067F, -0.018050F, -0.078578F,
      1.096628F}},
};

typedef struct numbers_color {
    wi_color base;
    bool is_hlg;
    float peak; /* brightest part, of white; 1 or less: nothing to draw together */
    float matrix[9];
    float linear[256];                 /* of white; HLG: of the scene */
    uint8_t encoded[ENCODE_STEPS + 1]; /* linear of white -> sRGB */
} numbers_color;

bool wi_color_is_hdr(const wi_profile *profile)
{
    return profile->transfer == TRANSFER_PQ || profile->transfer == TRANSFER_HLG;
}

static double pq_nits(double value)
{
    double p = pow(value, 1 / 78.84375), above = p - 0.8359375;
    return above <= 0 ? 0 : 10000 * pow(above / (18.8515625 - 18.6875 * p), 1 / 0.1593017578125);
}

static double hlg_scene(double value)
{
    return value <= 0.5 ? value * value / 3
                        : (exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12;
}

static double srgb_linear(double value)
{
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

static double srgb_encoded(double value)
{
    return value <= 0.0031308 ? value * 12.92 : 1.055 * pow(value, 1 / 2.4) - 0.055;
}

/* Transfers of ordinary range are all taken as sRGB's, as browsers do, but the plain powers. */
static double linear_of(unsigned transfer, double value)
{
    switch (transfer) {
    case TRANSFER_PQ:
        return pq_nits(value) / reference_white_nits;
    case TRANSFER_HLG:
        return hlg_scene(value);
    case TRANSFER_LINEAR:
        return value;
    case TRANSFER_GAMMA_22:
        return pow(value, 2.2);
    case TRANSFER_GAMMA_28:
        return pow(value, 2.8);
    default:
        return srgb_linear(value);
    }
}

/* HLG's light on a screen depends on the pixel's brightness. */
static void show_hlg(float rgb[3])
{
    float luminance = 0.2627F * rgb[0] + 0.6780F * rgb[1] + 0.0593F * rgb[2];
    float factor = luminance > 0 ? powf(luminance, (float)hlg_gamma - 1) *
                                       (float)(hlg_peak_nits / reference_white_nits)
                                 : 0;
    for (int c = 0; c < 3; c++)
        rgb[c] *= factor;
}

/* Keeps the hue: the largest channel decides. Slope 1 at the knee; the peak becomes white. */
static void draw_together(float rgb[3], float peak)
{
    float most = rgb[0] > rgb[1] ? rgb[0] : rgb[1];
    most = rgb[2] > most ? rgb[2] : most;
    if (peak <= 1 || most <= (float)knee)
        return;
    float start = (float)knee, room = 1 - start, span = peak - start;
    float x = (most - start) / span, slope = span / room;
    float shown = start + room * (x * slope / (1 + x * (slope - 1)));
    for (int c = 0; c < 3; c++)
        rgb[c] *= shown / most;
}

static void linear_srgb(const numbers_color *color, const uint8_t *in, float out[3])
{
    float rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = color->linear[in[c]];
    if (color->is_hlg)
        show_hlg(rgb);
    for (int c = 0; c < 3; c++) {
        const float *row = color->matrix + 3 * c;
        out[c] = row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2];
    }
}

static void numbers_to_srgb(const wi_color *base, const uint8_t *in, size_t n_px, uint8_t *rgb)
{
    const numbers_color *color = (const numbers_color *)base;
    for (size_t i = 0; i < n_px; i++, in += 3, rgb += 3) {
        float light[3];
        linear_srgb(color, in, light);
        draw_together(light, color->peak);
        for (int c = 0; c < 3; c++) {
            float clipped = light[c] < 0 ? 0 : light[c] > 1 ? 1 : light[c];
            rgb[c] = color->encoded[(int)(clipped * ENCODE_STEPS + 0.5F)];
        }
    }
}

static void numbers_free(wi_color *base)
{
    free(base);
}

/* The brightest thousandth of the picture, of white, by a sample of its pixels. */
static float peak_of(const numbers_color *color, const wi_image *image)
{
    enum { STEPS = 256, PER_WHITE = 5 }; /* up to 51 times white: PQ's end */
    size_t counts[STEPS] = {0}, n_px = (size_t)image->width_px * image->height_px;
    size_t step = n_px / SAMPLED_PX + 1, channels = wi_image_channels(image->mode), n = 0;
    for (size_t i = 0; i < n_px; i += step, n++) {
        uint8_t rgb[3];
        float light[3];
        wi_image_row_to_rgb(image, image->pixels + i * channels, 1, rgb);
        linear_srgb(color, rgb, light);
        float most = light[0] > light[1] ? light[0] : light[1];
        most = light[2] > most ? light[2] : most;
        int bin = most <= 0 ? 0 : (int)(most * PER_WHITE);
        counts[bin < STEPS ? bin : STEPS - 1]++;
    }
    size_t above = 0;
    for (int bin = STEPS - 1; bin > 0; bin--) {
        above += counts[bin];
        if (above * 1000 > n)
            return (float)(bin + 1) / PER_WHITE;
    }
    return 0;
}

/* false: the numbers say nothing but sRGB, or what is not known. */
static bool find_matrix(const wi_profile *profile, float matrix[9])
{
    static const float same[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    unsigned transfer = profile->transfer;
    bool plain = !wi_color_is_hdr(profile) && transfer != TRANSFER_LINEAR &&
                 transfer != TRANSFER_GAMMA_22 && transfer != TRANSFER_GAMMA_28;
    memcpy(matrix, same, sizeof same);
    for (size_t i = 0; i < sizeof known_primaries / sizeof known_primaries[0]; i++)
        if (known_primaries[i].number == profile->primaries) {
            memcpy(matrix, known_primaries[i].to_srgb, sizeof same);
            return true;
        }
    return !plain;
}

wi_status wi_color_from_numbers(const wi_image *image, wi_color **out, wi_error *error)
{
    float matrix[9];
    const wi_profile *profile = &image->profile;
    bool colors = image->mode == WI_MODE_RGB || image->mode == WI_MODE_RGBA ||
                  image->mode == WI_MODE_PALETTE || image->mode == WI_MODE_L;
    if (!colors || !find_matrix(profile, matrix))
        return WI_OK;
    numbers_color *color = calloc(1, sizeof *color);
    if (!color)
        return wi_fail_nomem(error, sizeof *color, "a colour conversion");
    color->base = (wi_color){numbers_to_srgb, numbers_free, false};
    color->is_hlg = profile->transfer == TRANSFER_HLG;
    memcpy(color->matrix, matrix, sizeof matrix);
    for (int i = 0; i < 256; i++)
        color->linear[i] = (float)linear_of(profile->transfer, i / 255.0);
    for (int i = 0; i <= ENCODE_STEPS; i++)
        color->encoded[i] = (uint8_t)lrint(255 * srgb_encoded((double)i / ENCODE_STEPS));
    color->peak = wi_color_is_hdr(profile) ? peak_of(color, image) : 0;
    *out = &color->base;
    return WI_OK;
}

bool wi_color_is_near_srgb(const wi_color *color)
{
    enum { A_SIDE = 5 };
    for (int i = 0; i < A_SIDE * A_SIDE * A_SIDE; i++) {
        uint8_t in[3], out[3];
        for (int c = 0, rest = i; c < 3; c++, rest /= A_SIDE)
            in[c] = (uint8_t)(rest % A_SIDE * 255 / (A_SIDE - 1));
        color->to_srgb(color, in, 1, out);
        for (int c = 0; c < 3; c++)
            if (abs(out[c] - in[c]) > WI_COLOR_NEAR)
                return false;
    }
    return true;
}

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Profiles of high dynamic range say in numbers, too, what they are (ICC.1:2022, 9.2.17), since their
 * curves lead to a screen of ten thousand nits, where a photo is all but black. */
static void take_hdr_of_icc(wi_profile *profile)
{
    enum { TABLE = 128, ENTRY_BYTES = 12, BODY_BYTES = 12 };
    const uint8_t *icc = profile->icc;
    size_t n = profile->n_icc;
    if (n < TABLE + 4 || memcmp(icc + 16, "RGB ", 4) != 0)
        return;
    size_t n_tags = big_endian(icc + TABLE), room = (n - TABLE - 4) / ENTRY_BYTES;
    for (size_t i = 0; i < n_tags && i < room; i++) {
        const uint8_t *tag = icc + TABLE + 4 + i * ENTRY_BYTES;
        size_t at = big_endian(tag + 4);
        if (memcmp(tag, "cicp", 4) != 0 || !wi_size_within(at, BODY_BYTES, n) ||
            memcmp(icc + at, "cicp", 4) != 0)
            continue;
        wi_profile said = {.primaries = icc[at + 8], .transfer = icc[at + 9]};
        if (wi_color_is_hdr(&said)) {
            profile->primaries = said.primaries;
            profile->transfer = said.transfer;
        }
        return;
    }
}

wi_status wi_color_attach(wi_image *image, wi_error *error)
{
    wi_status status = WI_OK;
    if (image->profile.icc && !wi_color_is_hdr(&image->profile))
        take_hdr_of_icc(&image->profile);
    /* A profile says more than the numbers, but of high dynamic range it knows little. */
    if (image->profile.icc && !wi_color_is_hdr(&image->profile))
        status = wi_color_from_icc(image, &image->color, error);
    else
        status = wi_color_from_numbers(image, &image->color, error);
    free(image->profile.icc);
    image->profile.icc = NULL;
    return status;
}

#if !defined(WI_WITH_ICC)
wi_status wi_color_from_icc(const wi_image *image, wi_color **out, wi_error *error)
{
    (void)image;
    (void)out;
    (void)error;
    return WI_OK;
}
#endif
