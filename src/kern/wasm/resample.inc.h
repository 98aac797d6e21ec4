/* WebAssembly's own ways of resampling: 32-bit products of widened bytes, the same integers as the
 * reference. */
#include "kern/kern.h"
#include "kern/ref/ref.h"

#include <string.h>
#include <wasm_simd128.h>

/* clip(sum >> 22) of two vectors to eight bytes in the low half. */
static v128_t clip_taps(v128_t a, v128_t b)
{
    v128_t words = wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(a, WI_TAPS_PRECISION_BITS),
                                           wasm_i32x4_shr(b, WI_TAPS_PRECISION_BITS));
    return wasm_u8x16_narrow_i16x8(words, words);
}

/* The four bytes at a pixel as 32-bit numbers; of three channels the fourth is the next pixel's and
 * its sum is overwritten. */
static v128_t load_pixel(const uint8_t *at)
{
    v128_t words = wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(at));
    return wasm_u32x4_extend_low_u16x8(words);
}

static void along_pixels(const wi_taps *taps, uint32_t channels,
                         const uint8_t *const source[WI_RESAMPLE_ROWS],
                         uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        size_t offset = (size_t)taps->first[i] * channels;
        v128_t sums[WI_RESAMPLE_ROWS];
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
            sums[r] = wasm_i32x4_splat(1 << (WI_TAPS_PRECISION_BITS - 1));
        for (uint32_t k = 0; k < taps->n_taps[i]; k++, offset += channels) {
            v128_t weight = wasm_i32x4_splat(weights[k]);
            for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
                sums[r] =
                    wasm_i32x4_add(sums[r], wasm_i32x4_mul(load_pixel(source[r] + offset), weight));
        }
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
            wasm_v128_store32_lane(out[r] + (size_t)i * channels, clip_taps(sums[r], sums[r]), 0);
    }
}

static void along_grey(const wi_taps *taps, const uint8_t *const source[WI_RESAMPLE_ROWS],
                       uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
            const uint8_t *at = source[r] + taps->first[i];
            v128_t sums = wasm_i32x4_splat(0);
            for (uint32_t k = 0; k < taps->n_taps[i]; k += 4)
                sums = wasm_i32x4_add(
                    sums, wasm_i32x4_mul(load_pixel(at + k), wasm_v128_load(weights + k)));
            int32_t total = wasm_i32x4_extract_lane(sums, 0) + wasm_i32x4_extract_lane(sums, 1) +
                            wasm_i32x4_extract_lane(sums, 2) + wasm_i32x4_extract_lane(sums, 3);
            v128_t all = wasm_i32x4_splat(total + (1 << (WI_TAPS_PRECISION_BITS - 1)));
            out[r][i] = wasm_u8x16_extract_lane(clip_taps(all, all), 0);
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
    for (size_t x = 0; x < n_bytes; x += 8) {
        v128_t a = wasm_i32x4_splat(1 << (WI_TAPS_PRECISION_BITS - 1)), b = a;
        for (uint32_t k = 0; k < taps->n_taps[i]; k++) {
            v128_t words = wasm_u16x8_load8x8(rows + k * stride_bytes + x);
            v128_t weight = wasm_i32x4_splat(weights[k]);
            v128_t low = wasm_u32x4_extend_low_u16x8(words);
            v128_t high = wasm_u32x4_extend_high_u16x8(words);
            a = wasm_i32x4_add(a, wasm_i32x4_mul(low, weight));
            b = wasm_i32x4_add(b, wasm_i32x4_mul(high, weight));
        }
        wasm_v128_store64_lane(out + x, clip_taps(a, b), 0);
    }
}

#define RESAMPLING .resample_along = resample_along, .resample_down = resample_down,
