#include "head/anchor.h"

#include "base/error.h"
#include "head/descent.h"
#include "head/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double bias_share = 0.3, lambda_variance = 0.3;
static const double tolerance = 1e-3; /* of the gradient; a photo's is about 1 */
static const double precision = 1e-7; /* of the objective, which f32 sums tell no closer */
enum { MAX_STEPS = 100 };

/* The variables are [n_used, dim] weights, n_used biases, ln lambda. */
typedef struct problem {
    const wi_anchor *anchor;
    const bool *skip;
    size_t *count; /* [n_labels] photos that are not left out */
    size_t *used;  /* [n_used] labels with photos */
    size_t n_used, n_photos;
    bool all;               /* every label has photos: lambda and b are learnt */
    wi_rows z;              /* [n, dim] */
    double *centre, radius; /* [dim] */
    float *prior;           /* [n_labels] ln count */
    float *logit;           /* [n_labels] */
} problem;

static void close_problem(problem *p)
{
    wi_rows_free(&p->z);
    free(p->count);
    free(p->used);
    free(p->centre);
    free(p->prior);
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
        p->prior[c] = wi_anchor_prior(p->count[c]);
        if (p->count[c] > 0)
            p->used[p->n_used++] = c;
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
    status = wi_rows_init(&p->z, a->kern, a->n, a->dim, p->n_used, error);
    p->centre = calloc(a->dim, sizeof *p->centre);
    if (status == WI_OK && !p->centre)
        status = wi_fail_nomem(error, a->dim * sizeof *p->centre, "photos");
    if (status != WI_OK)
        return status;
    find_centre(p);
    double squares = 0;
    float *z = p->z.x;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < a->dim; j++) {
            float away = (float)((double)a->x[i * a->dim + j] - p->centre[j]);
            z[i * a->dim + j] = away;
            squares += left_out(p, i) ? 0 : (double)away * (double)away;
        }
    double free_means = p->n_used > 1 ? 1 - 1 / (double)p->n_used : 1; /* the centre is theirs */
    squares /= (double)p->n_photos * free_means;
    p->radius = fmax(sqrt(squares), 1e-3); /* photos that are all the same */
    for (size_t i = 0; i < a->n * a->dim; i++)
        z[i] /= (float)p->radius;
    wi_rows_lay_out(&p->z);
    return WI_OK;
}

/* Where a pass stands: the variables and the gradient. */
typedef struct pass {
    problem *p;
    const double *v;
    double *gradient;
} pass;

/* dots[n_used]: weights . z, then their residuals. The gradient of what is no weight is added to here. */
static double photo_loss(void *context, size_t i, float *dots)
{
    const pass *at = context;
    problem *p = at->p;
    const wi_anchor *a = p->anchor;
    const float *words = a->words + i * a->n_labels;
    size_t n_weights = p->n_used * a->dim;
    const double *bias = at->v + n_weights;
    double lambda = exp(bias[p->n_used]), slope = 0;
    if (left_out(p, i)) {
        memset(dots, 0, p->n_used * sizeof *dots);
        return 0;
    }
    for (size_t c = 0; c < a->n_labels; c++)
        p->logit[c] = (float)lambda * words[c] + p->prior[c];
    for (size_t u = 0; u < p->n_used; u++)
        p->logit[p->used[u]] += dots[u] + (float)bias[u];
    double loss = wi_rows_softmax_loss(&p->z, p->logit, a->n_labels, a->label[i]);
    p->logit[a->label[i]] -= 1;
    for (size_t u = 0; u < p->n_used; u++)
        dots[u] = p->logit[p->used[u]];
    if (!p->all)
        return loss;
    for (size_t c = 0; c < a->n_labels; c++) {
        at->gradient[n_weights + c] += (double)p->logit[c];
        slope += (double)p->logit[c] * (double)words[c];
    }
    at->gradient[n_weights + p->n_used] += slope * lambda;
    return loss;
}

static double objective(void *context, const double *v, double *gradient, size_t n)
{
    problem *p = context;
    size_t n_weights = p->n_used * p->anchor->dim;
    double strength = p->anchor->strength;
    pass at = {p, v, gradient};
    memset(gradient, 0, n * sizeof *gradient);
    double loss = wi_rows_pass(&p->z, p->n_used, v, p->anchor->dim, photo_loss, &at, gradient);
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
    double *v = anchor->start, *own = NULL;
    wi_status status = open_problem(&p, error);
    size_t n = p.n_used * (anchor->dim + 1) + 1;
    if (status == WI_OK && !v) {
        v = own = calloc(n, sizeof *own);
        status = own ? WI_OK : wi_fail_nomem(error, n * sizeof *own, "photos");
    }
    if (status == WI_OK)
        status = wi_descend(objective, &p, v, n, tolerance, precision, MAX_STEPS, error);
    if (status == WI_OK) {
        spread(&p, v, delta, bias);
        *words_weight = (float)exp(v[n - 1]);
    }
    free(own);
    close_problem(&p);
    return status;
}
