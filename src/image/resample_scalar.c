#include "image/resample.h"

/* Pillow's clip8. >> on a negative sum is arithmetic on every compiler that we build with. */
static uint8_t clip8(int32_t sum)
{
    int32_t value = sum >> WI_TAPS_PRECISION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static const int32_t half = 1 << (WI_TAPS_PRECISION_BITS - 1);

static void horizontal_row(const wi_taps *taps, uint32_t channels, const uint8_t *source,
                           uint8_t *out)
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        const uint8_t *at = source + (size_t)taps->first[i] * channels;
        for (uint32_t c = 0; c < channels; c++) {
            int32_t sum = half;
            for (uint32_t k = 0; k < taps->n_taps[i]; k++)
                sum += weights[k] * at[(size_t)k * channels + c];
            *out++ = clip8(sum);
        }
    }
}

static void horizontal(const wi_taps *taps, uint32_t channels,
                       const uint8_t *const source[WI_RESAMPLE_ROWS],
                       uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
        if (r == 0 || source[r] != source[r - 1] || out[r] != out[r - 1])
            horizontal_row(taps, channels, source[r], out[r]);
}

static void vertical(const wi_taps *taps, uint32_t i, const uint8_t *rows, size_t stride_bytes,
                     size_t n_bytes, uint8_t *out)
{
    const int32_t *weights = taps->weights + (size_t)i * taps->stride;
    for (size_t x = 0; x < n_bytes; x++) {
        int32_t sum = half;
        for (uint32_t k = 0; k < taps->n_taps[i]; k++)
            sum += weights[k] * rows[k * stride_bytes + x];
        out[x] = clip8(sum);
    }
}

const wi_resample_kernels wi_resample_scalar = {"scalar", horizontal, vertical};
