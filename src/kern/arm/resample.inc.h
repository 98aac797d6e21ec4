/* NEON's own ways of resampling: 32-bit multiply-accumulate of widened bytes, the same integers as the
 * reference. */
#include "kern/kern.h"
#include "kern/ref/ref.h"

#include <arm_neon.h>
#include <string.h>

/* clip(sum >> 22): both narrowing steps saturate, and the shifted sum is far within 16 bits. */
static uint8x8_t clip_taps(int32x4_t a, int32x4_t b)
{
    int16x4_t low = vqmovn_s32(vshrq_n_s32(a, WI_TAPS_PRECISION_BITS));
    int16x4_t high = vqmovn_s32(vshrq_n_s32(b, WI_TAPS_PRECISION_BITS));
    return vqmovun_s16(vcombine_s16(low, high));
}

/* The four bytes at a pixel as 32-bit numbers; of three channels the fourth is the next pixel's and
 * its sum is overwritten. */
static int32x4_t load_pixel(const uint8_t *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    uint16x8_t words = vmovl_u8(vcreate_u8(bytes));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}

static void along_pixels(const wi_taps *taps, uint32_t channels,
                         const uint8_t *const source[WI_RESAMPLE_ROWS],
                         uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        size_t offset = (size_t)taps->first[i] * channels;
        int32x4_t sums[WI_RESAMPLE_ROWS];
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
            sums[r] = vdupq_n_s32(1 << (WI_TAPS_PRECISION_BITS - 1));
        for (uint32_t k = 0; k < taps->n_taps[i]; k++, offset += channels)
            for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
                sums[r] = vmlaq_n_s32(sums[r], load_pixel(source[r] + offset), weights[k]);
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
            uint32_t pixel = vget_lane_u32(vreinterpret_u32_u8(clip_taps(sums[r], sums[r])), 0);
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
            int32x4_t sums = vdupq_n_s32(0);
            for (uint32_t k = 0; k < taps->n_taps[i]; k += 4)
                sums = vmlaq_s32(sums, load_pixel(at + k), vld1q_s32(weights + k));
            int32x4_t total = vdupq_n_s32(vaddvq_s32(sums) + (1 << (WI_TAPS_PRECISION_BITS - 1)));
            out[r][i] = vget_lane_u8(clip_taps(total, total), 0);
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
    for (size_t x = 0; x < n_bytes; x += 16) {
        int32x4_t sums[4];
        for (int q = 0; q < 4; q++)
            sums[q] = vdupq_n_s32(1 << (WI_TAPS_PRECISION_BITS - 1));
        for (uint32_t k = 0; k < taps->n_taps[i]; k++) {
            uint8x16_t bytes = vld1q_u8(rows + k * stride_bytes + x);
            uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
            uint32x4_t words[4] = {vmovl_u16(vget_low_u16(low)), vmovl_u16(vget_high_u16(low)),
                                   vmovl_u16(vget_low_u16(high)), vmovl_u16(vget_high_u16(high))};
            for (int q = 0; q < 4; q++)
                sums[q] = vmlaq_n_s32(sums[q], vreinterpretq_s32_u32(words[q]), weights[k]);
        }
        vst1_u8(out + x, clip_taps(sums[0], sums[1]));
        vst1_u8(out + x + 8, clip_taps(sums[2], sums[3]));
    }
}

#define RESAMPLING .resample_along = resample_along, .resample_down = resample_down,
