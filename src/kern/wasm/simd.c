#include "kern/wasm/vec_wasm.h"

#include "kern/kern.h"
#include "kern/simd/ahead.h"

/* No instruction multiplies bytes: words of even and of odd bytes are multiplied instead. Half a
 * panel at a time, for the sake of registers: 2*2 sums, 4 weights, 4 row values, 2 in work. */
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

INLINE void sums_of_halves(const size_t rows, size_t k4, const uint8_t *q, size_t lda,
                           const int8_t *b, vi sum[TILE_ROWS_S8][WI_PANEL / LANES])
{
    for (size_t half = 0; half < 2; half++) {
        vi part[TILE_ROWS_S8][2];
        const int8_t *w = b + half * 2 * LANES * 4;
        UNROLL()
        for (size_t i = 0; i < rows; i++)
            part[i][0] = part[i][1] = vi_zero();
        for (size_t p = 0; p < k4; p++, w += WI_PANEL * 4) {
            const halves weights[2] = {weights_of(w), weights_of(w + LANES * 4)};
            UNROLL()
            for (size_t i = 0; i < rows; i++) {
                const halves row = row_of(q + i * lda + 4 * p);
                UNROLL()
                for (size_t v = 0; v < 2; v++) {
                    const vi even = wasm_i32x4_dot_i16x8(row.even, weights[v].even);
                    const vi odd = wasm_i32x4_dot_i16x8(row.odd, weights[v].odd);
                    part[i][v] = vi_add(vi_add(part[i][v], even), odd);
                }
            }
        }
        UNROLL()
        for (size_t i = 0; i < rows; i++) {
            sum[i][half * 2] = part[i][0];
            sum[i][half * 2 + 1] = part[i][1];
        }
    }
}

/* Tiles are one panel wide, and WebAssembly cannot ask for a line ahead. */
#define SUMS_S8(rows, panels, k4, q, lda, b, ahead, sum)                                           \
    ((void)(panels), (void)(ahead), sums_of_halves(rows, k4, q, lda, b, sum))
#define TABLE wi_kern_wasm
#include "kern/simd/table.inc.h"
