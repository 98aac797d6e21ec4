#include "head/fewshot.h"

#include "base/error.h"
#include "base/size.h"
#include "head/score.h"
#include "head/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What mixes words and photos when nothing can be left out; alpha in units of the logit scale. */
static const float default_alpha = 0.2f, default_beta = 5.5f;
static const float alphas[] = {0, 0.01f, 0.02f, 0.05f, 0.1f, 0.2f, 0.5f, 1, 2};
static const float betas[] = {1, 2, 4, 8, 16, 32};
/* Cosines of photos among themselves spread less than this scale needs to be fitted from. */
static const float photo_scale = 20;
/* Leaving one out costs queries * labels for each choice: enough to choose by, little enough to
 * wait for. */
enum { MAX_QUERY_LOGITS = 200000, MIN_QUERIES = 4 };

/* The examples of a head under way, and one row of logits per example that can be left out. */
typedef struct shots {
    const wi_head_parts *parts;
    float *x;        /* [n, dim] unit rows: all example photos */
    uint32_t *label; /* [n] */
    size_t n;
    size_t *count; /* [n_labels] */
    size_t *query; /* [n_queries] examples whose label has another one */
    size_t n_queries;
    uint32_t *truth; /* [n_queries] */
    double *weight;  /* [n_queries] 1 each */
    float *words;    /* [n_queries, n_labels] logits without photos */
    float *evidence; /* the same shape: mean affinity to each label's other photos, for one beta */
    float *logit;    /* the same shape */
    float *dots;     /* [n] */
    wi_dots_fn *dot;
} shots;

static void close_shots(shots *s)
{
    free(s->x);
    free(s->label);
    free(s->count);
    free(s->query);
    free(s->truth);
    free(s->weight);
    free(s->words);
    free(s->evidence);
    free(s->logit);
    free(s->dots);
}

/* Old keys first, then the new photos, all of unit length. */
static wi_status gather(shots *s, const wi_photos *photos, wi_error *error)
{
    const wi_head_parts *parts = s->parts;
    size_t dim = parts->dim, n_floats;
    s->count = calloc(parts->n_labels, sizeof *s->count);
    if (!s->count)
        return wi_fail_nomem(error, parts->n_labels * sizeof *s->count, "photos");
    wi_status status = wi_photos_check(photos, dim, parts->n_labels, s->count, error);
    if (status != WI_OK)
        return status;
    s->n = parts->n_keys + photos->n;
    if (s->n > WI_HEAD_MAX_ROWS || !wi_size_mul(s->n, dim, &n_floats))
        return wi_fail(error, WI_ERR_LIMIT, "%zu example photos; at most %d are possible", s->n,
                       WI_HEAD_MAX_ROWS);
    s->x = calloc(n_floats, sizeof *s->x);
    s->label = calloc(s->n, sizeof *s->label);
    s->dots = calloc(s->n, sizeof *s->dots);
    if (!s->x || !s->label || !s->dots)
        return wi_fail_nomem(error, n_floats * sizeof *s->x, "photos");
    for (size_t i = 0; i < parts->n_keys; i++) {
        memcpy(s->x + i * dim, parts->keys + i * dim, dim * sizeof *s->x);
        s->label[i] = (uint32_t)parts->key_label[i];
        s->count[s->label[i]]++;
    }
    for (size_t i = 0; i < photos->n; i++) {
        size_t at = parts->n_keys + i;
        wi_error why;
        s->label[at] = photos->labels[i];
        if (wi_score_normalise(photos->embeddings + i * dim, dim, s->x + at * dim, &why) != WI_OK)
            return wi_fail(error, WI_ERR_ARG, "photo %zu: %s", i + 1, why.message);
    }
    return WI_OK;
}

/* Photos to leave out, evenly spread when there are many; none when there are too few to choose by.
 */
