#include "kern/wasm/vec_wasm.h"

#include "kern/kern.h"
#include "kern/simd/ahead.h"

/* No instruction multiplies bytes: words of even and of odd bytes are multiplied instead. 2*2
 * sums, 4 weights, 4 row values and 2 in work fill the registers. */
typedef struct halves {
    vi even, odd;
} halves;

INLINE halves weights_of(const int8_t *w)
{
    const vi both = vi_load(w);
    return (halves){wasm_i16x8_shr(wasm_i16x8_shl(both, 8), 8), wasm_i16x8_shr(both, 8)};
}

INLINE halves row_of(const uint8_t *q)
{
    const vi both = wasm_v128_load32_splat(q);
    return (halves){wasm_v128_and(both, wasm_i16x8_splat(0xff)), wasm_u16x8_shr(both, 8)};
}

INLINE void sum_half(const size_t rows, size_t k4, const uint8_t *q, size_t lda, const int8_t *w,
                     vi sum[TILE_ROWS_S8][2])
{
    for (size_t p = 0; p < k4; p++, w += WI_PANEL * 4) {
        const halves weights[2] = {weights_of(w), weights_of(w + LANES * 4)};
        UNROLL()
        for (size_t i = 0; i < rows; i++) {
            const halves row = row_of(q + i * lda + 4 * p);
            UNROLL()
            for (size_t v = 0; v < 2; v++) {
                const vi even = wasm_i32x4_dot_i16x8(row.even, weights[v].even);
                const vi odd = wasm_i32x4_dot_i16x8(row.odd, weights[v].odd);
                sum[i][v] = vi_add(vi_add(sum[i][v], even), odd);
            }
        }
    }
}

#include "kern/wasm/halves.inc.h"

#include "kern/simd/resample.inc.h"
#define OWN_OPERATIONS RESAMPLING
#define TABLE wi_kern_wasm
#include "kern/simd/table.inc.h"
