#include "image/resample.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BAND_RESERVE_ROWS = 64 /* rows that the band can take in before it has to be moved up */ };

/* One resize under way. The band holds the horizontally resized input rows that the current output
 * row needs, so memory does not grow with the picture's height. Invariant: band row 0 is input row
 * band_first; band_rows rows are valid; base is where row 0 lies. */
typedef struct resampler {
    const wi_image *image;
    const wi_resize *resize;
    const wi_kern *kern;
    bool rgb_first, premultiply, change_x, change_y;
    uint32_t channels;
    wi_taps taps_x, taps_y;
    uint32_t column_first, n_columns; /* of the input, that any wanted output column reads */
    uint8_t *converted;               /* [WI_RESAMPLE_ROWS] input rows in the working mode */
    size_t converted_stride;
    uint8_t *band;
    size_t band_stride;
    uint32_t band_base, band_rows, band_capacity, band_first;
    uint8_t *out;
} resampler;

static void resampler_free(resampler *r)
{
    wi_taps_free(&r->taps_x);
    wi_taps_free(&r->taps_y);
    wi_aligned_free(r->converted);
    wi_aligned_free(r->band);
    wi_aligned_free(r->out);
}

/* Zeroed, because kernels may read slack that nobody wrote. */
static uint8_t *rows_alloc(size_t n_rows, size_t stride, wi_error *error)
{
    size_t bytes = 0;
    uint8_t *rows = NULL;
    if (wi_size_mul(n_rows, stride, &bytes) && wi_size_add(bytes, WI_RESAMPLE_SLACK, &bytes))
        rows = wi_aligned_alloc(bytes);
    if (!rows)
        wi_fail_nomem(error, bytes, "resampling rows");
    else
        memset(rows, 0, bytes);
    return rows;
}

static wi_status resampler_prepare(resampler *r, wi_error *error)
{
    const wi_axis *x = &r->resize->x, *y = &r->resize->y;
    r->column_first = x->skip_px;
    r->n_columns = x->n_out;
    if (r->change_x) {
        wi_status status = wi_taps_make(x, r->resize->interpolation, &r->taps_x, error);
        if (status != WI_OK)
            return status;
        uint32_t last = x->n_out - 1;
        r->column_first = r->taps_x.first[0];
        r->n_columns = r->taps_x.first[last] + r->taps_x.n_taps[last] - r->column_first;
    }
    if (r->change_y) {
        wi_status status = wi_taps_make(y, r->resize->interpolation, &r->taps_y, error);
        if (status != WI_OK)
            return status;
    }
    /* No more rows than the input has can ever be in the band. */
    uint32_t taps = r->change_y ? r->taps_y.stride : 1;
    r->band_capacity = (taps < y->in_px ? taps : y->in_px) + BAND_RESERVE_ROWS;
    r->band_stride = wi_round_up((size_t)x->n_out * r->channels + WI_RESAMPLE_SLACK, WI_ALIGN);
    r->band = rows_alloc(r->band_capacity, r->band_stride, error);
    r->out = r->band ? rows_alloc(1, r->band_stride, error) : NULL;
    if (!r->out)
        return WI_ERR_NOMEM;
    if (r->rgb_first || r->premultiply) {
        r->converted_stride =
            wi_round_up((size_t)r->n_columns * r->channels + WI_RESAMPLE_SLACK, WI_ALIGN);
        r->converted = rows_alloc(WI_RESAMPLE_ROWS, r->converted_stride, error);
        if (!r->converted)
            return WI_ERR_NOMEM;
    }
    return WI_OK;
}

/* Pillow rgbA2rgba's counterpart MULDIV255 on every colour channel; alpha is the last one. */
static void premultiply_row(const uint8_t *in, size_t n_px, uint32_t channels, uint8_t *out)
{
    for (size_t i = 0; i < n_px; i++, in += channels, out += channels) {
        unsigned alpha = in[channels - 1];
        for (uint32_t c = 0; c + 1 < channels; c++) {
            unsigned t = in[c] * alpha + 128;
            out[c] = (uint8_t)(((t >> 8) + t) >> 8);
        }
        out[channels - 1] = (uint8_t)alpha;
    }
}

static void unpremultiply_row(uint8_t *row, size_t n_px, uint32_t channels)
{
    for (size_t i = 0; i < n_px; i++, row += channels) {
        unsigned alpha = row[channels - 1];
        if (alpha == 0 || alpha == 255)
            continue;
        for (uint32_t c = 0; c + 1 < channels; c++) {
            unsigned value = 255u * row[c] / alpha;
            row[c] = (uint8_t)(value > 255 ? 255 : value);
        }
    }
}

/* Column column_first of input row y in the working mode; slot picks the scratch row. */
static const uint8_t *input_row(resampler *r, uint32_t y, uint32_t slot)
{
    const wi_image *image = r->image;
    const uint8_t *native = image->pixels + y * image->stride_bytes +
                            (size_t)r->column_first * wi_image_channels(image->mode);
    if (!r->converted)
        return native;
    uint8_t *row = r->converted + slot * r->converted_stride;
    if (r->rgb_first)
        wi_image_row_to_rgb(image, native, r->n_columns, row);
    else
        premultiply_row(native, r->n_columns, r->channels, row);
    return row;
}

static uint8_t *band_row(const resampler *r, uint32_t i)
{
    return r->band + (size_t)(r->band_base + i) * r->band_stride;
}

