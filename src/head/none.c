#include "head/none.h"

#include "base/error.h"
#include "base/size.h"
#include "base/unit.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>

static float largest(const float *x, size_t n)
{
    float most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static float nearest_key(const wi_head *head, const float *x)
{
    const wi_head_parts *parts = &head->parts;
    float most = -INFINITY;
    for (size_t i = 0; i < parts->n_keys; i++) {
        float dot;
        head->kern.dots_f32(1, parts->dim, parts->keys + i * parts->dim, parts->dim, x, &dot);
        most = dot > most ? dot : most;
    }
    return most;
}

/* Of a head of words and photos. The logits themselves cannot tell: what photos add to them says only
 * which label is meant. So the words are asked at their own scale, against the background, and the
 * photos how near the picture is to any of them. */
static double measure_both(const wi_head *head, const float *x, float *cosine)
{
    const float photo_scale = 10; /* of 5 to 40 it matters little (validation pictures) */
    const wi_head_parts *parts = &head->parts;
    for (size_t i = 0; i < parts->n_labels; i++)
        cosine[i] = parts->logit_scale / parts->words_weight * cosine[i] + parts->logit_bias;
    return wi_score_log_sum(cosine, parts->n_labels) - wi_score_background(head, x) +
           wi_score_row_sum(head, parts->keys, parts->n_keys, photo_scale, x);
}

/* Of a normalised embedding and what wi_score_logits says of it. A sigmoid head answers for each
 * label whether it fits, so its measure is its best answer. Uses cosine up. */
static float measure(const wi_head *head, const float *x, float *cosine, const float *logit)
{
    const wi_head_parts *parts = &head->parts;
    if (parts->sigmoid)
        return largest(logit, parts->n_labels);
    if (parts->background && parts->delta)
        return (float)measure_both(head, x, cosine);
    if (parts->background)
        return (float)(wi_score_log_sum(logit, parts->n_labels) - wi_score_background(head, x));
    if (parts->keys)
        return nearest_key(head, x);
    return parts->kind == WI_HEAD_LINEAR ? largest(logit, parts->n_labels)
                                         : largest(cosine, parts->n_labels);
}

/* Room for one answer: x[dim], cosine and logit [n_labels]. */
static float *open_room(const wi_head *head, wi_error *error)
{
    size_t n = head->parts.dim + 2 * head->parts.n_labels;
    float *room = calloc(n, sizeof *room);
    if (!room)
        wi_fail_nomem(error, n * sizeof *room, "scores");
    return room;
}

static wi_status measure_embedding(const wi_head *head, const float *embedding, float *room,
                                   float *known, float **logit, wi_error *error)
{
    float *x = room, *cosine = x + head->parts.dim;
    *logit = cosine + head->parts.n_labels;
    wi_status status = wi_unit(embedding, head->parts.dim, x, "the embedding", error);
    if (status != WI_OK)
        return status;
    wi_score_logits(head, x, cosine, *logit);
    *known = measure(head, x, cosine, *logit);
    return WI_OK;
}

static wi_status check_dim(const wi_head *head, size_t dim, wi_error *error)
{
    if (dim == head->parts.dim)
        return WI_OK;
    return wi_fail(error, WI_ERR_MISMATCH, "%s%san embedding of %zu numbers for a head of %zu",
                   head->origin ? head->origin : "", head->origin ? ": " : "", dim,
                   head->parts.dim);
}

wi_status wi_none_known(const wi_head *head, const float *embedding, size_t dim, float *known,
                        bool *none, wi_error *error)
{
    wi_status status = check_dim(head, dim, error);
    float *room = status == WI_OK ? open_room(head, error) : NULL, *logit, value = 0;
    if (status == WI_OK && !room)
        return WI_ERR_NOMEM;
    if (status == WI_OK)
        status = measure_embedding(head, embedding, room, &value, &logit, error);
    free(room);
    if (status == WI_OK) {
        *known = value;
        if (none)
            *none = value <= head->parts.none_threshold; /* false for NaN */
    }
    return status;
}

static int ascending(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The value that a new one of the same kind exceeds with a chance of at most `rate`. Sorts x.
 * rank <= n is checked by the caller. */
static float quantile(float *x, size_t n, size_t rank)
{
    qsort(x, n, sizeof *x, ascending);
    return x[rank - 1];
}

/* value[n_labels + 1, n]: each label's logits of the unknown photos; the last row is the head's
 * measure. */
static wi_status measure_unknown(const wi_head *head, const wi_calibration *c, float *value,
                                 wi_error *error)
{
    size_t n_labels = head->parts.n_labels;
    float *room = open_room(head, error), *logit = NULL;
    wi_status status = room ? WI_OK : WI_ERR_NOMEM;
    for (size_t i = 0; i < c->n && status == WI_OK; i++) {
        wi_error why;
        float known;
        if (measure_embedding(head, c->unknown + i * c->dim, room, &known, &logit, &why) != WI_OK)
            status = wi_fail(error, WI_ERR_ARG, "unknown photo %zu: %s", i + 1, why.message);
        else if (head->parts.sigmoid)
            for (size_t l = 0; l < n_labels; l++)
                value[l * c->n + i] = logit[l];
        else
            value[i] = known;
    }
    free(room);
    return status;
}

/* The biases of a sigmoid head, and with them the threshold of its best answer. */
static wi_status calibrate_labels(const wi_head *head, size_t n, size_t rank, float *value,
                                  wi_head_parts *parts, float *bias, wi_error *error)
{
    float *best = malloc(n * sizeof *best);
    if (!best)
        return wi_fail_nomem(error, n * sizeof *best, "unknown photos");
    for (size_t i = 0; i < n; i++)
        best[i] = -INFINITY;
    for (size_t l = 0; l < parts->n_labels; l++) {
        float *row = value + l * n, *sorted = value + parts->n_labels * n;
        for (size_t i = 0; i < n; i++)
            sorted[i] = row[i];
        float shift = -quantile(sorted, n, rank);
        bias[l] = (head->parts.bias ? head->parts.bias[l] : 0) + shift;
        for (size_t i = 0; i < n; i++)
            best[i] = row[i] + shift > best[i] ? row[i] + shift : best[i];
    }
    parts->bias = bias;
    parts->none_threshold = quantile(best, n, rank);
    free(best);
    return WI_OK;
}

/* The rank of the unknown photo that becomes the threshold, of n; above n when n are too few. */
static double rank_of(size_t n, double rate)
{
    /* A nearest whole product is that product: 0.95 * 20 must not be rounded up to 20. */
    return ceil(((double)n + 1) * (1 - rate) - 1e-9);
}

/* The chance that at least k of n photos pass when each passes with chance p. */
static double tail(double n, double k, double p)
{
    double sum = 0;
    for (double i = k; i <= n; i++)
        sum += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) +
                   (n - i) * log1p(-p));
    return sum;
}

