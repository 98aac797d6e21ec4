#include "head/score.h"

#include "base/error.h"
#include "base/top.h"
#include "base/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows scored at a time: their dots stay on the stack and in the nearest cache. */
enum { BLOCK_ROWS = 256 };

/* best[l] = the largest weight[r] . x of label l. */
static void score_rows(const wi_head *head, const float *x, float *best)
{
    const wi_head_parts *parts = &head->parts;
    float dots[BLOCK_ROWS];
    for (size_t i = 0; i < parts->n_labels; i++)
        best[i] = -INFINITY;
    for (size_t begin = 0; begin < parts->n_rows; begin += BLOCK_ROWS) {
        size_t n = parts->n_rows - begin < BLOCK_ROWS ? parts->n_rows - begin : BLOCK_ROWS;
        head->kern.dots_f32(n, parts->dim, parts->weight + begin * parts->dim, parts->dim, x, dots);
        for (size_t i = 0; i < n; i++) {
            size_t label = parts->row_label ? (size_t)parts->row_label[begin + i] : begin + i;
            if (dots[i] > best[label])
                best[label] = dots[i];
        }
    }
}

/* logit[l] += delta[l] . x */
static void add_delta(const wi_head *head, const float *x, float *logit)
{
    const wi_head_parts *parts = &head->parts;
    float dots[BLOCK_ROWS];
    for (size_t begin = 0; begin < parts->n_labels; begin += BLOCK_ROWS) {
        size_t n = parts->n_labels - begin < BLOCK_ROWS ? parts->n_labels - begin : BLOCK_ROWS;
        head->kern.dots_f32(n, parts->dim, parts->delta + begin * parts->dim, parts->dim, x, dots);
        for (size_t i = 0; i < n; i++)
            logit[begin + i] += dots[i];
    }
}

double wi_score_log_sum(const float *logit, size_t n)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)logit[i] > largest) /* fmax here stops GCC 12 on AArch64 */
            largest = (double)logit[i];
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logit[i] - largest);
    return largest + log(sum);
}

double wi_score_row_sum(const wi_head *head, const float *rows, size_t n_rows, float scale,
                        const float *x)
{
    size_t dim = head->parts.dim;
    float dots[BLOCK_ROWS];
    double total = NAN; /* of the blocks before */
    for (size_t begin = 0; begin < n_rows; begin += BLOCK_ROWS) {
        size_t n = n_rows - begin < BLOCK_ROWS ? n_rows - begin : BLOCK_ROWS;
        head->kern.dots_f32(n, dim, rows + begin * dim, dim, x, dots);
        for (size_t i = 0; i < n; i++)
            dots[i] *= scale;
        double sum = wi_score_log_sum(dots, n);
        double larger = fmax(total, sum), smaller = isnan(total) ? -INFINITY : fmin(total, sum);
        total = larger + log1p(exp(smaller - larger));
    }
    return total;
}

double wi_score_background(const wi_head *head, const float *x)
{
    const wi_head_parts *parts = &head->parts;
    return wi_score_row_sum(head, parts->background, parts->n_background,
                            parts->logit_scale / parts->words_weight, x) +
           (double)parts->logit_bias;
}

void wi_score_logits(const wi_head *head, const float *x, float *cosine, float *logit)
{
    const wi_head_parts *parts = &head->parts;
    if (parts->weight)
        score_rows(head, x, cosine);
    for (size_t i = 0; i < parts->n_labels; i++) {
        float dot = parts->weight ? cosine[i] : 0;
        logit[i] =
            parts->logit_scale * dot + parts->logit_bias + (parts->bias ? parts->bias[i] : 0);
        if (!parts->weight || parts->kind == WI_HEAD_LINEAR)
            cosine[i] = NAN;
    }
    if (parts->delta)
        add_delta(head, x, logit);
    if (parts->sigmoid && parts->background) {
        float background = (float)wi_score_background(head, x);
        for (size_t i = 0; i < parts->n_labels; i++)
            logit[i] -= background;
    }
}

