#include "heatmap.h"
#include "load.h"
#include <math.h>
#include <stdlib.h>

enum { MAX_SIDE = 1600 };

/* Between the four nearest values, so that the map has no steps. at in pixels of the input. */
static double smooth(const float *heat, size_t size, double x, double y)
{
    double last = (double)size - 1;
    x = fmin(fmax(x - 0.5, 0), last);
    y = fmin(fmax(y - 0.5, 0), last);
    size_t x0 = (size_t)x, y0 = (size_t)y, x1 = x0 + 1 < size ? x0 + 1 : x0,
           y1 = y0 + 1 < size ? y0 + 1 : y0;
    double fx = x - (double)x0, fy = y - (double)y0;
    double above = (1 - fx) * (double)heat[y0 * size + x0] + fx * (double)heat[y0 * size + x1];
    double below = (1 - fx) * (double)heat[y1 * size + x0] + fx * (double)heat[y1 * size + x1];
    return (1 - fy) * above + fy * below;
}

/* value in [-1, 1] over a pixel, whose own picture is kept as grey. */
static void colour(const uint8_t *from, double value, uint8_t *to)
{
    static const double hot[3] = {230, 40, 20}, cold[3] = {30, 80, 220};
    double grey = 0.3 * from[0] + 0.59 * from[1] + 0.11 * from[2];
    double share = 0.7 * fmin(fabs(value), 1);
    for (int c = 0; c < 3; c++) {
        double own = 0.5 * grey + 0.5 * from[c], aim = value > 0 ? hot[c] : cold[c];
        to[c] = (uint8_t)lround((1 - share) * own + share * aim);
    }
}

wi_status cli_heatmap_draw(wi_image *image, const wi_preprocess *how, const float *heat,
                           cli_heatmap *out, wi_error *error)
{
    const uint8_t *rgb = NULL;
    uint32_t width, height;
    size_t size = how->size_px;
    wi_status status = wi_image_rgb(image, &rgb, &width, &height, error);
    if (status != WI_OK) {
        return status;
    }
    uint32_t step = ((width > height ? width : height) + MAX_SIDE - 1) / MAX_SIDE;
    out->width_px = (width + step - 1) / step;
    out->height_px = (height + step - 1) / step;
    out->rgb = malloc((size_t)out->width_px * out->height_px * 3);
    if (!out->rgb) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    double most = 1e-12;
    for (size_t i = 0; i < size * size; i++) {
        /* not fmax(): GCC 12 for AArch64 fails on the two together (tree-vect-loop.cc) */
        const double size_here = fabs((double)heat[i]);
        if (size_here > most) {
            most = size_here;
        }
    }
    const wi_input_area seen = wi_preprocess_area(how, width, height);
    for (uint32_t y = 0; y < out->height_px; y++) {
        for (uint32_t x = 0; x < out->width_px; x++) {
            const uint8_t *from = rgb + 3 * ((size_t)y * step * width + (size_t)x * step);
            uint8_t *to = out->rgb + 3 * ((size_t)y * out->width_px + x);
            double u = ((x + 0.5) * step - seen.x) / seen.width;
            double v = ((y + 0.5) * step - seen.y) / seen.height;
            if (u < 0 || u >= 1 || v < 0 || v >= 1) {
                for (int c = 0; c < 3; c++) {
                    to[c] = (uint8_t)(from[c] / 3);
                }
            } else {
                colour(from, smooth(heat, size, u * (double)size, v * (double)size) / most, to);
            }
        }
    }
    return WI_OK;
}
