/* Integer sums of a tile by halves of a panel: engines on x86 have 15 registers to give, and load the
 * values of all rows of a step first. The including file defines
 *
 *     sum_half(rows, k4, q, lda, w, sum[rows][2])    sum[i] += q[i] . w over all k4 groups
 *
 * for the 2 * LANES channels whose weights begin at w, WI_PANEL * 4 bytes from group to group. */
INLINE void sums_by_halves(const size_t rows, size_t k4, const uint8_t *q, size_t lda,
                           const int8_t *b, vi sum[TILE_ROWS_S8][WI_PANEL / LANES])
{
    for (size_t half = 0; half < 2; half++) {
        vi part[TILE_ROWS_S8][2];
        UNROLL()
        for (size_t i = 0; i < rows; i++)
            part[i][0] = part[i][1] = vi_zero();
        sum_half(rows, k4, q, lda, b + half * 2 * LANES * 4, part);
        UNROLL()
        for (size_t i = 0; i < rows; i++) {
            sum[i][half * 2] = part[i][0];
            sum[i][half * 2 + 1] = part[i][1];
        }
    }
}

/* Tiles are one panel wide, and WebAssembly cannot ask for a line ahead. */
#define SUMS_S8(rows, panels, k4, q, lda, b, ahead, sum)                                           \
    ((void)(panels), (void)(ahead), sums_by_halves(rows, k4, q, lda, b, sum))
