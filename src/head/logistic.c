#include "head/logistic.h"

#include "base/error.h"
#include "base/size.h"
#include "head/minimise.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

/* calloc of n0 * n1 floats, NULL when the product does not fit. */
static float *floats(size_t n0, size_t n1)
{
    size_t n;
    return wi_size_mul(n0, n1, &n) ? calloc(n, sizeof(float)) : NULL;
}

wi_status wi_logistic_init(wi_logistic *p, const float *embeddings, const uint32_t *truth, size_t n,
                           size_t dim, size_t n_labels, wi_error *error)
{
    *p = (wi_logistic){.n = n, .dim = dim, .n_labels = n_labels, .truth = truth};
    size_t n_blocks = wi_div_up(n, BLOCK);
    p->dots = wi_score_dots();
    p->x = floats(n, dim);
    p->blocks = n_blocks < SIZE_MAX / BLOCK ? floats(n_blocks * BLOCK, dim) : NULL;
    p->w = floats(n_labels, dim);
    p->residual = floats(n_labels, BLOCK);
    p->sums = floats(dim > n_labels ? dim : n_labels, 1);
    p->weight = calloc(n, sizeof *p->weight);
    if (!p->x || !p->blocks || !p->w || !p->residual || !p->sums || !p->weight)
        return wi_fail_nomem(error, 2 * n * dim * sizeof(float), "training");
    for (size_t i = 0; i < n; i++) {
        float *row = p->x + i * dim;
        wi_error why;
        if (wi_score_normalise(embeddings + i * dim, dim, row, &why) != WI_OK)
            return wi_fail(error, WI_ERR_ARG, "photo %zu: %s", i + 1, why.message);
        float *block = p->blocks + i / BLOCK * BLOCK * dim;
        for (size_t j = 0; j < dim; j++)
            block[j * BLOCK + i % BLOCK] = row[j];
        p->weight[i] = 1;
    }
    return WI_OK;
}

void wi_logistic_free(wi_logistic *p)
{
    free(p->x);
    free(p->blocks);
    free(p->w);
    free(p->residual);
    free(p->sums);
    free(p->weight);
}

/* logit -> softmax in place; gives -ln of the true label's share. */
static double softmax_loss(float *logit, size_t n, size_t truth)
{
    float largest = logit[0];
    for (size_t c = 1; c < n; c++)
        largest = logit[c] > largest ? logit[c] : largest;
    double sum = 0, of_truth = (double)(logit[truth] - largest);
    for (size_t c = 0; c < n; c++) {
        logit[c] = expf(logit[c] - largest);
        sum += (double)logit[c];
    }
    for (size_t c = 0; c < n; c++)
        logit[c] = (float)((double)logit[c] / sum);
    return log(sum) - of_truth;
}

static void logits_of_row(const wi_logistic *p, const double *wb, size_t i, float *logit)
{
    p->dots(p->n_labels, p->dim, p->w, p->dim, p->x + i * p->dim, logit);
    for (size_t c = 0; c < p->n_labels; c++)
        logit[c] += (float)wb[c * (p->dim + 1) + p->dim];
}

static void narrow_weights(const wi_logistic *p, const double *wb)
{
    for (size_t c = 0; c < p->n_labels; c++)
        for (size_t j = 0; j < p->dim; j++)
            p->w[c * p->dim + j] = (float)wb[c * (p->dim + 1) + j];
}

void wi_logistic_logits(const wi_logistic *p, const double *wb, size_t i, float *logit)
{
    logits_of_row(p, wb, i, logit);
}

/* The loss of one block of rows; residual[c][row] = weight * (share of c - [c is the truth]). */
static double block_loss(const wi_logistic *p, const double *wb, size_t begin)
{
    double loss = 0;
    size_t n = p->n - begin < BLOCK ? p->n - begin : BLOCK;
    memset(p->residual, 0, p->n_labels * BLOCK * sizeof *p->residual);
    for (size_t r = 0; r < n; r++) {
        size_t i = begin + r, truth = p->truth[i];
        double weight = p->weight[i];
        if (weight == 0)
            continue;
        logits_of_row(p, wb, i, p->sums);
        loss += weight * softmax_loss(p->sums, p->n_labels, truth);
        p->sums[truth] -= 1;
        for (size_t c = 0; c < p->n_labels; c++)
            p->residual[c * BLOCK + r] = (float)weight * p->sums[c];
    }
    return loss;
}

/* gradient += residual . rows, sums of 256 products in f32, the rest in f64. */
static void add_block_gradient(const wi_logistic *p, size_t begin, double *gradient)
{
    const float *block = p->blocks + begin * p->dim;
    for (size_t c = 0; c < p->n_labels; c++) {
        const float *residual = p->residual + c * BLOCK;
        double *g = gradient + c * (p->dim + 1);
        p->dots(p->dim, BLOCK, block, BLOCK, residual, p->sums);
        for (size_t j = 0; j < p->dim; j++)
            g[j] += (double)p->sums[j];
        for (size_t r = 0; r < BLOCK; r++)
            g[p->dim] += (double)residual[r];
    }
}

/* The objective divided by strength * total, so that one tolerance fits all strengths and sizes. */
static double objective(void *context, const double *wb, double *gradient, size_t n)
{
    const wi_logistic *p = context;
    /* Two labels are one yes/no question with w = w1 - w0, of which both rows hold a half: |w|^2 / 2 is twice
     * what they add up to. */
    double loss = 0, squares = 0, penalty = (p->n_labels == 2 ? 2 : 1) / (p->strength * p->total);
    memset(gradient, 0, n * sizeof *gradient);
    narrow_weights(p, wb);
    for (size_t begin = 0; begin < p->n; begin += BLOCK) {
        loss += block_loss(p, wb, begin);
        add_block_gradient(p, begin, gradient);
    }
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
    wi_status status = wi_minimise(objective, p, wb, n_variables, tolerance, max_steps, error);
    if (status == WI_OK)
        narrow_weights(p, wb);
    return status;
}