/* In f64, so that a million small probabilities still sum to 1. */
void wi_score_softmax(const float *logit, size_t n, float temperature, float *score)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)logit[i] > largest)
            largest = (double)logit[i];
    for (size_t i = 0; i < n; i++)
        sum += exp(((double)logit[i] - largest) / (double)temperature);
    for (size_t i = 0; i < n; i++)
        score[i] = (float)(exp(((double)logit[i] - largest) / (double)temperature) / sum);
}

void wi_score_sigmoid(const float *logit, size_t n, float temperature, float *score)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)logit[i] / (double)temperature;
        double small = exp(-fabs(x)); /* never overflows */
        score[i] = (float)(x < 0 ? small / (1 + small) : 1 / (1 + small));
    }
}

size_t wi_score_top(const float *logit, size_t n, size_t k, wi_answer *out)
{
    const size_t found = wi_top(logit, n, k, k ? &out->label : NULL, sizeof *out);
    for (size_t i = 0; i < found; i++)
        out[i] = (wi_answer){.label = out[i].label, .logit = logit[out[i].label]};
    return found;
}

/* Working memory of one answer: the normalised embedding and three floats per label. */
typedef struct scratch {
    float *block, *x, *score, *cosine, *logit;
} scratch;

static wi_status score_embedding(const wi_head *head, const float *embedding, size_t dim,
                                 scratch *s, wi_error *error)
{
    const wi_head_parts *parts = &head->parts;
    if (dim != parts->dim)
        return wi_fail(error, WI_ERR_MISMATCH, "%s%san embedding of %zu numbers for a head of %zu",
                       head->origin ? head->origin : "", head->origin ? ": " : "", dim, parts->dim);
    size_t n = parts->n_labels, n_floats = dim + 3 * n; /* both bounded by the head's checks */
    s->block = malloc(n_floats * sizeof(float));
    if (!s->block)
        return wi_fail_nomem(error, n_floats * sizeof(float), "scores");
    s->x = s->block;
    s->score = s->x + dim;
    s->cosine = s->score + n;
    s->logit = s->cosine + n;
    wi_status status = wi_unit(embedding, dim, s->x, "the embedding", error);
    if (status != WI_OK) {
        free(s->block);
        return status;
    }
    wi_score_logits(head, s->x, s->cosine, s->logit);
    if (parts->sigmoid)
        wi_score_sigmoid(s->logit, n, parts->temperature, s->score);
    else
        wi_score_softmax(s->logit, n, parts->temperature, s->score);
    return WI_OK;
}

wi_status wi_score_answer(const wi_head *head, const float *embedding, size_t dim, size_t k,
                          wi_answer *out, size_t *n_out, wi_error *error)
{
    scratch s;
    wi_status status = score_embedding(head, embedding, dim, &s, error);
    if (status != WI_OK)
        return status;
    size_t n = wi_score_top(s.logit, head->parts.n_labels, k, out);
    for (size_t i = 0; i < n; i++) {
        out[i].score = s.score[out[i].label];
        out[i].cosine = s.cosine[out[i].label];
    }
    *n_out = n;
    free(s.block);
    return WI_OK;
}

wi_status wi_score_all(const wi_head *head, const float *embedding, size_t dim, float *score,
                       float *cosine, float *logit, wi_error *error)
{
    scratch s;
    wi_status status = score_embedding(head, embedding, dim, &s, error);
    if (status != WI_OK)
        return status;
    size_t n_bytes = head->parts.n_labels * sizeof(float);
    if (score)
        memcpy(score, s.score, n_bytes);
    if (cosine)
        memcpy(cosine, s.cosine, n_bytes);
    if (logit)
        memcpy(logit, s.logit, n_bytes);
    free(s.block);
    return WI_OK;
}
