/* What the towers are made of: views of packed weights. nn owns none of them; a model does. */
#ifndef WI_NN_WEIGHTS_H
#define WI_NN_WEIGHTS_H

#include "kern/kern.h"

typedef enum wi_mat_type { WI_MAT_F32 = 0, WI_MAT_F16, WI_MAT_BF16, WI_MAT_S8 } wi_mat_type;

enum { WI_MAX_APART = 16 };

/* A linear layer W[n,k] in panels (kern/kern.h), y = W x + bias.
 *
 * An s8 matrix may set a few input columns apart: those whose inputs are outliers would spoil the
 * one scale of their row. Their inputs are taken out before the row is quantised and multiplied in
 * f32 (LLM.int8(), arXiv:2208.07339). In the int8 panels these columns are zero. */
typedef struct wi_mat {
    wi_mat_type type;
    uint32_t n, k;
    const void *panels;
    const float *bias;         /* [16 * panels] or NULL */
    const float *scale;        /* s8: [16 * panels] */
    const int32_t *sum;        /* s8: [16 * panels], sum over k */
    uint32_t n_apart;          /* s8: columns set apart */
    const uint32_t *apart;     /* [n_apart], ascending */
    const float *apart_panels; /* panels of W[n, n_apart] in f32 */
    /* Between a checkpoint and int8 alone: how the outputs are spread, as their batch norm knows from
     * training; later their mean when they enter the next matrix. [n] or NULL. */
    float *mean, *spread;
} wi_mat;

static inline size_t wi_mat_panels(const wi_mat *mat)
{
    return (mat->n + WI_PANEL - 1) / WI_PANEL;
}

typedef struct wi_norm {
    const float *w, *b; /* [n] */
    float eps;
    uint32_t n;
} wi_norm;

/* Rows that are looked up by number. */
typedef struct wi_table {
    wi_mat_type type;
    const void *rows;   /* [n, k], row-major */
    const float *scale; /* s8: [n] */
} wi_table;

/* A convolution with its batch norm folded in: inputs in (row, column, channel) order. */
typedef struct wi_conv {
    wi_mat mat;
    uint32_t size, stride; /* 1 or 3, padded by (size-1)/2 */
} wi_conv;

#endif
