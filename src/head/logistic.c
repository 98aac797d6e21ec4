#include "head/logistic.h"

#include "base/error.h"
#include "base/unit.h"
#include "head/descent.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums of f32 products tell the value no better than this. */
static const double precision = 1e-10;

wi_status wi_logistic_init(wi_logistic *p, const wi_kern *kern, const float *embeddings,
                           const uint32_t *truth, size_t n, size_t dim, size_t n_labels,
                           wi_error *error)
{
    *p = (wi_logistic){.n = n, .dim = dim, .n_labels = n_labels, .truth = truth};
    wi_status status = wi_rows_init(&p->rows, kern, n, dim, n_labels, error);
    p->weight = calloc(n, sizeof *p->weight);
    if (status == WI_OK && !p->weight)
        status = wi_fail_nomem(error, n * sizeof *p->weight, "training");
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        wi_error why;
        if (wi_unit(embeddings + i * dim, dim, p->rows.x + i * dim, "the embedding", &why) != WI_OK)
            return wi_fail(error, WI_ERR_ARG, "photo %zu: %s", i + 1, why.message);
        p->weight[i] = 1;
    }
    if (status == WI_OK)
        wi_rows_lay_out(&p->rows);
    return status;
}

void wi_logistic_free(wi_logistic *p)
{
    wi_rows_free(&p->rows);
    free(p->weight);
}

static void add_bias(const wi_logistic *p, const double *wb, float *logit)
{
    for (size_t c = 0; c < p->n_labels; c++)
        logit[c] += (float)wb[c * (p->dim + 1) + p->dim];
}

void wi_logistic_logits(const wi_logistic *p, const double *wb, size_t i, float *logit)
{
    wi_rows_logits(&p->rows, p->n_labels, i, logit);
    add_bias(p, wb, logit);
}

/* Where a pass stands: the weights and the gradient, both [n_labels, dim + 1]. */
typedef struct pass {
    const wi_logistic *problem;
    const double *wb;
    double *gradient;
} pass;

/* The residual is weight * (share of c - [c is the truth]). */
static double row_loss(void *context, size_t i, float *logit)
{
    const pass *at = context;
    const wi_logistic *p = at->problem;
    double weight = p->weight[i];
    if (weight == 0) {
        memset(logit, 0, p->n_labels * sizeof *logit);
        return 0;
    }
    add_bias(p, at->wb, logit);
    double loss = weight * wi_rows_softmax_loss(&p->rows, logit, p->n_labels, p->truth[i]);
    logit[p->truth[i]] -= 1;
    for (size_t c = 0; c < p->n_labels; c++) {
        logit[c] *= (float)weight;
        at->gradient[c * (p->dim + 1) + p->dim] += (double)logit[c];
    }
    return loss;
}

/* The objective divided by strength * total, so that one tolerance fits all strengths and sizes. */
static double objective(void *context, const double *wb, double *gradient, size_t n)
{
    wi_logistic *p = context;
    /* Two labels are one yes/no question with w = w1 - w0, of which both rows hold a half: |w|^2 / 2 is twice
     * what they add up to. */
    double squares = 0, penalty = (p->n_labels == 2 ? 2 : 1) / (p->strength * p->total);
    pass at = {p, wb, gradient};
    memset(gradient, 0, n * sizeof *gradient);
    double loss = wi_rows_pass(&p->rows, p->n_labels, wb, p->dim + 1, row_loss, &at, gradient);
    for (size_t c = 0; c < p->n_labels; c++) {
        size_t row = c * (p->dim + 1);
        for (size_t j = 0; j < p->dim; j++) {
            double w = wb[row + j];
            squares += w * w;
            gradient[row + j] = gradient[row + j] / p->total + penalty * w;
        }
        gradient[row + p->dim] /= p->total;
    }
    return loss / p->total + penalty * squares / 2;
}

wi_status wi_logistic_fit(wi_logistic *p, double *wb, double tolerance, int max_steps,
                          wi_error *error)
{
    size_t n_variables = p->n_labels * (p->dim + 1);
    p->total = 0;
    for (size_t i = 0; i < p->n; i++)
        p->total += p->weight[i];
    wi_status status =
        wi_descend(objective, p, wb, n_variables, tolerance, precision, max_steps, error);
    if (status == WI_OK)
        wi_rows_set_weights(&p->rows, p->n_labels, wb, p->dim + 1);
    return status;
}
