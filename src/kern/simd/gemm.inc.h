/* Matrix products over 16-wide panels, written once over the vector vocabulary that the including
 * file chose.
 *
 * One tile is TILE_ROWS rows by TILE_PANELS panels of sums held in registers while k runs to its
 * end; rows are split as evenly as the tile allows, so that 50 tokens become 13+13+12+12 and not
 * 14+14+14+8. */

#include "kern/simd/ahead.h"

enum { PANEL_VECTORS = WI_PANEL / LANES };

static void add_row(size_t n, float *row, const float *other)
{
    for (size_t j = 0; j < n; j += LANES)
        v_store(row + j, v_add(v_load(row + j), v_load(other + j)));
}

static inline upcoming after_group(const wi_epilogue *e, const void *panels, size_t group_bytes,
                                   bool is_last)
{
    if (is_last && e->next)
        return (upcoming){e->next, e->next_bytes < group_bytes ? e->next_bytes : group_bytes};
    if (is_last)
        return (upcoming){NULL, 0};
    return (upcoming){(const char *)panels + group_bytes, group_bytes};
}

/* What is added to a tile before it is stored: the one of `before` and `after` that may be the
 * output itself. */
typedef struct addend {
    const float *rows; /* NULL: nothing */
    size_t ld;
} addend;

static addend stored_addend(const wi_epilogue *e, size_t i0, size_t j0)
{
    if (e->before)
        return (addend){e->before + i0 * e->ld_before + j0, e->ld_before};
    if (e->after && e->act == WI_NO_ACT)
        return (addend){e->after + i0 * e->ld_after + j0, e->ld_after};
    return (addend){NULL, 0};
}

static bool is_finished(const wi_epilogue *e)
{
    return e->act == WI_NO_ACT && !(e->before && e->after);
}

/* What the store left undone, on sums that are still in the nearest cache. */
static void finish_rows(size_t m, size_t n, float *c, size_t ldc, const wi_epilogue *e, size_t i0,
                        size_t j0)
{
    activate_rows(e->act, m, n, c, ldc);
    for (size_t i = 0; e->after && i < m; i++)
        add_row(n, c + i * ldc, e->after + (i0 + i) * e->ld_after + j0);
}

/* Asks for the lines that a tile will write, which are read, too, where something is added: while k
 * runs there is time for that, at the tile's end it would be waited for. */
INLINE void fetch_output(const size_t rows, const size_t bytes, const void *c, size_t row_bytes)
{
    UNROLL()
    for (size_t i = 0; i < rows; i++)
        UNROLL()
    for (size_t at = 0; at < bytes; at += CACHE_LINE)
        __builtin_prefetch((const char *)c + i * row_bytes + at, 1, 3);
}

/* rows and panels are compile-time constants at every call. */
INLINE void tile_f32(const size_t rows, const size_t panels, size_t k, const float *a, size_t lda,
                     const float *b, float *c, size_t ldc, const float *bias, addend add,
                     share ahead)
{
    vf sum[TILE_ROWS][TILE_PANELS * PANEL_VECTORS];
    const size_t n_vectors = panels * PANEL_VECTORS, panel_floats = k * WI_PANEL;
    fetch_output(rows, panels * WI_PANEL * sizeof *c, c, ldc * sizeof *c);
    UNROLL()
    for (size_t i = 0; i < rows; i++)
        UNROLL()
    for (size_t v = 0; v < n_vectors; v++)
        sum[i][v] = v_set(0.0f);
    /* Three rows share a base register (base, base + ld, base + 2 ld): 14 pointers would not fit.
     */
    const float *base[(TILE_ROWS + 2) / 3];
    UNROLL()
    for (size_t g = 0; g < (rows + 2) / 3; g++)
        base[g] = a + 3 * g * lda;
    for (size_t p = 0, end; p < k; ahead.line += CACHE_LINE) {
        __builtin_prefetch(ahead.line, 0, 2);
        for (end = p + ahead.steps < k ? p + ahead.steps : k; p < end; p++) {
            vf w[TILE_PANELS * PANEL_VECTORS];
            UNROLL()
            for (size_t v = 0; v < n_vectors; v++)
                w[v] = v_load(b + v / PANEL_VECTORS * panel_floats + p * WI_PANEL +
                              v % PANEL_VECTORS * LANES);
            UNROLL()
            for (size_t i = 0; i < rows; i++) {
                vf x = v_set(base[i / 3][i % 3 * lda + p]);
                UNROLL()
                for (size_t v = 0; v < n_vectors; v++)
                    sum[i][v] = v_fma(x, w[v], sum[i][v]);
            }
        }
    }
    UNROLL()
    for (size_t v = 0; v < n_vectors; v++) {
        vf start = bias ? v_load(bias + v * LANES) : v_set(0.0f);
        UNROLL()
        for (size_t i = 0; i < rows; i++) {
            vf y = v_add(sum[i][v], start);
            if (add.rows)
                y = v_add(y, v_load(add.rows + i * add.ld + v * LANES));
            v_store(c + i * ldc + v * LANES, y);
        }
    }
}

