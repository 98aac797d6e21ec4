/* Scoring: from an embedding to one score per label, and the best k of them. */
#ifndef WI_HEAD_SCORE_H
#define WI_HEAD_SCORE_H

#include "head/head.h"

/* What the head says of a normalised embedding, as head.h states it.
 * Shapes: x[dim]; cosine[n_labels] (NaN where there is none); logit[n_labels] */
void wi_score_logits(const wi_head *head, const float *x, float *cosine, float *logit);

/* ln of the sum of exp(scale * rows . x); NaN without rows. rows[n_rows, dim] */
double wi_score_row_sum(const wi_head *head, const float *rows, size_t n_rows, float scale,
                        const float *x);

/* ln of the sum of exp(scale * background . x + logit_bias), scale being the words' own, whatever
 * photos left of it; NaN for a head without background. */
double wi_score_background(const wi_head *head, const float *x);

/* ln of the sum of exp(logit). */
double wi_score_log_sum(const float *logit, size_t n);

/* score[n] = softmax(logit / temperature), or the sigmoid of each; logits are finite. score may be
 * logit. */
void wi_score_softmax(const float *logit, size_t n, float temperature, float *score);
void wi_score_sigmoid(const float *logit, size_t n, float temperature, float *score);

/* The k largest logits, largest first, equal ones in label order; fills label and logit of out[k].
 * Returns min(k, n). */
size_t wi_score_top(const float *logit, size_t n, size_t k, wi_answer *out);

/* As wi_head_answer and wi_head_scores, whose arguments are checked. */
wi_status wi_score_answer(const wi_head *head, const float *embedding, size_t dim, size_t k,
                          wi_answer *out, size_t *n_out, wi_error *error);
wi_status wi_score_all(const wi_head *head, const float *embedding, size_t dim, float *score,
                       float *cosine, float *logit, wi_error *error);

#endif
