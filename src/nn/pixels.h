/* From bytes to the numbers that enter a tower: (byte/255 - mean) / std in f32, as torchvision's
 * ToTensor and Normalize compute it. There are only 256 of them a channel. */
#ifndef WI_NN_PIXELS_H
#define WI_NN_PIXELS_H

#include <stddef.h>
#include <stdint.h>

static inline void wi_pixel_values(const float mean[3], const float std[3],
                                   float *values /* [3][256] */)
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            values[c * 256 + v] = ((float)v / 255.0f - mean[c]) / std[c];
}

/* patches[n*grid*grid, 3*p*p] of pixels[n, px, px, 3] in (channel, row, column) order, as a
 * convolution's weights are flattened; what of px is left beyond whole patches is left out. */
static inline void wi_pixel_patches(const float *values, const uint8_t *pixels, size_t n, size_t px,
                                    size_t p, float *patches, size_t ld)
{
    const size_t g = px / p;
    for (size_t b = 0; b < n; b++)
        for (size_t gy = 0; gy < g; gy++)
            for (size_t gx = 0; gx < g; gx++) {
                float *out = patches + ((b * g + gy) * g + gx) * ld;
                for (size_t y = 0; y < p; y++) {
                    const uint8_t *row = pixels + ((b * px + gy * p + y) * px + gx * p) * 3;
                    for (size_t x = 0; x < p; x++)
                        for (size_t c = 0; c < 3; c++)
                            out[(c * p + y) * p + x] = values[c * 256 + row[3 * x + c]];
                }
            }
}

#endif
