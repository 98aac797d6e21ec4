#include <whatsit/vectors.h>

#include "base/top.h"

#include <math.h>

void wi_normalise(float *x, size_t n, size_t d)
{
    for (size_t i = 0; x && i < n; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < d; j++)
            sum += (double)x[i * d + j] * x[i * d + j];
        const double inverse = sum > 0.0 ? 1.0 / sqrt(sum) : 0.0;
        for (size_t j = 0; j < d; j++)
            x[i * d + j] = (float)(x[i * d + j] * inverse);
    }
}

size_t wi_top_k(const float *value, size_t n, size_t k, size_t *index)
{
    return value && index ? wi_top(value, n, k, index, sizeof *index) : 0;
}
