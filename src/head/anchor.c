#include "head/anchor.h"

#include "base/error.h"
#include "base/size.h"
#include "head/descent.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double bias_share = 0.3, lambda_variance = 10;
static const double tolerance = 1e-3; /* of the gradient; a photo's is about 1 */
enum { MAX_STEPS = 100 };

/* The variables are [n_used, dim] weights, n_used biases, ln lambda. */
typedef struct problem {
    const wi_anchor *anchor;
    const bool *skip;
    size_t *count; /* [n_labels] photos that are not left out */
    size_t *used;  /* [n_used] labels with photos */
    size_t n_used, n_photos;
    bool all;               /* every label has photos: lambda and b are learnt */
    float *z, *zt;          /* [n, dim] and the same transposed */
    double *centre, radius; /* [dim] */
    float *prior;           /* [n_labels] ln count */
    float *w;               /* [n_used, dim] the weights of one evaluation in f32 */
    float *dots, *logit;    /* [n_used], [n_labels] */
    float *residual;        /* [n_used, n] probability less truth; 0 for photos left out */
    float *sums;            /* [dim] */
    wi_dots_fn *dot;
} problem;

static void close_problem(problem *p)
{
    free(p->count);
    free(p->used);
    free(p->z);
    free(p->zt);
    free(p->residual);
    free(p->sums);
    free(p->centre);
    free(p->prior);
    free(p->w);
    free(p->dots);
    free(p->logit);
}

static bool left_out(const problem *p, size_t i)
{
    return p->skip && p->skip[i];
}

static wi_status count_photos(problem *p, wi_error *error)
{
    const wi_anchor *a = p->anchor;
    p->count = calloc(a->n_labels, sizeof *p->count);
    p->used = calloc(a->n_labels, sizeof *p->used);
    p->prior = calloc(a->n_labels, sizeof *p->prior);
    p->logit = calloc(a->n_labels, sizeof *p->logit);
    if (!p->count || !p->used || !p->prior || !p->logit)
        return wi_fail_nomem(error, a->n_labels * sizeof *p->count, "photos");
    for (size_t i = 0; i < a->n; i++) {
        p->count[a->label[i]] += !left_out(p, i);
        p->n_photos += !left_out(p, i);
    }
    for (size_t c = 0; c < a->n_labels; c++) {
        if (p->count[c] > 0) {
            p->prior[c] = logf((float)p->count[c]);
            p->used[p->n_used++] = c;
        }
    }
    p->all = p->n_used == a->n_labels && !a->independent;
    return WI_OK;
}

/* The mean of the labels' mean photos; the words tell how those that are missing would differ. */
static void find_centre(problem *p)
{
    const wi_anchor *a = p->anchor;
    double n_used = (double)p->n_used, n_labels = (double)a->n_labels;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; !left_out(p, i) && j < a->dim; j++)
            p->centre[j] += (double)a->x[i * a->dim + j] / ((double)p->count[a->label[i]] * n_used);
    if (p->n_used == a->n_labels)
        return;
    for (size_t c = 0; c < a->n_labels; c++) {
        double share = 1 / n_labels - (p->count[c] > 0 ? 1 / n_used : 0);
        for (size_t j = 0; j < a->dim; j++)
            p->centre[j] += share * (double)a->text[c * a->dim + j];
    }
}

static wi_status open_problem(problem *p, wi_error *error)
{
    const wi_anchor *a = p->anchor;
    wi_status status = count_photos(p, error);
    if (status != WI_OK)
        return status;
    p->dot = wi_score_dots();
    size_t n_residuals;
    if (!wi_size_mul(p->n_used, a->n, &n_residuals))
        return wi_fail(error, WI_ERR_LIMIT, "too many photos");
    p->z = calloc(a->n * a->dim, sizeof *p->z); /* as large as x, which exists */
    p->zt = calloc(a->n * a->dim, sizeof *p->zt);
    p->residual = calloc(n_residuals, sizeof *p->residual);
    p->sums = calloc(a->dim, sizeof *p->sums);
    p->centre = calloc(a->dim, sizeof *p->centre);
    p->w = calloc(p->n_used * a->dim, sizeof *p->w); /* no more labels are used than photos */
    p->dots = calloc(p->n_used, sizeof *p->dots);
    if (!p->z || !p->zt || !p->residual || !p->sums || !p->centre || !p->w || !p->dots)
        return wi_fail_nomem(error, 3 * a->n * a->dim * sizeof *p->z, "photos");
    find_centre(p);
    double squares = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < a->dim; j++) {
            float away = (float)((double)a->x[i * a->dim + j] - p->centre[j]);
            p->z[i * a->dim + j] = away;
            squares += left_out(p, i) ? 0 : (double)away * (double)away;
        }
    p->radius = fmax(sqrt(squares / (double)p->n_photos), 1e-3); /* photos that are all the same */
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < a->dim; j++) {
            p->z[i * a->dim + j] /= (float)p->radius;
            p->zt[j * a->n + i] = p->z[i * a->dim + j];
        }
    return WI_OK;
}

