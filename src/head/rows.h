/* Rows of embeddings in the order in which a softmax fit passes over them again and again: the logits
 * of a linear layer, and the gradient of its weights, both as products of matrices. */
#ifndef WI_HEAD_ROWS_H
#define WI_HEAD_ROWS_H

#include "head/head.h"
#include "kern/kern.h"

/* Turns logit[n_labels] of a row into the derivative of the row's loss by each logit, and gives the
 * loss. */
typedef double wi_row_fn(void *context, size_t row, float *logit);

typedef struct wi_rows {
    size_t n, dim;
    float *x; /* [n, dim]: the caller fills it, then wi_rows_lay_out */
    /* Of rows.c: */
    float *panels; /* x once more, in blocks of rows that are weights of a layer from rows to dim */
    float *weights; /* [max_labels / 16 rounded up][dim][16]: those of the last pass */
    float *logit, *residual, *sums; /* of one block */
    wi_gemm_f32_fn *gemm;
    wi_softmax_fn *softmax;
} wi_rows;

/* Room for n rows and layers to at most max_labels.
 * Owns: the caller frees with wi_rows_free, also after a failure
 * Errors: WI_ERR_NOMEM */
wi_status wi_rows_init(wi_rows *rows, const wi_kern *kern, size_t n, size_t dim, size_t max_labels,
                       wi_error *error);
void wi_rows_free(wi_rows *rows);
/* Makes what x has now what passes see. */
void wi_rows_lay_out(wi_rows *rows);

/* The sum of the rows' losses at the weights w; gradient += its derivative by them. Products are summed
 * in f32 over 256 rows, then in f64.
 * Shapes: w[n_labels, dim] with ld elements from label to label, gradient likewise */
double wi_rows_pass(wi_rows *rows, size_t n_labels, const double *w, size_t ld, wi_row_fn *loss,
                    void *context, double *gradient);

/* logit[n_labels] of a row at the weights w of the last pass or of wi_rows_set_weights. */
void wi_rows_set_weights(wi_rows *rows, size_t n_labels, const double *w, size_t ld);
void wi_rows_logits(const wi_rows *rows, size_t n_labels, size_t row, float *logit);

/* logit -> softmax in place; gives -ln of the true label's share. */
double wi_rows_softmax_loss(const wi_rows *rows, float *logit, size_t n_labels, size_t truth);

#endif
