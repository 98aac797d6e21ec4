/* From float to int8 weights: per output channel one scale, symmetric, within the bound that lets four
 * products share 16 bits (kern/kern.h). */
#include "base/error.h"
#include "base/progress.h"
#include "checkpoint/pack.h"
#include "kern/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows made between two looks at whether to stop. */
enum { ROWS_BETWEEN = 64 };

typedef struct shrinker {
    wi_apart_chooser *choose;
    void *context;
    wi_owned *owned;
    const wi_progress *progress;
    bool shrink_tokens;
} shrinker;

static float panel_value(const wi_mat *mat, size_t row, size_t column)
{
    const size_t at = (row / WI_PANEL * mat->k + column) * WI_PANEL + row % WI_PANEL;
    if (mat->type == WI_MAT_F32)
        return ((const float *)mat->panels)[at];
    const uint16_t half = ((const uint16_t *)mat->panels)[at];
    return mat->type == WI_MAT_F16 ? wi_f16_to_f32(half) : wi_bf16_to_f32(half);
}

static bool is_apart(const wi_mat *mat, size_t column)
{
    for (uint32_t i = 0; i < mat->n_apart; i++)
        if (mat->apart[i] == column)
            return true;
    return false;
}

static float scale_of(float most)
{
    return most > 0.0f ? most / 127.0f : 1.0f;
}

static int8_t to_s8(float v, float scale)
{
    const float q = nearbyintf(v / scale);
    return (int8_t)(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q);
}

/* The weights of one channel of a matrix on their way. */
typedef struct channel {
    size_t k;
    float *weights; /* [k], columns set apart are zero */
    int8_t *q;      /* [k rounded up to 8], zeros behind k */
    bool bounded;   /* by WI_S8_FOUR */
} channel;

/* The four of q[8g..8g+8) that are added in 16 bits: half 0 or 1 of group g. */
static const uint8_t fours[2][4] = {{0, 1, 4, 5}, {2, 3, 6, 7}};

/* Takes steps off the four until they keep the bound, each where it costs the least squared error. */
static void bound_four(const channel *c, float scale, size_t start, const uint8_t four[4])
{
    int excess = -WI_S8_FOUR;
    for (int i = 0; i < 4; i++)
        excess += abs(c->q[start + four[i]]);
    for (; excess > 0; excess--) {
        size_t best = 0;
        float least = INFINITY;
        for (int i = 0; i < 4; i++) {
            const size_t at = start + four[i];
            const float beyond =
                at < c->k ? fabsf(c->weights[at]) / scale - (float)abs(c->q[at]) : 0;
            if (c->q[at] != 0 && beyond < least) {
                least = beyond;
                best = at;
            }
        }
        c->q[best] = (int8_t)(c->q[best] - (c->q[best] > 0 ? 1 : -1));
    }
}

/* q = round(weights / scale) within the bound; returns the squared error in units of weights. */
static double quantise_channel(const channel *c, float scale)
{
    for (size_t i = 0; i < c->k; i++)
        c->q[i] = to_s8(c->weights[i], scale);
    for (size_t g = 0; c->bounded && g < c->k; g += 8)
        for (int half = 0; half < 2; half++)
            bound_four(c, scale, g, fours[half]);
    double error = 0.0;
    for (size_t i = 0; i < c->k; i++) {
        const double d = (double)c->weights[i] - (double)scale * c->q[i];
        error += d * d;
    }
    return error;
}

/* The scale of the least error: a larger one rounds more coarsely, but fewer fours meet the bound.
 * Leaves the integers of that scale in q. */
