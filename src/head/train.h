/* Linear heads from labelled embeddings. */
#ifndef WI_HEAD_TRAIN_H
#define WI_HEAD_TRAIN_H

#include "head/head.h"
#include <whatsit/train.h>

/* As wi_head_train. */
wi_status wi_linear_train(const wi_head_model *model, const wi_training *training, wi_head **out,
                          wi_training_report *report, wi_error *error);

/* The texts of a head in training; the rest as wi_head_parts_init leaves it. */
void wi_training_parts(const wi_head_model *model, const wi_training *training,
                       wi_head_parts *parts);

/* Checks embeddings and labels against the model and each other; counts photos per label into
 * count[n_labels]. */
wi_status wi_photos_check(const wi_photos *photos, size_t dim, size_t n_labels, size_t *count,
                          wi_error *error);

/* The unit mean of each label's unit embeddings, x[n, dim] being unit rows. mean[n_labels, dim].
 * False when one has no direction (photos that cancel out, or none). */
bool wi_photos_means(const float *x, const uint32_t *labels, size_t n, size_t dim, size_t n_labels,
                     float *mean);

/* The temperature T in [0.05, 20] at which softmax(logit / T) has the least log loss, each true label counted
 * as 1 - smoothing and the rest shared by the others; row i counts weight[i]. variance is what ln T is
 * expected to have around 0: (ln T)^2 / (2 variance) joins the sum of the losses; INFINITY: anything
 * is as likely.
 * Shapes: logit[n, n_labels]; rows of weight 0 are not read */
float wi_fit_temperature(const float *logit, const uint32_t *truth, const double *weight, size_t n,
                         size_t n_labels, double smoothing, double variance);

/* What is fair to leave for the other labels after n answers: without it, answers that happen to be all right
 * would be given without any doubt.
 * Source: Platt 1999, Probabilistic outputs for support vector machines */
static inline double wi_smoothing(size_t n)
{
    return 1 / ((double)n + 2);
}

/* Mean of weight * -ln softmax(logit / temperature), smoothed as above. */
double wi_log_loss(const float *logit, const uint32_t *truth, const double *weight, size_t n,
                   size_t n_labels, double temperature, double smoothing);

#endif
