/* Depthwise convolution in floats, over the vector vocabulary: tiles of up to eight outputs of one vector
 * of channels. A tile that reaches past the picture reads a copy of its columns in which zeros stand there. */

enum { DWF_OUTPUTS = 8, DWF_COLUMNS = (DWF_OUTPUTS - 1) * 2 + WI_DEPTHWISE_MAX };

/* row[ky] stands at the tile's first column and channel; columns are `step` apart. */
INLINE void dwf_tile(const size_t n, const wi_depthwise *d, const float *const *row, size_t step,
                     const float *w, vf bias, wi_act act, float *out, size_t ld_out)
{
    vf sum[DWF_OUTPUTS];
    const size_t pitch = wi_depthwise_pitch(d->size);
    UNROLL()
    for (size_t t = 0; t < n; t++)
        sum[t] = v_set(0.0f);
    for (size_t kx = 0; kx < d->size; kx++)
        for (size_t ky = 0; ky < d->size; ky++) {
            if (!row[ky])
                continue;
            const vf tap = v_load(w + (kx * pitch + ky) * WI_PANEL);
            const float *x = row[ky] + kx * step;
            UNROLL()
            for (size_t t = 0; t < n; t++)
                sum[t] = v_fma(v_load(x + t * d->stride * step), tap, sum[t]);
        }
    UNROLL()
    for (size_t t = 0; t < n; t++)
        v_store(out + t * ld_out, v_act(act, v_add(sum[t], bias)));
}

static void dwf_outputs(size_t n, const wi_depthwise *d, const float *const *row, size_t step,
                        const float *w, vf bias, wi_act act, float *out, size_t ld_out)
{
    switch (n) {
#define DWF_CASE(count)                                                                            \
    case count:                                                                                    \
        dwf_tile(count, d, row, step, w, bias, act, out, ld_out);                                  \
        break;
        DWF_CASE(1)
        DWF_CASE(2) DWF_CASE(3) DWF_CASE(4) DWF_CASE(5) DWF_CASE(6) DWF_CASE(7) DWF_CASE(8)
#undef DWF_CASE
    }
}

/* Columns [at - pad_left, ... + n_columns) of each row, zero outside the picture. */
static void dwf_copy(const wi_depthwise *d, const float *const *rows, size_t ld, size_t at,
                     size_t n_columns, size_t channel, float *copy, const float **row)
{
    for (size_t ky = 0; ky < d->size; ky++) {
        row[ky] = rows[ky] ? copy + ky * DWF_COLUMNS * LANES : NULL;
        for (size_t i = 0; rows[ky] && i < n_columns; i++) {
            const size_t column = at + i - d->pad_left; /* wraps below zero */
            v_store(copy + (ky * DWF_COLUMNS + i) * LANES,
                    column < d->width ? v_load(rows[ky] + column * ld + channel) : v_set(0.0f));
        }
    }
}

static void depthwise_f32(const wi_depthwise *d, const float *const *rows, size_t ld,
                          const float *panels, const float *bias, wi_act act, float *out,
                          size_t ld_out)
{
    float copy[WI_DEPTHWISE_MAX * DWF_COLUMNS * LANES];
    const float *row[WI_DEPTHWISE_MAX];
    const size_t panel_floats = (size_t)d->size * wi_depthwise_pitch(d->size) * WI_PANEL;
    const size_t n_tiles = (d->out_width + DWF_OUTPUTS - 1) / DWF_OUTPUTS;
    for (size_t c = 0; c < (size_t)d->n_panels * WI_PANEL; c += LANES) {
        const float *w = panels + c / WI_PANEL * panel_floats + c % WI_PANEL;
        for (size_t t = 0; t < n_tiles; t++) {
            const size_t first = d->out_width * t / n_tiles;
            const size_t n = d->out_width * (t + 1) / n_tiles - first, at = first * d->stride;
            const size_t n_columns = (n - 1) * d->stride + d->size;
            const bool inside = at >= d->pad_left && at + n_columns <= d->pad_left + d->width;
            if (!inside)
                dwf_copy(d, rows, ld, at, n_columns, c, copy, row);
            for (size_t ky = 0; inside && ky < d->size; ky++)
                row[ky] = rows[ky] ? rows[ky] + (at - d->pad_left) * ld + c : NULL;
            dwf_outputs(n, d, row, inside ? ld : LANES, w, v_load(bias + c), act,
                        out + first * ld_out + c, ld_out);
        }
    }
}
