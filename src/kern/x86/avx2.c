#include "kern/x86/vec_avx2.h"

#include "kern/kern.h"
#include "kern/simd/ahead.h"

/* Two groups of four along k a step: maddubs multiplies and adds pairs into 16 bits, where the
 * weights' bound (WI_S8_FOUR) leaves room for the sum of two; one widening serves both. Five
 * instructions for 64 products, three of them multiplications, of which a core starts two a cycle.
 *
 * In assembler, because GCC 12 moves the multiplications of several rows together and then has to
 * keep half of the sums in memory. 16 registers: 4 rows of 2 sums, 4 weights, 4 for the row in work;
 * the ones that widen come from memory. */
static const int16_t ones_s16[16]
    __attribute__((aligned(32))) = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

INLINE void add_two_groups(const uint8_t *q, const vi w[4], vi sum[2])
{
    vi near, far, a, b;
    __asm__("vpbroadcastd %[q0], %[near]\n\t"
            "vpbroadcastd %[q1], %[far]\n\t"
            "vpmaddubsw %[w0], %[near], %[a]\n\t"
            "vpmaddubsw %[w2], %[far], %[b]\n\t"
            "vpmaddubsw %[w1], %[near], %[near]\n\t"
            "vpmaddubsw %[w3], %[far], %[far]\n\t"
            "vpaddw %[b], %[a], %[a]\n\t"
            "vpaddw %[far], %[near], %[near]\n\t"
            "vpmaddwd %[ones], %[a], %[a]\n\t"
            "vpmaddwd %[ones], %[near], %[near]\n\t"
            "vpaddd %[a], %[sum0], %[sum0]\n\t"
            "vpaddd %[near], %[sum1], %[sum1]"
            : [near] "=&x"(near), [far] "=&x"(far), [a] "=&x"(a), [b] "=&x"(b), [sum0] "+x"(sum[0]),
              [sum1] "+x"(sum[1])
            : [q0] "m"(*(const uint8_t(*)[4])q), [q1] "m"(*(const uint8_t(*)[4])(q + 4)),
              [w0] "x"(w[0]), [w1] "x"(w[1]), [w2] "x"(w[2]), [w3] "x"(w[3]), [ones] "m"(ones_s16));
}

INLINE void sums_of_fours(const size_t rows, size_t k4, const uint8_t *q, size_t lda,
                          const int8_t *b, share ahead, vi sum[TILE_ROWS_S8][2])
{
    UNROLL()
    for (size_t i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = vi_zero();
    size_t p = 0;
    /* Lines are fetched two at a time, one for each of the two groups of a step. */
    for (size_t end; p + 2 <= k4; ahead.line += 2 * CACHE_LINE) {
        __builtin_prefetch(ahead.line, 0, 2);
        __builtin_prefetch(ahead.line + CACHE_LINE, 0, 2);
        for (end = p + 2 * ahead.steps < k4 ? p + 2 * ahead.steps : k4; p + 2 <= end; p += 2) {
            vi w[4];
            UNROLL()
            for (size_t v = 0; v < 4; v++)
                w[v] = vi_load(b + (p * 2 + v) * LANES * 4);
            UNROLL()
            for (size_t i = 0; i < rows; i++)
                add_two_groups(q + i * lda + 4 * p, w, sum[i]);
        }
    }
    if (p == k4)
        return;
    UNROLL()
    for (size_t i = 0; i < rows; i++) {
        int32_t four;
        __builtin_memcpy(&four, q + i * lda + 4 * p, sizeof four);
        UNROLL()
        for (size_t v = 0; v < 2; v++)
            sum[i][v] = vi_dot4(sum[i][v], vi_set(four), vi_load(b + (p * 2 + v) * LANES * 4));
    }
}

/* Tiles are one panel wide. */
#define SUMS_S8(rows, panels, k4, q, lda, b, ahead, sum)                                           \
    ((void)(panels), sums_of_fours(rows, k4, q, lda, b, ahead, sum))
#include "kern/x86/resample.inc.h"
#define OWN_OPERATIONS RESAMPLING
#define TABLE wi_kern_avx2
#include "kern/simd/table.inc.h"