#if !defined(SUMS_S8) /* an ISA may have its own way through k */
#define SUMS_S8 sums_s8
/* sum[i] = q[i, 0..4*k4) . b of a tile. */
INLINE void sums_s8(const size_t rows, const size_t panels, size_t k4, const uint8_t *q, size_t lda,
                    const int8_t *b, share ahead,
                    vi sum[TILE_ROWS_S8][TILE_PANELS_S8 * PANEL_VECTORS])
{
    const size_t n_vectors = panels * PANEL_VECTORS, panel_bytes = k4 * WI_PANEL * 4;
    UNROLL()
    for (size_t i = 0; i < rows; i++)
        UNROLL()
    for (size_t v = 0; v < n_vectors; v++)
        sum[i][v] = vi_zero();
    const uint8_t *base[(TILE_ROWS_S8 + 2) / 3];
    UNROLL()
    for (size_t g = 0; g < (rows + 2) / 3; g++)
        base[g] = q + 3 * g * lda;
    for (size_t p = 0, end; p < k4; ahead.line += CACHE_LINE) {
        __builtin_prefetch(ahead.line, 0, 2);
        for (end = p + ahead.steps < k4 ? p + ahead.steps : k4; p < end; p++) {
            vi w[TILE_PANELS_S8 * PANEL_VECTORS];
            UNROLL()
            for (size_t v = 0; v < n_vectors; v++)
                w[v] = vi_load(b + v / PANEL_VECTORS * panel_bytes +
                               (p * WI_PANEL + v % PANEL_VECTORS * LANES) * 4);
            UNROLL()
            for (size_t i = 0; i < rows; i++) {
                int32_t four;
                __builtin_memcpy(&four, base[i / 3] + i % 3 * lda + 4 * p, 4);
                vi x = vi_set(four);
                UNROLL()
                for (size_t v = 0; v < n_vectors; v++)
                    sum[i][v] = vi_dot4(sum[i][v], x, w[v]);
            }
        }
    }
}
#endif

/* u7: no sums in floats but the 7 bits of gemm_s8_u7, whose bias is one; constant at every call, as rows
 * and panels are. c is of floats or bytes. */
INLINE void tile_s8(const bool u7, const size_t rows, const size_t panels, size_t k4,
                    const uint8_t *q, size_t lda, const wi_row_scale *row, const int8_t *b,
                    const float *scale, const int32_t *total, void *c, size_t ldc,
                    const float *bias, addend add, share ahead)
{
    vi sum[TILE_ROWS_S8][TILE_PANELS_S8 * PANEL_VECTORS];
    const size_t n_vectors = panels * PANEL_VECTORS;
    if (!u7)
        fetch_output(rows, panels * WI_PANEL * sizeof(float), c, ldc * sizeof(float));
    SUMS_S8(rows, panels, k4, q, lda, b, ahead, sum);
    UNROLL()
    for (size_t v = 0; v < n_vectors; v++) {
        vf start = bias ? v_load(bias + v * LANES) : v_set(0.0f);
        vf column = v_load(scale + v * LANES);
        vi all = vi_load(total + v * LANES);
        UNROLL()
        for (size_t i = 0; i < rows; i++) {
            vi exact = vi_sub(sum[i][v], vi_mul(vi_set(row[i].zero), all));
            vf y = v_mul(vi_to_f32(exact), v_mul(v_set(row[i].scale), column));
            /* Without a bias nothing is added, not even zero: -0 must stay -0 as in the reference.
             */
            y = bias ? v_add(y, start) : y;
            if (u7) {
                v_store_u7((uint8_t *)c + i * ldc + v * LANES, y);
                continue;
            }
            if (add.rows)
                y = v_add(y, v_load(add.rows + i * add.ld + v * LANES));
            v_store((float *)c + i * ldc + v * LANES, y);
        }
    }
}

#define CASE_F32(n)                                                                                \
    case n:                                                                                        \
        if (n <= TILE_ROWS)                                                                        \
            tile_f32(n <= TILE_ROWS ? n : 1, panels, k, a, lda, b, c, ldc, bias, add, ahead);      \
        break;
#define CASE_S8(n)                                                                                 \
    case n:                                                                                        \
        if (n <= TILE_ROWS_S8)                                                                     \
            tile_s8(u7, n <= TILE_ROWS_S8 ? n : 1, panels, k4, q, lda, row, b, scale, total, c,    \
                    ldc, bias, add, ahead);                                                        \
        break;
#define ALL_CASES(CASE)                                                                            \
    CASE(1)                                                                                        \
    CASE(2)                                                                                        \
    CASE(3)                                                                                        \
    CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)

INLINE void rows_f32(const size_t panels, size_t rows, size_t k, const float *a, size_t lda,
                     const float *b, float *c, size_t ldc, const float *bias, addend add,
                     share ahead)
{
    switch (rows) {
        ALL_CASES(CASE_F32)
    }
}