static wi_status pick_queries(shots *s, wi_error *error)
{
    size_t n_labels = s->parts->n_labels, n_able = 0, most = MAX_QUERY_LOGITS / n_labels;
    for (size_t i = 0; i < s->n; i++)
        n_able += s->count[s->label[i]] >= 2;
    if (most < 50)
        most = 50;
    size_t n = n_able < most ? n_able : most, seen = 0;
    if (n < MIN_QUERIES || n_labels < 2)
        return WI_OK;
    s->query = calloc(n, sizeof *s->query);
    s->truth = calloc(n, sizeof *s->truth);
    s->weight = calloc(n, sizeof *s->weight);
    s->words = calloc(n * n_labels, sizeof *s->words);
    s->evidence = calloc(n * n_labels, sizeof *s->evidence);
    s->logit = calloc(n * n_labels, sizeof *s->logit);
    if (!s->query || !s->truth || !s->weight || !s->words || !s->evidence || !s->logit)
        return wi_fail_nomem(error, 3 * n * n_labels * sizeof *s->logit, "photos");
    for (size_t i = 0; i < s->n && s->n_queries < n; i++) {
        if (s->count[s->label[i]] < 2)
            continue;
        if (seen++ * n / n_able <
            s->n_queries) /* the q-th query is the first photo of the q-th of n parts */
            continue;
        s->truth[s->n_queries] = s->label[i];
        s->weight[s->n_queries] = 1;
        s->query[s->n_queries++] = i;
    }
    return WI_OK;
}

/* evidence[q, c] = mean of exp(-beta * (1 - cosine)) over the photos of c other than q. */
static void measure_evidence(shots *s, float beta)
{
    size_t n_labels = s->parts->n_labels, dim = s->parts->dim;
    memset(s->evidence, 0, s->n_queries * n_labels * sizeof *s->evidence);
    for (size_t q = 0; q < s->n_queries; q++) {
        size_t self = s->query[q];
        float *row = s->evidence + q * n_labels;
        s->dot(s->n, dim, s->x, dim, s->x + self * dim, s->dots);
        for (size_t i = 0; i < s->n; i++)
            if (i != self)
                row[s->label[i]] += expf(-beta * (1 - s->dots[i]));
        for (size_t c = 0; c < n_labels; c++) {
            size_t others = s->count[c] - (c == s->label[self]);
            if (others > 0)
                row[c] /= (float)others;
        }
    }
}

/* The mix whose left-out photos have the least log loss, each at its best temperature. */
static wi_status choose_mix(shots *s, const wi_head *words, wi_head_parts *parts, wi_error *error)
{
    size_t n = s->n_queries * parts->n_labels;
    parts->alpha = default_alpha * parts->logit_scale;
    parts->beta = default_beta;
    parts->temperature = 1;
    if (s->n_queries == 0)
        return WI_OK;
    float *cosine = calloc(parts->n_labels, sizeof *cosine);
    if (!cosine)
        return wi_fail_nomem(error, parts->n_labels * sizeof *cosine, "photos");
    wi_head plain = *words; /* without the photos that it may have */
    plain.parts.alpha = 0;
    for (size_t q = 0; q < s->n_queries; q++)
        wi_score_logits(&plain, s->x + s->query[q] * parts->dim, cosine,
                        s->words + q * parts->n_labels);
    free(cosine);
    double best = INFINITY;
    for (size_t b = 0; b < sizeof betas / sizeof *betas; b++) {
        measure_evidence(s, betas[b]);
        for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
            float alpha = alphas[a] * parts->logit_scale;
            for (size_t i = 0; i < n; i++)
                s->logit[i] = s->words[i] + alpha * s->evidence[i];
            float t = wi_fit_temperature(s->logit, s->truth, s->weight, s->n_queries,
                                         parts->n_labels, wi_smoothing(s->n_queries));
            double loss = wi_log_loss(s->logit, s->truth, s->weight, s->n_queries, parts->n_labels,
                                      (double)t, wi_smoothing(s->n_queries));
            if (loss < best) {
                best = loss;
                parts->alpha = alpha;
                parts->beta = betas[b];
                parts->temperature = t;
            }
        }
    }
    return WI_OK;
}

/* Each label's mean photo as its weights, and the temperature from left-out photos. mean[n_labels,
 * dim]. */
