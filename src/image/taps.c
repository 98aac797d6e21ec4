#include "image/taps.h"

#include "base/error.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* This file is compiled without floating-point contraction: a fused multiply-add would round
 * differently from Pillow and now and then change a weight by one. */

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static int32_t to_fixed(double weight)
{
    double scaled = weight * (1 << WI_TAPS_PRECISION_BITS);
    return (int32_t)(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

static void split_weights(const int32_t *weights, uint32_t stride, int16_t *split)
{
    const int32_t low_mask = (1 << WI_TAPS_SPLIT_BITS) - 1;
    for (uint32_t k = 0; k < stride; k++) {
        int32_t low = weights[k] & low_mask;
        int16_t *group = split + (size_t)(k / 4) * 8;
        group[k % 4] = (int16_t)((weights[k] - low) / (1 << WI_TAPS_SPLIT_BITS));
        group[4 + k % 4] = (int16_t)low;
    }
}

typedef struct wi_filter {
    double (*at)(double);
    double scale, support, inverse; /* inverse of max(scale, 1) */
} wi_filter;

/* raw is scratch for the unnormalised weights of one output position. */
static void make_position(const wi_axis *axis, const wi_filter *filter, uint32_t i, double *raw,
                          wi_taps *taps)
{
    double center = axis->start_px + ((double)axis->skip_px + i + 0.5) * filter->scale;
    double from = center - filter->support + 0.5, to = center + filter->support + 0.5;
    uint32_t low = from > 0 ? (uint32_t)from : 0;
    uint32_t high = to < axis->in_px ? (uint32_t)to : axis->in_px;
    if (low >= axis->in_px) /* unreachable while span_px <= in_px; keeps the invariant regardless */
        low = axis->in_px - 1;
    uint32_t n = high > low ? high - low : 0;
    double sum = 0.0;
    for (uint32_t k = 0; k < n; k++) {
        raw[k] = filter->at(((double)k + low - center + 0.5) * filter->inverse);
        sum += raw[k];
    }
    int32_t *weights = taps->weights + (size_t)i * taps->stride;
    for (uint32_t k = 0; k < n; k++)
        weights[k] = to_fixed(sum != 0.0 ? raw[k] / sum : raw[k]);
    taps->first[i] = low;
    taps->n_taps[i] = n;
    split_weights(weights, taps->stride, taps->split + (size_t)i * taps->stride * 2);
}

wi_status wi_taps_make(const wi_axis *axis, wi_interpolation interpolation, wi_taps *taps,
                       wi_error *error)
{
    wi_filter filter = {.at = interpolation == WI_BILINEAR ? bilinear : bicubic};
    filter.scale = axis->span_px / axis->out_px;
    double spread = filter.scale < 1.0 ? 1.0 : filter.scale;
    filter.support = (interpolation == WI_BILINEAR ? 1.0 : 2.0) * spread;
    filter.inverse = 1.0 / spread;

    *taps = (wi_taps){.n_out = axis->n_out};
    size_t stride = wi_round_up((size_t)ceil(filter.support) * 2 + 1, WI_TAPS_STEP);
    size_t n_weights, bytes;
    if (stride > UINT32_MAX || !wi_size_mul(stride, axis->n_out, &n_weights) ||
        !wi_size_mul(n_weights, sizeof(int32_t), &bytes))
        return wi_fail_nomem(error, SIZE_MAX, "resampling weights");
    taps->stride = (uint32_t)stride;
    taps->first = calloc(axis->n_out, sizeof *taps->first);
    taps->n_taps = calloc(axis->n_out, sizeof *taps->n_taps);
    taps->weights = calloc(n_weights, sizeof *taps->weights);
    taps->split = wi_aligned_alloc(bytes);
    double *raw = calloc(stride, sizeof *raw);
    if (!taps->first || !taps->n_taps || !taps->weights || !taps->split || !raw) {
        free(raw);
        wi_taps_free(taps);
        return wi_fail_nomem(error, bytes, "resampling weights");
    }
    for (uint32_t i = 0; i < axis->n_out; i++)
        make_position(axis, &filter, i, raw, taps);
    free(raw);
    return WI_OK;
}

void wi_taps_free(wi_taps *taps)
{
    free(taps->first);
    free(taps->n_taps);
    free(taps->weights);
    wi_aligned_free(taps->split);
    *taps = (wi_taps){0};
}
