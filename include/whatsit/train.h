/* Making heads from photos: trained layers, example photos, and the threshold of none-of-these.
 * Threads: what goes in is only read; a progress callback runs on the thread that called. */
#ifndef WHATSIT_TRAIN_H
#define WHATSIT_TRAIN_H

#include <whatsit/head.h>
#include <whatsit/metrics.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Embedded photos. Borrowed. */
typedef struct wi_photos {
    const float *embeddings; /* [n, dim], of any length above 0 */
    const uint32_t *labels;  /* [n], indices into the head's labels */
    size_t n, dim;
} wi_photos;

/* ---- linear heads ---- */

typedef struct wi_training {
    const char *name;
    const char *const *labels; /* n_labels >= 2 */
    const char *const *groups; /* nullable, n_labels */
    size_t n_labels;
    const char *licence, *source, *sensitivity; /* nullable */
    wi_photos photos;                           /* every label needs one */
    double strength;      /* scikit-learn's C: larger fits the photos closer; 0: chosen by
                             cross-validation */
    bool balanced;        /* labels count the same, however many photos they have */
    wi_progress progress; /* counts fits; may end early */
    uint64_t reserved[4];
} wi_training;

typedef struct wi_training_report {
    double strength;
    unsigned n_folds; /* 0: no label has two photos, so nothing could be held out and measured */
    wi_tally *tally;  /* each photo answered by a fit that did not see it; NULL without folds. A
                         label's only  photo is not held out */
    uint64_t reserved[4];
} wi_training_report;

/* L2 multinomial logistic regression by L-BFGS. The strength is the one with the least held-out log
 * loss in a stratified cross-validation of up to five folds, the temperature is fitted to the
 * held-out answers, and the head keeps each label's mean embedding to tell known photos from
 * unknown ones. Deterministic.
 * Owns: the caller closes *out, and report->tally (report may be NULL)
 * Errors: WI_ERR_ARG (one label only, a label without photos, a photo without direction),
 *     WI_ERR_MISMATCH (embeddings of another model), WI_ERR_CANCELLED, WI_ERR_LIMIT, WI_ERR_NOMEM
 * Source: scikit-learn's LogisticRegression; Guo et al. (arXiv:1706.04599) for temperature */
WI_API wi_status wi_head_train(const wi_model *model, const wi_training *training, wi_head **out,
                               wi_training_report *report, wi_error *error);

/* ---- example photos ---- */

/* A head from words and example photos. words is a zero-shot head, whose labels the photos belong
 * to; a label without photos answers by its words alone. The photos move the words' answer only as
 * far as they ask for it: a logistic regression whose prior is the words. Where labels have a second
 * photo, the temperature is fitted to photos that were held out; with one a label it is above 1, the
 * more the less the words say of the photos. Deterministic. progress (nullable) hears of fits done.
 * Errors: WI_ERR_ARG, WI_ERR_MISMATCH (embeddings of another length), WI_ERR_CANCELLED,
 *     WI_ERR_LIMIT, WI_ERR_NOMEM
 * Source: Silva-Rodriguez et al. (CVPR 2024, arXiv:2312.12730); src/head/anchor.h has the formula
 */
WI_API wi_status wi_head_add_photos(const wi_head *words, const wi_photos *photos,
                                    const wi_progress *progress, wi_head **out, wi_error *error);

/* A head from example photos alone: each label's mean photo, normalised. Every label needs one.
 * Uses name, labels, groups, licence, source, sensitivity and photos of the training.
 * wi_head_add_photos improves it. Its temperature, too, is fitted to photos held out; with one photo a
 * label it is 2.
 * Source: nearest class mean, e.g. Snell et al. (arXiv:1703.05175) without the training */
WI_API wi_status wi_head_from_photos(const wi_model *model, const wi_training *training,
                                     wi_head **out, wi_error *error);

/* ---- none of these ---- */

typedef struct wi_calibration {
    const float *unknown; /* [n, dim]: embeddings of photos that no label fits */
    size_t n, dim;
    double rate; /* false accepts per unknown photo, in (0, 1) */
    uint64_t reserved[4];
} wi_calibration;

/* A copy of the head whose threshold lets at most `rate` of photos like the unknown ones pass as
 * known. In sigmoid heads each label gets a bias, so that unknown photos reach a score of 0.5 for
 * it at that rate.
 * Errors: WI_ERR_ARG (too few photos for the rate: at least 1 / rate - 1), WI_ERR_MISMATCH,
 *     WI_ERR_NOMEM
 * Source: split conformal prediction: the ceil((n+1)(1-rate))-th smallest value of the unknown
 *     photos */
WI_API wi_status wi_head_calibrate(const wi_head *head, const wi_calibration *calibration,
                                   wi_head **out, wi_error *error);

/* Chance has its say in which photos set a threshold: nine times in ten the share of others like them
 * that pass lies from *low to *high. n and rate as in a calibration that succeeded.
 * Source: Vovk, Conditional validity of inductive conformal predictors (arXiv:1209.2673): that share
 *     is distributed as Beta(n + 1 - r, r), r being the rank that wi_head_calibrate takes */
WI_API void wi_calibration_range(size_t n, double rate, double *low, double *high);

/* How sure the head is that any of its labels fits: larger is surer; comparable within one head
 * only. *none (nullable): the value is below the head's threshold; always false while it has none.
 * With background words: ln of the labels' share against theirs (NegLabel, arXiv:2403.20078), and with
 * example photos besides, ln of the sum of exp(10 * cosine) over them. With stored photos alone: the
 * largest cosine to one. Else the largest cosine to a label.
 * Errors: as wi_head_answer */
WI_API wi_status wi_head_known(const wi_head *head, const float *embedding, size_t dim,
                               float *known, bool *none, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