/* Makes input rows [from, to) the band's first ones; from never goes back. */
static void band_advance(resampler *r, uint32_t from, uint32_t to)
{
    uint32_t drop = from - r->band_first;
    if (drop > r->band_rows)
        drop = r->band_rows;
    r->band_rows -= drop;
    r->band_base = r->band_rows ? r->band_base + drop : 0;
    r->band_first = from;
    while (r->band_rows < to - from) {
        uint32_t n = to - from - r->band_rows;
        n = n < WI_RESAMPLE_ROWS ? n : WI_RESAMPLE_ROWS;
        if (r->band_base + r->band_rows + n > r->band_capacity) {
            memmove(r->band, band_row(r, 0), r->band_rows * r->band_stride);
            r->band_base = 0;
        }
        const uint8_t *source[WI_RESAMPLE_ROWS];
        uint8_t *out[WI_RESAMPLE_ROWS];
        for (uint32_t k = 0; k < WI_RESAMPLE_ROWS; k++) { /* a short group repeats its last row */
            uint32_t slot = k < n ? k : n - 1;
            source[k] = k < n ? input_row(r, from + r->band_rows + k, k) : source[slot];
            out[k] = band_row(r, r->band_rows + slot);
        }
        if (r->change_x)
            r->kern->resample_along(&r->taps_x, r->channels, source, out);
        else
            for (uint32_t k = 0; k < n; k++)
                memcpy(out[k], source[k], (size_t)r->n_columns * r->channels);
        r->band_rows += n;
    }
}

static void run(resampler *r, wi_row_sink *sink, void *context)
{
    const wi_axis *x = &r->resize->x, *y = &r->resize->y;
    size_t row_bytes = (size_t)x->n_out * r->channels;
    for (uint32_t i = 0; i < y->n_out; i++) {
        uint32_t first = r->change_y ? r->taps_y.first[i] : y->skip_px + i;
        uint32_t n = r->change_y ? r->taps_y.n_taps[i] : 1;
        if (i == 0)
            r->band_first = first;
        band_advance(r, first, first + n);
        if (r->change_y)
            r->kern->resample_down(&r->taps_y, i, band_row(r, 0), r->band_stride, row_bytes,
                                   r->out);
        else
            memcpy(r->out, band_row(r, 0), row_bytes);
        if (r->premultiply)
            unpremultiply_row(r->out, x->n_out, r->channels);
        sink(context, i, r->out);
    }
}

/* Input positions of Pillow's ImagingScaleAffine: a running sum in double, whose rounding is part
 * of the result. UINT32_MAX: outside, the pixel stays 0. */
static uint32_t *nearest_positions(const wi_axis *axis, wi_error *error)
{
    uint32_t *positions = calloc(axis->n_out, sizeof *positions);
    if (!positions) {
        wi_fail_nomem(error, axis->n_out * sizeof *positions, "resampling positions");
        return NULL;
    }
    double step = (double)axis->in_px / axis->out_px, at = step * 0.5;
    for (uint32_t i = 0; i < axis->skip_px; i++)
        at += step;
    for (uint32_t i = 0; i < axis->n_out; i++, at += step)
        positions[i] = at < axis->in_px ? (uint32_t)at : UINT32_MAX;
    return positions;
}

/* One byte per pixel: bilevel and palette. */
static wi_status resample_nearest(const wi_image *image, const wi_resize *resize, wi_row_sink *sink,
                                  void *context, wi_error *error)
{
    uint32_t *columns = nearest_positions(&resize->x, error);
    uint32_t *rows = columns ? nearest_positions(&resize->y, error) : NULL;
    uint8_t *out = rows ? rows_alloc(1, resize->x.n_out, error) : NULL;
    for (uint32_t y = 0; out && y < resize->y.n_out; y++) {
        const uint8_t *in =
            image->pixels + (rows[y] == UINT32_MAX ? 0 : rows[y] * image->stride_bytes);
        for (uint32_t x = 0; x < resize->x.n_out; x++)
            out[x] = rows[y] == UINT32_MAX || columns[x] == UINT32_MAX ? 0 : in[columns[x]];
        sink(context, y, out);
    }
    wi_status status = out ? WI_OK : WI_ERR_NOMEM;
    free(columns);
    free(rows);
    wi_aligned_free(out);
    return status;
}

static bool changes(const wi_axis *axis)
{
    return axis->out_px != axis->in_px || axis->start_px != 0 || axis->span_px != axis->in_px;
}

wi_status wi_resample(const wi_image *image, bool rgb_first, const wi_resize *resize,
                      const wi_kern *kern, wi_row_sink *sink, void *context, wi_error *error)
{
    resampler r = {.image = image, .resize = resize, .kern = kern};
    r.rgb_first = rgb_first && image->mode != WI_MODE_RGB;
    r.change_x = changes(&resize->x);
    r.change_y = changes(&resize->y);
    bool indexed = image->mode == WI_MODE_PALETTE || image->mode == WI_MODE_BILEVEL;
    if (indexed && !r.rgb_first && (r.change_x || r.change_y))
        return resample_nearest(image, resize, sink, context, error);
    bool alpha = image->mode == WI_MODE_LA || image->mode == WI_MODE_RGBA;
    r.premultiply = alpha && !r.rgb_first && (r.change_x || r.change_y);
    r.channels = r.rgb_first ? 3 : wi_image_channels(image->mode);
    wi_status status = resampler_prepare(&r, error);
    if (status == WI_OK) {
        /* Kernels count from column 0; the rows that input_row gives begin at column_first. */
        for (uint32_t i = 0; r.change_x && i < r.taps_x.n_out; i++)
            r.taps_x.first[i] -= r.column_first;
        run(&r, sink, context);
    }
    resampler_free(&r);
    return status;
}
