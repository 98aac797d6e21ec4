/* What the explanations of several tower kinds share. */
#ifndef WI_NN_EXPLAIN_H
#define WI_NN_EXPLAIN_H

#include "nn/run.h"
#include "nn/weights.h"

#include <string.h>

/* y = W x without the bias: directions have none. */
static inline void wi_turn(wi_run *run, const wi_mat *mat, size_t m, float *x, size_t ld, float *y,
                           size_t ld_y)
{
    const wi_input in = wi_prepare(run, mat, m, x, ld);
    wi_linear_part(run, mat, 0, wi_mat_panels(mat), m, &in, y, ld_y, (wi_epilogue){0});
}

/* Rows of the identity: x[m, width] says unit first + row. */
static inline void wi_one_hot(float *x, size_t m, size_t width, size_t ld, size_t first)
{
    for (size_t i = 0; i < m; i++) {
        memset(x + i * ld, 0, width * sizeof *x);
        x[i * ld + first + i] = 1.0f;
    }
}

static inline void wi_copy_rows(float *to, size_t ld_to, const float *from, size_t ld, size_t n,
                                size_t width)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * ld_to, from + i * ld, width * sizeof *to);
}

/* A norm before the end is linear but for its common factor: it takes the mean out and weighs. scale:
 * by which each number is weighed before it, or NULL. x[m, norm->n], in place. */
static inline void wi_through_norm(const wi_norm *norm, const float *scale, float *x, size_t m,
                                   size_t ld)
{
    for (size_t i = 0; i < m; i++) {
        float *row = x + i * ld;
        double sum = 0.0;
        for (size_t j = 0; scale && j < norm->n; j++)
            row[j] *= scale[j];
        for (size_t j = 0; j < norm->n; j++)
            sum += (double)row[j];
        const float mean = (float)(sum / norm->n);
        for (size_t j = 0; j < norm->n; j++)
            row[j] = (row[j] - mean) * norm->w[j];
    }
}

/* Keeps the first row of what enters one matrix: to[k]. */
typedef struct wi_entering {
    const wi_mat *mat;
    float *to;
} wi_entering;

static inline void wi_entering_watch(void *context, const wi_mat *mat, const float *x, size_t rows,
                                     size_t ld)
{
    const wi_entering *e = context;
    (void)rows;
    (void)ld;
    if (mat == e->mat)
        memcpy(e->to, x, mat->k * sizeof *x);
}

/* Keeps what one tap shows: to[rows, ld_to]. */
typedef struct wi_capture {
    const char *name;
    int layer;
    float *to;
    size_t ld_to; /* 0: as it stands in the tower */
} wi_capture;

static inline void wi_capture_tap(void *context, const char *name, int layer, const float *x,
                                  size_t rows, size_t width, size_t ld)
{
    const wi_capture *c = context;
    if (layer == c->layer && !strcmp(name, c->name))
        wi_copy_rows(c->to, c->ld_to ? c->ld_to : ld, x, ld, rows, width);
}

#endif