static float best_scale(const channel *c)
{
    enum { N_TRIED = 12 };
    float most = 0.0f;
    for (size_t i = 0; i < c->k; i++)
        most = fmaxf(most, fabsf(c->weights[i]));
    float best = scale_of(most);
    double least = INFINITY;
    for (int i = 0; i < (c->bounded ? N_TRIED : 1); i++) {
        const float scale = scale_of(most) * (1.0f + 0.03f * (float)i);
        const double error = quantise_channel(c, scale);
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    quantise_channel(c, best);
    return best;
}

/* What rounding adds to channel r in the mean, where the inputs' mean is known.
 * Source: Nagel et al., data-free quantization (arXiv:1906.04721), bias correction */
static double mean_error(const wi_part *part, const channel *c, size_t r, float scale)
{
    if (!part->from || !part->from->mean || r >= part->n)
        return 0.0;
    const float *mean = part->from->mean;
    double error = 0.0;
    for (size_t i = 0; i < c->k; i++)
        error += ((double)scale * c->q[i] - (double)c->weights[i]) *
                 (double)mean[part->kind == WI_PART_DEPTHWISE ? r : i];
    return error;
}

/* One output channel: its scale, its integers in their places, their sum. */
static void shrink_row(const wi_mat *from, wi_mat *to, size_t r, const channel *c, int8_t *panels,
                       float *scale, int32_t *sum)
{
    const size_t k4 = (from->k + 3) / 4;
    for (size_t i = 0; i < c->k; i++)
        c->weights[i] = is_apart(to, i) ? 0.0f : panel_value(from, r, i);
    scale[r] = best_scale(c);
    sum[r] = 0;
    for (size_t i = 0; i < c->k; i++) {
        panels[((r / WI_PANEL * k4 + i / 4) * WI_PANEL + r % WI_PANEL) * 4 + i % 4] = c->q[i];
        sum[r] += c->q[i];
    }
}

static wi_status copy_apart(const wi_mat *from, wi_mat *to, const uint32_t *columns, uint32_t n,
                            wi_owned *owned, wi_error *error)
{
    if (n == 0)
        return WI_OK;
    const size_t padded = wi_mat_panels(from) * WI_PANEL;
    uint32_t *list = wi_own(owned, n, sizeof *list, error);
    float *panels = wi_own(owned, padded * n, sizeof *panels, error);
    if (!list || !panels)
        return WI_ERR_NOMEM;
    memcpy(list, columns, n * sizeof *list);
    for (size_t r = 0; r < padded; r++)
        for (uint32_t i = 0; i < n; i++)
            panels[(r / WI_PANEL * n + i) * WI_PANEL + r % WI_PANEL] =
                panel_value(from, r, columns[i]);
    to->n_apart = n;
    to->apart = list;
    to->apart_panels = panels;
    return WI_OK;
}

static wi_status shrink_matrix(const shrinker *s, const wi_part *part, wi_error *error)
{
    const wi_mat from = *part->mat;
    wi_mat to = {.type = WI_MAT_S8, .n = from.n, .k = from.k, .bias = from.bias};
    uint32_t columns[WI_MAX_APART];
    const uint32_t n_apart = s->choose && part->kind != WI_PART_DEPTHWISE
                                 ? s->choose(s->context, part->mat, columns)
                                 : 0;
    wi_status status = copy_apart(&from, &to, columns, n_apart, s->owned, error);
    if (status != WI_OK)
        return status;
    const size_t padded = wi_mat_panels(&from) * WI_PANEL, bytes = padded * ((from.k + 3) / 4) * 4;
    int8_t *panels = wi_own(s->owned, bytes, 1, error);
    float *scale = wi_own(s->owned, padded, sizeof *scale, error);
    int32_t *sum = wi_own(s->owned, padded, sizeof *sum, error);
    const bool corrected = from.bias && part->from && part->from->mean;
    float *bias = corrected ? wi_own(s->owned, padded, sizeof *bias, error) : NULL;
    const bool alone = part->kind == WI_PART_DEPTHWISE; /* never four products in 16 bits */
    const channel c = {from.k, malloc(from.k * sizeof(float)), calloc(wi_round_up(from.k, 8), 1),
                       !alone};
    if (panels && scale && sum && c.weights && c.q && (bias || !corrected)) {
        memset(panels, 0, bytes);
        for (size_t r = 0; r < padded && status == WI_OK; r++) {
            shrink_row(&from, &to, r, &c, panels, scale, sum);
            if (bias)
                bias[r] = from.bias[r] - (float)mean_error(part, &c, r, scale[r]);
            if (r % ROWS_BETWEEN == 0)
                status = wi_progress_check(s->progress, error);
        }
    } else {
        status = wi_fail_nomem(error, bytes, "int8 weights");
    }
    free(c.weights);
    free(c.q);
    if (status != WI_OK)
        return status;
    to.panels = panels;
    to.scale = scale;
    to.sum = sum;
    to.mean = from.mean;
    to.bias = bias ? bias : from.bias;
    *part->mat = to;
    return WI_OK;
}

static wi_status shrink_tokens(const shrinker *s, const wi_part *part, wi_error *error)
{
    wi_table *t = part->table;
    int8_t *out = wi_own(s->owned, (size_t)part->n * part->k, 1, error);
    float *scale = wi_own(s->owned, part->n, sizeof *scale, error);
    if (!out || !scale)
        return WI_ERR_NOMEM;
    for (size_t i = 0; i < part->n; i++) {
        const wi_status status =
            i % ROWS_BETWEEN == 0 ? wi_progress_check(s->progress, error) : WI_OK;
        if (status != WI_OK)
            return status;
        float most = 0.0f;
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < part->k; j++) {
                const size_t at = i * part->k + j;
                const float v = t->type == WI_MAT_F32 ? ((const float *)t->rows)[at]
                                : t->type == WI_MAT_F16
                                    ? wi_f16_to_f32(((const uint16_t *)t->rows)[at])
                                    : wi_bf16_to_f32(((const uint16_t *)t->rows)[at]);
                if (pass == 0)
                    most = fabsf(v) > most ? fabsf(v) : most;
                else
                    out[at] = to_s8(v, scale_of(most));
            }
        scale[i] = scale_of(most);
    }
    t->type = WI_MAT_S8;
    t->rows = out;
    t->scale = scale;
    return WI_OK;
}

static wi_status shrink_part(void *context, const wi_part *part, wi_error *error)
{
    const shrinker *s = context;
    if (part->kind == WI_PART_TABLE)
        return s->shrink_tokens ? shrink_tokens(s, part, error) : WI_OK;
    if (part->kind == WI_PART_VECTOR || part->keep_float)
        return WI_OK;
    return shrink_matrix(s, part, error);
}

typedef struct table_share {
    uint64_t table, all;
} table_share;

/* A large model's token table keeps its precision: rows are read, not multiplied, so it costs no
 * time and only the pages that are touched, while in int8 it would be the text tower's largest
 * error. In a small model the table is most of the file. */
static wi_status measure_table(void *context, const wi_part *part, wi_error *error)
{
    (void)error;
    table_share *share = context;
    const uint64_t n = wi_part_elements(part);
    share->all += n;
    if (part->kind == WI_PART_TABLE)
        share->table = n;
    return WI_OK;
}

wi_status wi_pack_to_s8(const wi_net *net, wi_apart_chooser *choose, void *context, wi_owned *owned,
                        const wi_progress *progress, wi_error *error)
{
    shrinker s = {choose, context, owned, progress, false};
    table_share share = {0, 0};
    const wi_status status = wi_net_walk(net, measure_table, &share, error);
    s.shrink_tokens = 3 * share.table > share.all;
    return status == WI_OK ? wi_net_walk(net, shrink_part, &s, error) : status;
}