void wi_none_range(size_t n, double rate, double *low, double *high)
{
    double count = (double)n, n_passing = count + 1 - rank_of(n, rate);
    double *const ends[2] = {low, high};
    for (int i = 0; i < 2; i++) { /* Beta's share below p is a binomial tail, which rises with p */
        double from = 0, to = 1;
        while (to - from > 1e-6) {
            double middle = (from + to) / 2;
            if (tail(count, n_passing, middle) < (i == 0 ? 0.05 : 0.95))
                from = middle;
            else
                to = middle;
        }
        *ends[i] = (from + to) / 2;
    }
}

wi_status wi_none_calibrate(const wi_head *head, const wi_calibration *c, wi_head **out,
                            wi_error *error)
{
    wi_head_parts parts = head->parts;
    wi_status status = check_dim(head, c->dim, error);
    if (status != WI_OK)
        return status;
    if (!(c->rate > 0 && c->rate < 1))
        return wi_fail(error, WI_ERR_ARG, "a false-accept rate of %g; it lies between 0 and 1",
                       c->rate);
    double rank = rank_of(c->n, c->rate);
    if (rank > (double)c->n)
        return wi_fail(error, WI_ERR_ARG,
                       "%zu unknown photos cannot tell a rate of %g: at least %.0f are needed",
                       c->n, c->rate, ceil(1 / c->rate - 1 - 1e-9));
    size_t n_rows = parts.sigmoid ? parts.n_labels + 1 : 1, n_values;
    if (!wi_size_mul(n_rows, c->n, &n_values) || n_values > SIZE_MAX / sizeof(float))
        return wi_fail(error, WI_ERR_LIMIT, "too many unknown photos");
    float *value = calloc(n_values, sizeof *value), *bias = calloc(parts.n_labels, sizeof *bias);
    if (!value || !bias)
        status = wi_fail_nomem(error, n_values * sizeof *value, "unknown photos");
    if (status == WI_OK)
        status = measure_unknown(head, c, value, error);
    parts.none_rate = (float)c->rate;
    if (status == WI_OK && parts.sigmoid)
        status = calibrate_labels(head, c->n, (size_t)rank, value, &parts, bias, error);
    else if (status == WI_OK)
        parts.none_threshold = quantile(value, c->n, (size_t)rank);
    if (status == WI_OK)
        status = wi_head_copy(&parts, out, error);
    free(value);
    free(bias);
    return status;
}
