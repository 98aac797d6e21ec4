#include "image/ground.h"

#include <string.h>

/* A drawing whose visible part is this light for the most part would be lost on white. */
enum { LIGHT = 208, LIGHT_PERCENT = 90, WHITE = 255, BLACK = 0 };

/* Sums of alpha. */
typedef struct census {
    uint64_t visible, light, whole; /* whole: were all opaque */
} census;

static uint8_t blend(unsigned value, unsigned ground, unsigned alpha)
{
    return (uint8_t)((value * alpha + ground * (255 - alpha) + 127) / 255);
}

static bool is_light(const uint8_t *color, uint32_t n)
{
    unsigned darkest = color[0];
    for (uint32_t c = 1; c < n; c++)
        darkest = color[c] < darkest ? color[c] : darkest;
    return darkest >= LIGHT;
}

static void count(census *sum, const uint8_t *color, uint32_t n, unsigned alpha, uint64_t times)
{
    sum->visible += alpha * times;
    sum->whole += 255 * times;
    if (alpha && is_light(color, n))
        sum->light += alpha * times;
}

static unsigned ground_for(const census *sum)
{
    return sum->light * 100 >= sum->visible * LIGHT_PERCENT ? BLACK : WHITE;
}

/* An alpha channel of zeros is one that nobody filled. */
static bool is_unfilled(const census *sum, wi_image *image)
{
    if (sum->visible)
        return false;
    wi_image_warn(image, "every pixel is transparent; read as if none were");
    return true;
}

void wi_ground_pixels(wi_image *image)
{
    if (image->mode != WI_MODE_LA && image->mode != WI_MODE_RGBA)
        return;
    uint32_t channels = wi_image_channels(image->mode), colors = channels - 1;
    size_t n_px = (size_t)image->width_px * image->height_px;
    census sum = {0};
    const uint8_t *in = image->pixels;
    for (size_t i = 0; i < n_px; i++, in += channels)
        count(&sum, in, colors, in[colors], 1);
    bool opaque = sum.visible == sum.whole || is_unfilled(&sum, image);
    unsigned ground = ground_for(&sum);
    uint8_t *out = image->pixels;
    in = image->pixels;
    for (size_t i = 0; i < n_px; i++, in += channels, out += colors) {
        unsigned alpha = opaque ? 255 : in[colors];
        for (uint32_t c = 0; c < colors; c++)
            out[c] = alpha == 255 ? in[c] : blend(in[c], ground, alpha);
    }
    image->mode = image->mode == WI_MODE_LA ? WI_MODE_L : WI_MODE_RGB;
    image->stride_bytes = (size_t)image->width_px * colors;
}

void wi_ground_palette(wi_image *image, const uint8_t alpha[256])
{
    if (image->mode != WI_MODE_PALETTE && image->mode != WI_MODE_L)
        return;
    uint64_t times[256] = {0};
    size_t n_px = (size_t)image->width_px * image->height_px;
    for (size_t i = 0; i < n_px; i++)
        times[image->pixels[i]]++;
    census sum = {0};
    for (int i = 0; i < 256; i++)
        count(&sum, image->palette[i], 3, alpha[i], times[i]);
    if (sum.visible == sum.whole || is_unfilled(&sum, image))
        return;
    unsigned ground = ground_for(&sum);
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 3; c++)
            image->palette[i][c] = blend(image->palette[i][c], ground, alpha[i]);
    image->mode = WI_MODE_PALETTE;
}