INLINE void rows_s8(const bool u7, const size_t panels, size_t rows, size_t k4, const uint8_t *q,
                    size_t lda, const wi_row_scale *row, const int8_t *b, const float *scale,
                    const int32_t *total, void *c, size_t ldc, const float *bias, addend add,
                    share ahead)
{
    switch (rows) {
        ALL_CASES(CASE_S8)
    }
}

/* Columns outermost: one group of panels is read once and stays near while all rows pass over it.
 */
static void gemm_f32(size_t m, size_t n_panels, size_t k, const float *a, size_t lda,
                     const float *panels, float *c, size_t ldc, const wi_epilogue *e)
{
    const size_t n_tiles = (m + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t p = 0, group; p < n_panels; p += group) {
        group = n_panels - p < TILE_PANELS ? n_panels - p : TILE_PANELS;
        const float *b = panels + p * k * WI_PANEL;
        const upcoming next =
            after_group(e, b, group * k * WI_PANEL * sizeof *b, p + group == n_panels);
        const float *bias = e->bias ? e->bias + p * WI_PANEL : NULL;
        for (size_t t = 0; t < n_tiles; t++) {
            size_t first = m * t / n_tiles, rows = m * (t + 1) / n_tiles - first;
            float *out = c + first * ldc + p * WI_PANEL;
            addend add = stored_addend(e, first, p * WI_PANEL);
            const share ahead = share_of(next, b, t, n_tiles, k);
            if (group == TILE_PANELS)
                rows_f32(TILE_PANELS, rows, k, a + first * lda, lda, b, out, ldc, bias, add, ahead);
            else
                rows_f32(1, rows, k, a + first * lda, lda, b, out, ldc, bias, add, ahead);
            if (!is_finished(e))
                finish_rows(rows, group * WI_PANEL, out, ldc, e, first, p * WI_PANEL);
        }
    }
}

static void gemm_s8(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                    const wi_row_scale *row, const int8_t *panels, const float *scale,
                    const int32_t *total, float *c, size_t ldc, const wi_epilogue *e)
{
    const size_t n_tiles = (m + TILE_ROWS_S8 - 1) / TILE_ROWS_S8;
    for (size_t p = 0, group; p < n_panels; p += group) {
        group = n_panels - p < TILE_PANELS_S8 ? n_panels - p : TILE_PANELS_S8;
        const int8_t *b = panels + p * k4 * WI_PANEL * 4;
        const upcoming next = after_group(e, b, group * k4 * WI_PANEL * 4, p + group == n_panels);
        const size_t column = p * WI_PANEL;
        const float *bias = e->bias ? e->bias + column : NULL;
        for (size_t t = 0; t < n_tiles; t++) {
            size_t first = m * t / n_tiles, rows = m * (t + 1) / n_tiles - first;
            float *out = c + first * ldc + column;
            addend add = stored_addend(e, first, column);
            const share ahead = share_of(next, b, t, n_tiles, k4);
            if (group == TILE_PANELS_S8)
                rows_s8(false, TILE_PANELS_S8, rows, k4, q + first * lda, lda, row + first, b,
                        scale + column, total + column, out, ldc, bias, add, ahead);
            else
                rows_s8(false, 1, rows, k4, q + first * lda, lda, row + first, b, scale + column,
                        total + column, out, ldc, bias, add, ahead);
            if (!is_finished(e))
                finish_rows(rows, group * WI_PANEL, out, ldc, e, first, column);
        }
    }
}

static void gemm_s8_u7(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                       const wi_row_scale *row, const int8_t *panels, const float *scale,
                       const int32_t *total, const float *bias, uint8_t *out, size_t ldo)
{
    const size_t n_tiles = (m + TILE_ROWS_S8 - 1) / TILE_ROWS_S8;
    const addend none = {NULL, 0};
    for (size_t p = 0, group; p < n_panels; p += group) {
        group = n_panels - p < TILE_PANELS_S8 ? n_panels - p : TILE_PANELS_S8;
        const int8_t *b = panels + p * k4 * WI_PANEL * 4;
        const size_t column = p * WI_PANEL;
        for (size_t t = 0; t < n_tiles; t++) {
            const size_t first = m * t / n_tiles, rows = m * (t + 1) / n_tiles - first;
            const share ahead = {(const char *)b, k4}; /* the weights of such products are small */
            if (group == TILE_PANELS_S8)
                rows_s8(true, TILE_PANELS_S8, rows, k4, q + first * lda, lda, row + first, b,
                        scale + column, total + column, out + first * ldo + column, ldo,
                        bias + column, none, ahead);
            else
                rows_s8(true, 1, rows, k4, q + first * lda, lda, row + first, b, scale + column,
                        total + column, out + first * ldo + column, ldo, bias + column, none,
                        ahead);
        }
    }
}