static wi_status use_means(shots *s, float *mean, wi_head_parts *parts, wi_error *error)
{
    size_t k = parts->n_labels, dim = parts->dim;
    for (size_t c = 0; c < k; c++)
        if (s->count[c] == 0)
            return wi_fail(error, WI_ERR_ARG, "label '%.100s' has no photos", parts->labels[c]);
    if (!wi_photos_means(s->x, s->label, s->n, dim, k, mean))
        return wi_fail(error, WI_ERR_ARG, "photos of a label cancel each other out");
    parts->weight = mean;
    parts->n_rows = k;
    parts->logit_scale = photo_scale;
    parts->logit_bias = 0;
    parts->alpha = parts->beta = 0;
    parts->temperature = 1;
    if (s->n_queries == 0)
        return WI_OK;
    float *rest = calloc(dim, sizeof *rest);
    if (!rest)
        return wi_fail_nomem(error, dim * sizeof *rest, "photos");
    for (size_t q = 0; q < s->n_queries; q++) {
        const float *x = s->x + s->query[q] * dim;
        uint32_t own = s->truth[q];
        float *row = s->logit + q * k;
        s->dot(k, dim, mean, dim, x, row);
        memset(rest, 0, dim * sizeof *rest);
        for (size_t i = 0; i < s->n; i++)
            for (size_t j = 0; s->label[i] == own && i != s->query[q] && j < dim; j++)
                rest[j] += s->x[i * dim + j];
        if (wi_score_normalise(rest, dim, rest, NULL) == WI_OK)
            s->dot(1, dim, rest, dim, x, &row[own]);
        for (size_t c = 0; c < k; c++)
            row[c] *= photo_scale;
    }
    free(rest);
    parts->temperature = wi_fit_temperature(s->logit, s->truth, s->weight, s->n_queries, k,
                                            wi_smoothing(s->n_queries));
    return WI_OK;
}

/* words: NULL when the head is made of photos alone. */
static wi_status make_head(const wi_head *words, const wi_head_parts *from, const wi_photos *photos,
                           wi_head **out, wi_error *error)
{
    shots s = {.parts = from, .dot = wi_score_dots()};
    wi_head_parts parts = *from;
    float *mean = NULL;
    wi_status status = gather(&s, photos, error);
    if (status == WI_OK)
        status = pick_queries(&s, error);
    parts.kind = WI_HEAD_FEW_SHOT;
    parts.none_threshold = parts.none_rate = NAN; /* set for other numbers */
    if (status == WI_OK && words) {
        status = choose_mix(&s, words, &parts, error);
    } else if (status == WI_OK) {
        mean = calloc(parts.n_labels * parts.dim, sizeof *mean);
        status = mean ? use_means(&s, mean, &parts, error)
                      : wi_fail_nomem(error, parts.n_labels * parts.dim * sizeof *mean, "a head");
    }
    parts.keys = s.x;
    parts.key_label = (const int32_t *)s.label; /* below 2^20 */
    parts.n_keys = s.n;
    if (status == WI_OK)
        status = wi_head_copy(&parts, out, error);
    free(mean);
    close_shots(&s);
    return status;
}

wi_status wi_fewshot_add(const wi_head *words, const wi_photos *photos, wi_head **out,
                         wi_error *error)
{
    const wi_head_parts *parts = &words->parts;
    if (parts->kind == WI_HEAD_LINEAR)
        return wi_fail(error, WI_ERR_ARG,
                       "a trained head takes no example photos: train it again with them");
    bool photos_alone = parts->kind == WI_HEAD_FEW_SHOT && parts->n_templates == 0;
    return make_head(photos_alone ? NULL : words, parts, photos, out, error);
}

wi_status wi_fewshot_from_photos(const wi_head_model *model, const wi_training *training,
                                 wi_head **out, wi_error *error)
{
    wi_head_parts parts;
    wi_training_parts(model, training, &parts);
    wi_status status = wi_head_check_texts(&parts, WI_ERR_ARG, error);
    return status == WI_OK ? make_head(NULL, &parts, &training->photos, out, error) : status;
}
