#include "head/rows.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

static const wi_epilogue plain = {0};

/* n0 * n1 floats of 0, NULL when so many do not fit. */
static float *floats(size_t n0, size_t n1)
{
    size_t n_bytes;
    return wi_size_mul3(n0, n1, sizeof(float), &n_bytes) ? calloc(1, n_bytes) : NULL;
}

static size_t whole_panels(size_t n)
{
    return wi_round_up(n, WI_PANEL);
}

wi_status wi_rows_init(wi_rows *r, const wi_kern *kern, size_t n, size_t dim, size_t max_labels,
                       wi_error *error)
{
    *r = (wi_rows){.n = n, .dim = dim, .gemm = kern->gemm_f32, .softmax = kern->softmax};
    r->x = floats(n, dim);
    r->panels = floats(n, whole_panels(dim));
    r->weights = floats(whole_panels(max_labels), dim);
    r->logit = floats(whole_panels(max_labels), BLOCK);
    r->residual = floats(max_labels, BLOCK);
    r->sums = floats(max_labels, whole_panels(dim));
    if (r->x && r->panels && r->weights && r->logit && r->residual && r->sums)
        return WI_OK;
    size_t n_bytes;
    if (!wi_size_mul3(n, dim, 2 * sizeof *r->x, &n_bytes))
        n_bytes = SIZE_MAX;
    return wi_fail_nomem(error, n_bytes, "photos");
}

void wi_rows_free(wi_rows *r)
{
    free(r->x);
    free(r->panels);
    free(r->weights);
    free(r->logit);
    free(r->residual);
    free(r->sums);
}

static size_t block_rows(const wi_rows *r, size_t begin)
{
    return r->n - begin < BLOCK ? r->n - begin : BLOCK;
}

void wi_rows_lay_out(wi_rows *r)
{
    for (size_t begin = 0; begin < r->n; begin += BLOCK) {
        size_t n = block_rows(r, begin);
        float *block = r->panels + begin * whole_panels(r->dim);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < r->dim; j++)
                block[(j / WI_PANEL * n + i) * WI_PANEL + j % WI_PANEL] =
                    r->x[(begin + i) * r->dim + j];
    }
}

void wi_rows_set_weights(wi_rows *r, size_t n_labels, const double *w, size_t ld)
{
    for (size_t c = 0; c < n_labels; c++) {
        float *lane = r->weights + c / WI_PANEL * WI_PANEL * r->dim + c % WI_PANEL;
        for (size_t j = 0; j < r->dim; j++)
            lane[j * WI_PANEL] = (float)w[c * ld + j];
    }
}

void wi_rows_logits(const wi_rows *r, size_t n_labels, size_t row, float *logit)
{
    r->gemm(1, whole_panels(n_labels) / WI_PANEL, r->dim, r->x + row * r->dim, r->dim, r->weights,
            r->logit, whole_panels(n_labels), &plain);
    memcpy(logit, r->logit, n_labels * sizeof *logit);
}

double wi_rows_pass(wi_rows *r, size_t n_labels, const double *w, size_t ld, wi_row_fn *loss_of,
                    void *context, double *gradient)
{
    size_t k = whole_panels(n_labels), dim = whole_panels(r->dim);
    double loss = 0;
    wi_rows_set_weights(r, n_labels, w, ld);
    for (size_t begin = 0; begin < r->n; begin += BLOCK) {
        size_t n = block_rows(r, begin);
        r->gemm(n, k / WI_PANEL, r->dim, r->x + begin * r->dim, r->dim, r->weights, r->logit, k,
                &plain);
        for (size_t i = 0; i < n; i++) {
            float *logit = r->logit + i * k;
            loss += loss_of(context, begin + i, logit);
            for (size_t c = 0; c < n_labels; c++)
                r->residual[c * BLOCK + i] = logit[c];
        }
        r->gemm(n_labels, dim / WI_PANEL, n, r->residual, BLOCK, r->panels + begin * dim, r->sums,
                dim, &plain);
        for (size_t c = 0; c < n_labels; c++)
            for (size_t j = 0; j < r->dim; j++)
                gradient[c * ld + j] += (double)r->sums[c * dim + j];
    }
    return loss;
}

double wi_rows_softmax_loss(const wi_rows *r, float *logit, size_t n_labels, size_t truth)
{
    size_t best = 0;
    for (size_t c = 1; c < n_labels; c++)
        best = logit[c] > logit[best] ? c : best;
    double behind = (double)logit[best] - (double)logit[truth];
    r->softmax(n_labels, 1, logit);
    return behind - log((double)logit[best]); /* the largest share is no rounded 0 */
}
