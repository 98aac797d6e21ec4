/* What FEAT_I8MM adds: smmla multiplies two rows by two output channels over eight neighbours along
 * k at once, twice the products of a dot instruction. The panels stay as they are: interleaving the
 * words of two neighbouring groups of four gives each channel its eight. */
#include "kern/arm/vec_neon.h"

#include "kern/kern.h"

/* Eight of each of two rows' bytes, or four and zeros. */
static inline int8x16_t two_rows(const uint8_t *first, const uint8_t *second, size_t n_bytes)
{
    uint8x8_t a, b;
    if (n_bytes == 8) {
        a = vld1_u8(first);
        b = vld1_u8(second);
    } else {
        uint32_t x, y;
        __builtin_memcpy(&x, first, sizeof x);
        __builtin_memcpy(&y, second, sizeof y);
        a = vcreate_u8(x);
        b = vcreate_u8(y);
    }
    return vreinterpretq_s8_u8(vcombine_u8(a, b));
}

/* 32 registers: 3 pairs of rows times 8 pairs of channels, 3 pairs' inputs, 4 weights. */
enum { MAX_PAIRS = TILE_ROWS_S8 / 2, CHANNEL_PAIRS = WI_PANEL / 2 };

/* One or two groups of four along k; n_bytes is 4 or 8 and constant at every call. */
static inline __attribute__((always_inline)) void
add_groups(const size_t rows, const size_t n_bytes, const uint8_t *const row[TILE_ROWS_S8],
           size_t at, const int8_t *b, int32x4_t block[MAX_PAIRS][CHANNEL_PAIRS])
{
    int8x16_t a[MAX_PAIRS];
#pragma GCC unroll 16
    for (size_t r = 0; r < (rows + 1) / 2; r++)
        a[r] = two_rows(row[2 * r] + at, row[2 * r + 1] + at, n_bytes);
#pragma GCC unroll 16
    for (size_t v = 0; v < WI_PANEL / LANES; v++) {
        const vi near = vi_load(b + v * LANES * 4);
        const vi far = n_bytes == 8 ? vi_load(b + (WI_PANEL + v * LANES) * 4) : vi_zero();
        const int8x16_t low = vreinterpretq_s8_s32(vzip1q_s32(near, far));
        const int8x16_t high = vreinterpretq_s8_s32(vzip2q_s32(near, far));
#pragma GCC unroll 16
        for (size_t r = 0; r < (rows + 1) / 2; r++) {
            block[r][2 * v] = vmmlaq_s32(block[r][2 * v], a[r], low);
            block[r][2 * v + 1] = vmmlaq_s32(block[r][2 * v + 1], a[r], high);
        }
    }
}

/* The sums of a tile of one panel; rows is a compile-time constant at every call. An odd last row is
 * multiplied twice. */
static inline __attribute__((always_inline)) void
sums_of_pairs(const size_t rows, size_t k4, const uint8_t *q, size_t lda, const int8_t *b,
              vi sum[TILE_ROWS_S8][WI_PANEL / LANES])
{
    int32x4_t block[MAX_PAIRS][CHANNEL_PAIRS];
    const uint8_t *row[TILE_ROWS_S8];
#pragma GCC unroll 16
    for (size_t i = 0; i < TILE_ROWS_S8; i++)
        row[i] = q + (i < rows ? i : rows - 1) * lda;
#pragma GCC unroll 16
    for (size_t r = 0; r < (rows + 1) / 2; r++)
#pragma GCC unroll 16
        for (size_t c = 0; c < CHANNEL_PAIRS; c++)
            block[r][c] = vdupq_n_s32(0);
    size_t p = 0;
    for (; p + 2 <= k4; p += 2)
        add_groups(rows, 8, row, 4 * p, b + p * WI_PANEL * 4, block);
    if (p < k4)
        add_groups(rows, 4, row, 4 * p, b + p * WI_PANEL * 4, block);
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (size_t v = 0; v < WI_PANEL / LANES; v++) {
            const int32x4_t left = block[i / 2][2 * v], right = block[i / 2][2 * v + 1];
            sum[i][v] = i % 2 ? vcombine_s32(vget_high_s32(left), vget_high_s32(right))
                              : vcombine_s32(vget_low_s32(left), vget_low_s32(right));
        }
}

/* Tiles are one panel wide, and this processor fetches ahead by itself. */
#define SUMS_S8(rows, panels, k4, q, lda, b, ahead, sum)                                           \
    ((void)(panels), (void)(ahead), sums_of_pairs(rows, k4, q, lda, b, sum))
#define TABLE wi_kern_i8mm
#include "kern/simd/integers.inc.h"
