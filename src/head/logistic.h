/* Multinomial logistic regression with an L2 penalty on the weights, on unit embeddings. */
#ifndef WI_HEAD_LOGISTIC_H
#define WI_HEAD_LOGISTIC_H

#include "head/rows.h"

typedef struct wi_logistic {
    size_t n, dim, n_labels;
    const uint32_t *truth; /* [n], borrowed */
    wi_rows rows;          /* unit rows */
    double *weight;        /* [n]: what each row counts; 0 leaves it out */
    double total;          /* their sum */
    double strength;       /* C */
} wi_logistic;

/* Copies embeddings[n, dim] (any length) as unit rows; weights are 1.
 * Owns: the caller frees with wi_logistic_free, also after a failure
 * Errors: WI_ERR_ARG for an embedding without direction, naming it; WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_logistic_init(wi_logistic *problem, const wi_kern *kern, const float *embeddings,
                           const uint32_t *truth, size_t n, size_t dim, size_t n_labels,
                           wi_error *error);
void wi_logistic_free(wi_logistic *problem);

/* Minimises strength * sum_i weight[i] * -ln softmax(W x_i + b)[truth_i] + |W|^2 / 2; with two
 * labels the penalty is |W[1] - W[0]|^2 / 2.
 * Shapes: wb[n_labels, dim + 1], each row a label's weights and bias; the start, then the result
 * Source: scikit-learn's LogisticRegression, whose C is strength */
wi_status wi_logistic_fit(wi_logistic *problem, double *wb, double tolerance, int max_steps,
                          wi_error *error);

/* logit[n_labels] of row i. wb as it was fitted last. */
void wi_logistic_logits(const wi_logistic *problem, const double *wb, size_t i, float *logit);

#endif
