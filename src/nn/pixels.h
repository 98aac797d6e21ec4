/* From bytes to the numbers that enter a tower: (byte/255 - mean) / std in f32, as torchvision's
 * ToTensor and Normalize compute it. There are only 256 of them a channel. */
#ifndef WI_NN_PIXELS_H
#define WI_NN_PIXELS_H

#include <stdint.h>

static inline void wi_pixel_values(const float mean[3], const float std[3],
                                   float *values /* [3][256] */)
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            values[c * 256 + v] = ((float)v / 255.0f - mean[c]) / std[c];
}

#endif
