#include "nn/clip.h"

#include <math.h>

/* The mean of min(max(x, 0), 6) for a normal x of this mean and deviation. */
static float clipped_mean(double mean, double spread)
{
    double parts[2];
    for (int i = 0; i < 2; i++) { /* of max(x, 0) and of max(x - 6, 0) */
        const double m = mean - 6.0 * i, z = spread > 0.0 ? m / spread : 0.0;
        const double density = exp(-0.5 * z * z) / sqrt(2.0 * 3.14159265358979323846);
        parts[i] = spread > 0.0 ? m * 0.5 * erfc(-z / sqrt(2.0)) + spread * density
                   : m > 0.0    ? m
                                : 0.0;
    }
    return (float)(parts[0] - parts[1]);
}

void wi_clip_means(wi_mat *mat)
{
    for (uint32_t i = 0; mat->mean && i < mat->n; i++)
        mat->mean[i] = clipped_mean((double)mat->mean[i], (double)mat->spread[i]);
}