/* The photo's part of the loss, of the residuals and of the gradient of what is no weight. v: the
 * variables. */
static double add_photo(problem *p, size_t i, const double *v, double *gradient)
{
    const wi_anchor *a = p->anchor;
    const float *words = a->words + i * a->n_labels, *z = p->z + i * a->dim;
    const double *bias = v + p->n_used * a->dim;
    double lambda = exp(bias[p->n_used]), slope = 0;
    p->dot(p->n_used, a->dim, p->w, a->dim, z, p->dots);
    for (size_t c = 0; c < a->n_labels; c++)
        p->logit[c] = (float)lambda * words[c] + p->prior[c];
    for (size_t u = 0; u < p->n_used; u++)
        p->logit[p->used[u]] += p->dots[u] + (float)bias[u];
    double loss = wi_score_log_sum(p->logit, a->n_labels) - (double)p->logit[a->label[i]];
    wi_score_softmax(p->logit, a->n_labels, 1, p->logit);
    p->logit[a->label[i]] -= 1;
    for (size_t u = 0; u < p->n_used; u++)
        p->residual[u * a->n + i] = p->logit[p->used[u]];
    if (!p->all)
        return loss;
    for (size_t c = 0; c < a->n_labels; c++) {
        gradient[p->n_used * a->dim + c] += (double)p->logit[c];
        slope += (double)p->logit[c] * (double)words[c];
    }
    gradient[p->n_used * (a->dim + 1)] += slope * lambda;
    return loss;
}

/* Their residuals' part of the weights' gradient: a product of two matrices, row by row. */
static void add_residuals(problem *p, double *gradient)
{
    const wi_anchor *a = p->anchor;
    for (size_t u = 0; u < p->n_used; u++) {
        p->dot(a->dim, a->n, p->zt, a->n, p->residual + u * a->n, p->sums);
        for (size_t j = 0; j < a->dim; j++)
            gradient[u * a->dim + j] += (double)p->sums[j];
    }
}

static double objective(void *context, const double *v, double *gradient, size_t n)
{
    problem *p = context;
    size_t n_weights = p->n_used * p->anchor->dim;
    double loss = 0, strength = p->anchor->strength;
    memset(gradient, 0, n * sizeof *gradient);
    for (size_t i = 0; i < n_weights; i++)
        p->w[i] = (float)v[i];
    for (size_t i = 0; i < p->anchor->n; i++)
        if (!left_out(p, i))
            loss += add_photo(p, i, v, gradient);
    add_residuals(p, gradient);
    for (size_t i = 0; i < n; i++) {
        double variance = i < n_weights ? strength
                          : i < n - 1   ? strength * bias_share
                                        : lambda_variance;
        loss += v[i] * v[i] / (2 * variance);
        gradient[i] += v[i] / variance;
    }
    return loss;
}

/* From z back to x. */
static void spread(const problem *p, const double *v, float *delta, float *bias)
{
    const wi_anchor *a = p->anchor;
    memset(delta, 0, a->n_labels * a->dim * sizeof *delta);
    memset(bias, 0, a->n_labels * sizeof *bias);
    for (size_t u = 0; u < p->n_used; u++) {
        float *row = delta + p->used[u] * a->dim;
        double at_centre = 0;
        for (size_t j = 0; j < a->dim; j++) {
            row[j] = (float)(v[u * a->dim + j] / p->radius);
            at_centre += v[u * a->dim + j] / p->radius * p->centre[j];
        }
        bias[p->used[u]] = (float)(v[p->n_used * a->dim + u] - at_centre);
    }
}

wi_status wi_anchor_fit(const wi_anchor *anchor, const bool *skip, float *delta, float *bias,
                        float *words_weight, wi_error *error)
{
    problem p = {.anchor = anchor, .skip = skip};
    double *v = NULL;
    wi_status status = open_problem(&p, error);
    size_t n = p.n_used * (anchor->dim + 1) + 1;
    if (status == WI_OK) {
        v = calloc(n, sizeof *v);
        status = v ? wi_descend(objective, &p, v, n, tolerance, MAX_STEPS, error)
                   : wi_fail_nomem(error, n * sizeof *v, "photos");
    }
    if (status == WI_OK) {
        spread(&p, v, delta, bias);
        *words_weight = (float)exp(v[n - 1]);
    }
    free(v);
    close_problem(&p);
    return status;
}
