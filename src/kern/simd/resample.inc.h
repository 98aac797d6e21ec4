/* Resampling by 32-bit products of widened bytes, four at a time: the same integers as the reference. x86, whose
 * multiplication of two 16-bit pairs is quicker, has its own. */
#include "kern/kern.h"
#include "kern/ref/ref.h"

#include <string.h>

enum { HALF_TAP = 1 << (WI_TAPS_PRECISION_BITS - 1) };

/* 3 and 4 channels: of three the fourth byte is the next pixel's, and its sum is overwritten. */
static void along_pixels(const wi_taps *taps, uint32_t channels,
                         const uint8_t *const source[WI_RESAMPLE_ROWS],
                         uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        size_t offset = (size_t)taps->first[i] * channels;
        vi sums[WI_RESAMPLE_ROWS];
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
            sums[r] = vi_set(HALF_TAP);
        for (uint32_t k = 0; k < taps->n_taps[i]; k++, offset += channels) {
            const vi weight = vi_set(weights[k]);
            for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
                sums[r] = vi_add(sums[r], vi_mul(vi_widen_u8(source[r] + offset), weight));
        }
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
            const uint64_t pixel = vi_clip_u8(sums[r], sums[r], WI_TAPS_PRECISION_BITS);
            memcpy(out[r] + (size_t)i * channels, &pixel, 4);
        }
    }
}

static void along_grey(const wi_taps *taps, const uint8_t *const source[WI_RESAMPLE_ROWS],
                       uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
            const uint8_t *at = source[r] + taps->first[i];
            vi sums = vi_zero();
            for (uint32_t k = 0; k < taps->n_taps[i]; k += 4)
                sums = vi_add(sums, vi_mul(vi_widen_u8(at + k), vi_load(weights + k)));
            const vi total = vi_set(vi_sum(sums) + HALF_TAP);
            out[r][i] = (uint8_t)vi_clip_u8(total, total, WI_TAPS_PRECISION_BITS);
        }
    }
}

static void resample_along(const wi_taps *taps, uint32_t channels,
                           const uint8_t *const source[WI_RESAMPLE_ROWS],
                           uint8_t *const out[WI_RESAMPLE_ROWS])
{
    if (channels == 1)
        along_grey(taps, source, out);
    else if (channels >= 3)
        along_pixels(taps, channels, source, out);
    else
        wi_kern_ref.resample_along(taps, channels, source, out);
}

static void resample_down(const wi_taps *taps, uint32_t i, const uint8_t *rows, size_t stride_bytes,
                          size_t n_bytes, uint8_t *out)
{
    const int32_t *weights = taps->weights + (size_t)i * taps->stride;
    for (size_t x = 0; x < n_bytes; x += 4 * VI_RUN) {
        vi sums[VI_RUN];
        for (int q = 0; q < VI_RUN; q++)
            sums[q] = vi_set(HALF_TAP);
        for (uint32_t k = 0; k < taps->n_taps[i]; k++) {
            const vi weight = vi_set(weights[k]);
            vi bytes[VI_RUN];
            vi_widen_run(rows + k * stride_bytes + x, bytes);
            for (int q = 0; q < VI_RUN; q++)
                sums[q] = vi_add(sums[q], vi_mul(bytes[q], weight));
        }
        for (int q = 0; q < VI_RUN; q += 2) {
            const uint64_t eight = vi_clip_u8(sums[q], sums[q + 1], WI_TAPS_PRECISION_BITS);
            memcpy(out + x + 4 * (size_t)q, &eight, sizeof eight);
        }
    }
}

#define RESAMPLING .resample_along = resample_along, .resample_down = resample_down,
