#define WI_RELAXED 1
#include "kern/wasm/vec_wasm.h"

#include "kern/kern.h"
#include "kern/simd/ahead.h"

/* Two groups of four along k a step, as on AVX2 (x86/avx2.c): the weights' bound (WI_S8_FOUR) leaves
 * room in 16 bits for the sum of two products in pairs, so one widening serves both. 2*2 sums, 4
 * weights, 4 row values and 2 in work fill the registers. */
INLINE void add_two_groups(const uint8_t *q, const vi near[2], const vi far[2], vi sum[2])
{
    const vi q0 = wasm_v128_load32_splat(q), q1 = wasm_v128_load32_splat(q + 4);
    UNROLL()
    for (size_t v = 0; v < 2; v++) {
        const vi four = wasm_i16x8_add(wasm_i16x8_relaxed_dot_i8x16_i7x16(near[v], q0),
                                       wasm_i16x8_relaxed_dot_i8x16_i7x16(far[v], q1));
        sum[v] = vi_add(sum[v], wasm_i32x4_extadd_pairwise_i16x8(four));
    }
}

INLINE void sum_half(const size_t rows, size_t k4, const uint8_t *q, size_t lda, const int8_t *w,
                     vi sum[TILE_ROWS_S8][2])
{
    size_t p = 0;
    for (; p + 2 <= k4; p += 2, w += 2 * WI_PANEL * 4) {
        const vi near[2] = {vi_load(w), vi_load(w + LANES * 4)};
        const vi far[2] = {vi_load(w + WI_PANEL * 4), vi_load(w + (WI_PANEL + LANES) * 4)};
        UNROLL()
        for (size_t i = 0; i < rows; i++)
            add_two_groups(q + i * lda + 4 * p, near, far, sum[i]);
    }
    if (p == k4)
        return;
    UNROLL()
    for (size_t i = 0; i < rows; i++)
        UNROLL()
    for (size_t v = 0; v < 2; v++)
        sum[i][v] = vi_dot4(sum[i][v], wasm_v128_load32_splat(q + i * lda + 4 * p),
                            vi_load(w + v * LANES * 4));
}

#include "kern/wasm/halves.inc.h"

#define TABLE wi_kern_relaxed
#include "kern/simd/table.inc.h"
