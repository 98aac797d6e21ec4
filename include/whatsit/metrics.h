/* Metrics: how good answers are where the truth is known.
 * Threads: a tally is read by any, and changed by one alone. */
#ifndef WHATSIT_METRICS_H
#define WHATSIT_METRICS_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts answers one by one; memory grows by some bytes per picture, not by its scores. */
typedef struct wi_tally wi_tally;

/* Owns: the caller closes *out. Errors: WI_ERR_ARG (no labels), WI_ERR_NOMEM. */
WI_API wi_status wi_tally_open(size_t n_labels, wi_tally **out, wi_error *error);
WI_API void wi_tally_close(wi_tally **tally);

/* One picture: score[n_labels] in [0,1] as wi_head_scores gives them, and its true label. The
 * answer is the first label of the largest score.
 * Errors: WI_ERR_ARG (truth past the end, a score outside [0,1] or NaN), WI_ERR_NOMEM; then nothing
 *     is counted */
WI_API wi_status wi_tally_add(wi_tally *tally, const float *score, size_t truth, wi_error *error);

typedef struct wi_metrics {
    uint64_t n; /* pictures; the rest is NaN when there are none */
    double top1,
        top5;        /* shares of pictures whose true label is the answer, is among the best five */
    double balanced; /* mean recall of the labels that have pictures */
    double log_loss; /* mean of -ln(score of the true label), scores below 1e-12 counted as that */
    double calibration_error; /* expected calibration error of the answer's score, 15 equal bins */
    double auc, auc_low,
        auc_high; /* two labels: area under the ROC curve of the second one, and its 95 %
                     bootstrap interval (1,000 rounds, always the same); else NaN */
    uint64_t reserved[4];
} wi_metrics;
/* Source: Guo et al., On Calibration of Modern Neural Networks (arXiv:1706.04599) for
 * calibration_error */
WI_API wi_status wi_tally_metrics(const wi_tally *tally, wi_metrics *out, wi_error *error);

typedef struct wi_label_metrics {
    uint64_t n_true, n_answered, n_right;
    double precision, recall; /* n_right / n_answered, n_right / n_true; NaN for 0 / 0 */
    uint64_t reserved[4];
} wi_label_metrics;
/* Zeros past the end. */
WI_API void wi_tally_label(const wi_tally *tally, size_t label, wi_label_metrics *out);

/* count[n_labels, n_labels]: pictures of each true label (row) that got each answer (column). */
WI_API void wi_tally_confusion(const wi_tally *tally, uint64_t *count);

/* The most frequent wrong answers, most frequent first, then by truth and answer. *n_out <= max. */
typedef struct wi_confused {
    size_t truth, answer;
    uint64_t count;
} wi_confused;
WI_API wi_status wi_tally_confused(const wi_tally *tally, size_t max, wi_confused *out,
                                   size_t *n_out, wi_error *error);

/* Area under the ROC curve: how often a positive scores above a negative, ties counting half. low
 * and high (nullable) receive the 95 % bootstrap interval of n_rounds (0: none, both NaN), always
 * the same.
 * Shapes: score[n], positive[n]
 * Errors: WI_ERR_ARG (no positive, no negative, NaN), WI_ERR_NOMEM */
WI_API wi_status wi_auc(const float *score, const bool *positive, size_t n, unsigned n_rounds,
                        double *auc, double *low, double *high, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
