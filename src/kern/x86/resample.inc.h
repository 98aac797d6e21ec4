/* AVX2's own ways of resampling. A 23-bit weight times a byte needs 32-bit products; splitting each weight into
 * high * 2^12 + low lets vpmaddwd add two taps at a time, exactly: (sum of highs << 12) + sum of
 * lows is the scalar sum, bit by bit. */
#include "kern/kern.h"
#include "kern/ref/ref.h"

#include <immintrin.h>
#include <string.h>

static __m128i clip_taps(__m128i high, __m128i low)
{
    __m128i sum = _mm_add_epi32(_mm_slli_epi32(high, WI_TAPS_SPLIT_BITS), low);
    sum = _mm_add_epi32(sum, _mm_set1_epi32(1 << (WI_TAPS_PRECISION_BITS - 1)));
    sum = _mm_srai_epi32(sum, WI_TAPS_PRECISION_BITS);
    sum = _mm_packs_epi32(sum, sum);
    return _mm_packus_epi16(sum, sum);
}

/* Sums the two lanes: each holds its own taps of the same channels. */
static uint32_t clip_pixel(__m256i high, __m256i low)
{
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    __m128i l = _mm_add_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    return (uint32_t)_mm_cvtsi128_si32(clip_taps(h, l));
}

/* Byte shuffle from four interleaved pixels to 16-bit pairs (pixel 0, pixel 1) per channel in the
 * low lane, (pixel 2, pixel 3) in the high lane; -1 makes a zero. */
static __m256i pair_shuffle(uint32_t channels)
{
    if (channels == 3)
        return _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
                                6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    return _mm256_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, //
                            8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
}

static __m256i load_both_lanes(const void *at)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)at));
}

/* 3 and 4 channels. Longer than our habit because the four rows' sums have to stay in registers. */
static void along_pixels(const wi_taps *taps, uint32_t channels,
                         const uint8_t *const source[WI_RESAMPLE_ROWS],
                         uint8_t *const out[WI_RESAMPLE_ROWS])
{
    const __m256i pairs = pair_shuffle(channels);
    const __m256i spread_high = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, //
                                                 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    const __m256i spread_low = _mm256_add_epi8(spread_high, _mm256_set1_epi8(8));
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int16_t *split = taps->split + (size_t)i * taps->stride * 2;
        size_t offset = (size_t)taps->first[i] * channels;
        __m256i high[WI_RESAMPLE_ROWS], low[WI_RESAMPLE_ROWS];
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
            high[r] = low[r] = _mm256_setzero_si256();
        for (uint32_t k = 0; k < taps->n_taps[i]; k += 4, split += 8, offset += 4 * channels) {
            __m256i weights = load_both_lanes(split);
            __m256i weights_high = _mm256_shuffle_epi8(weights, spread_high);
            __m256i weights_low = _mm256_shuffle_epi8(weights, spread_low);
#pragma GCC unroll 4
            for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
                __m256i pixels = _mm256_shuffle_epi8(load_both_lanes(source[r] + offset), pairs);
                high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(pixels, weights_high));
                low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(pixels, weights_low));
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
            uint32_t pixel = clip_pixel(high[r], low[r]);
            memcpy(out[r] + (size_t)i * channels, &pixel, 4);
        }
    }
}

/* One channel: eight taps per step, four in each lane, times their high and their low halves. */
static void along_grey(const wi_taps *taps, const uint8_t *const source[WI_RESAMPLE_ROWS],
                       uint8_t *const out[WI_RESAMPLE_ROWS])
{
    const __m256i twice =
        _mm256_setr_epi8(0, -1, 1, -1, 2, -1, 3, -1, 0, -1, 1, -1, 2, -1, 3, -1, //
                         4, -1, 5, -1, 6, -1, 7, -1, 4, -1, 5, -1, 6, -1, 7, -1);
    for (uint32_t i = 0; i < taps->n_out; i++) {
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++) {
            const int16_t *split = taps->split + (size_t)i * taps->stride * 2;
            const uint8_t *at = source[r] + taps->first[i];
            __m256i sums = _mm256_setzero_si256();
            for (uint32_t k = 0; k < taps->n_taps[i]; k += 8, split += 16) {
                __m256i pixels = _mm256_shuffle_epi8(load_both_lanes(at + k), twice);
                __m256i weights = _mm256_loadu_si256((const __m256i *)(const void *)split);
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pixels, weights));
            }
            __m128i both =
                _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
            both = _mm_hadd_epi32(both, both); /* high, low, high, low */
            out[r][i] = (uint8_t)_mm_cvtsi128_si32(clip_taps(both, _mm_srli_si128(both, 4)));
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

static __m256i taps_words(__m256i high, __m256i low)
{
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, WI_TAPS_SPLIT_BITS), low);
    sum = _mm256_add_epi32(sum, _mm256_set1_epi32(1 << (WI_TAPS_PRECISION_BITS - 1)));
    return _mm256_srai_epi32(sum, WI_TAPS_PRECISION_BITS);
}

/* Both halves of a weight pair in every 32-bit element; the second is 0 past the last tap. */
static void load_weight_pair(const int16_t *split, uint32_t k, __m256i *high, __m256i *low)
{
    int32_t pair;
    const int16_t *group = split + (size_t)(k / 4) * 8 + k % 4;
    memcpy(&pair, group, sizeof pair);
    *high = _mm256_set1_epi32(pair);
    memcpy(&pair, group + 4, sizeof pair);
    *low = _mm256_set1_epi32(pair);
}

static __m256i load_words(const uint8_t *at)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)at));
}

static void resample_down(const wi_taps *taps, uint32_t i, const uint8_t *rows, size_t stride_bytes,
                          size_t n_bytes, uint8_t *out)
{
    const int16_t *split = taps->split + (size_t)i * taps->stride * 2;
    uint32_t n = taps->n_taps[i];
    for (size_t x = 0; x < n_bytes; x += 16) {
        __m256i high_a = _mm256_setzero_si256(), high_b = high_a, low_a = high_a, low_b = high_a;
        for (uint32_t k = 0; k < n; k += 2) {
            const uint8_t *row = rows + k * stride_bytes + x;
            __m256i first = load_words(row);
            __m256i second = k + 1 < n ? load_words(row + stride_bytes) : _mm256_setzero_si256();
            __m256i a = _mm256_unpacklo_epi16(first, second);
            __m256i b = _mm256_unpackhi_epi16(first, second);
            __m256i weights_high, weights_low;
            load_weight_pair(split, k, &weights_high, &weights_low);
            high_a = _mm256_add_epi32(high_a, _mm256_madd_epi16(a, weights_high));
            high_b = _mm256_add_epi32(high_b, _mm256_madd_epi16(b, weights_high));
            low_a = _mm256_add_epi32(low_a, _mm256_madd_epi16(a, weights_low));
            low_b = _mm256_add_epi32(low_b, _mm256_madd_epi16(b, weights_low));
        }
        __m256i words = _mm256_packs_epi32(taps_words(high_a, low_a), taps_words(high_b, low_b));
        __m128i bytes =
            _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(void *)(out + x), bytes);
    }
}

#define RESAMPLING .resample_along = resample_along, .resample_down = resample_down,
