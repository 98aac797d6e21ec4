/* Depthwise convolution in integers, over the vector vocabulary.
 *
 * A dot instruction adds four neighbours, here the four rows of a column: the bytes of a vector of
 * channels are interleaved once a column, and every output that the column reaches reads them from the
 * nearest cache. What lies outside the picture is interleaved like the rest, so that the products know of
 * no border. */

enum {
    DW_COLUMNS = 64, /* interleaved at a time */
    DW_GROUPS = (WI_DEPTHWISE_MAX + 3) / 4,
    DW_OUTPUTS = 8 /* sums held in registers */
};

/* Rows at the first channel of a vector; those outside the picture stay where they are. */
typedef struct dw_source {
    const uint8_t *row[DW_GROUPS * 4];
    size_t step[DW_GROUPS * 4]; /* from column to column */
} dw_source;

#if !defined(VI_QUAD) /* an ISA may have its own way */
#define VI_QUAD dw_quad
/* quad[channel] = the bytes of n rows (constant at every call) in column i, the first row's lowest. */
INLINE vi dw_quad(const size_t n, const uint8_t *const row[4], const size_t *step, size_t i)
{
    vi quad = vi_widen_u8(row[0] + i * step[0]);
    if (n > 1)
        quad = vi_or(quad, vi_shl(vi_widen_u8(row[1] + i * step[1]), 8));
    if (n > 2)
        quad = vi_or(quad, vi_shl(vi_widen_u8(row[2] + i * step[2]), 16));
    if (n > 3)
        quad = vi_or(quad, vi_shl(vi_widen_u8(row[3] + i * step[3]), 24));
    return quad;
}
#endif

/* The rows of a group, n of which are there (constant at every call), over columns [first, ...). */
INLINE void dw_interleave(const size_t n, const dw_source *s, size_t group, size_t n_groups,
                          size_t first, size_t n_columns, vi *quads)
{
    const uint8_t *row[4];
    const size_t *step = s->step + 4 * group;
    for (size_t r = 0; r < n; r++)
        row[r] = s->row[4 * group + r] + first * step[r];
    for (size_t i = 0; i < n_columns; i++)
        quads[i * n_groups + group] = VI_QUAD(n, row, step, i);
}

INLINE void dw_sums(const size_t n, size_t size, size_t n_groups, size_t stride, const vi *quads,
                    const int8_t *w, vf scale, vf bias, uint8_t *out, size_t ld_out)
{
    vi sum[DW_OUTPUTS];
    UNROLL()
    for (size_t t = 0; t < n; t++)
        sum[t] = vi_zero();
    for (size_t g = 0; g < size * n_groups; g++) {
        const vi tap = vi_load(w + g * WI_PANEL * 4);
        UNROLL()
        for (size_t t = 0; t < n; t++)
            sum[t] = vi_dot4(sum[t], quads[t * stride * n_groups + g], tap);
    }
    UNROLL()
    for (size_t t = 0; t < n; t++) {
        v_store_u7(out + t * ld_out, v_add(v_mul(vi_to_f32(sum[t]), scale), bias));
    }
}

/* One vector of channels of outputs [first, first + n). */
static void dw_part(const wi_depthwise *d, const dw_source *s, size_t first, size_t n, uint8_t pad,
                    const int8_t *w, vf scale, vf bias, uint8_t *out, size_t ld_out)
{
    vi quads[(DW_COLUMNS + WI_DEPTHWISE_MAX) * DW_GROUPS];
    const size_t n_groups = wi_depthwise_pitch(d->size) / 4, end = (n - 1) * d->stride + d->size;
    const size_t at = first * d->stride;
    const size_t before = at < d->pad_left ? d->pad_left - at : 0; /* columns left of the picture */
    const size_t right = d->width + d->pad_left;                   /* the first one right of it */
    const size_t stop = at >= right ? 0 : right - at < end ? right - at : end;
    const size_t skip = before < stop ? before : stop;
    const vi outside = vi_set((int32_t)(pad * 0x01010101u));
    for (size_t i = 0; i < skip * n_groups; i++)
        quads[i] = outside;
    for (size_t i = stop * n_groups; i < end * n_groups; i++)
        quads[i] = outside;
    for (size_t g = 0; g < n_groups; g++) {
        vi *to = quads + skip * n_groups;
        const size_t column = at + skip - d->pad_left, n_columns = stop - skip;
        switch (d->size - 4 * g) {
        case 1:
            dw_interleave(1, s, g, n_groups, column, n_columns, to);
            break;
        case 2:
            dw_interleave(2, s, g, n_groups, column, n_columns, to);
            break;
        case 3:
            dw_interleave(3, s, g, n_groups, column, n_columns, to);
            break;
        default:
            dw_interleave(4, s, g, n_groups, column, n_columns, to);
        }
    }
    for (size_t x = 0; x < n; x += DW_OUTPUTS) {
        const vi *from = quads + x * d->stride * n_groups;
        uint8_t *to = out + (first + x) * ld_out;
        switch (n - x) {
#define DW_CASE(count)                                                                             \
    case count:                                                                                    \
        dw_sums(count, d->size, n_groups, d->stride, from, w, scale, bias, to, ld_out);            \
        break;
            DW_CASE(1)
            DW_CASE(2)
            DW_CASE(3)
            DW_CASE(4)
            DW_CASE(5)
            DW_CASE(6)
            DW_CASE(7)
#undef DW_CASE
        default:
            dw_sums(DW_OUTPUTS, d->size, n_groups, d->stride, from, w, scale, bias, to, ld_out);
        }
    }
}

static void depthwise_s8(const wi_depthwise *d, const uint8_t *const *rows, size_t ld, uint8_t pad,
                         const int8_t *panels, const float *scale, const float *bias, uint8_t *out,
                         size_t ld_out)
{
    uint8_t outside[LANES];
    dw_source s = {0};
    for (size_t i = 0; i < LANES; i++)
        outside[i] = pad;
    for (size_t i = 0; i < d->size; i++) {
        s.row[i] = rows[i] ? rows[i] : outside;
        s.step[i] = rows[i] ? ld : 0;
    }
    const size_t panel_bytes = (size_t)d->size * wi_depthwise_pitch(d->size) * WI_PANEL;
    const size_t at_once = DW_COLUMNS / d->stride;
    for (size_t c = 0; c < (size_t)d->n_panels * WI_PANEL; c += LANES) {
        const int8_t *w = panels + c / WI_PANEL * panel_bytes + c % WI_PANEL * 4;
        for (size_t x = 0; x < d->out_width; x += at_once) {
            const size_t n = d->out_width - x < at_once ? d->out_width - x : at_once;
            dw_part(d, &s, x, n, pad, w, v_load(scale + c), v_load(bias + c), out + c, ld_out);
        }
        for (size_t i = 0; i < d->size; i++)
            s.row[i] += rows[i] ? LANES : 0;
    }
}
