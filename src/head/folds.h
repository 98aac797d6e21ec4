/* Cross-validation: examples are dealt to folds, and each fold is answered by a fit to the others. */
#ifndef WI_HEAD_FOLDS_H
#define WI_HEAD_FOLDS_H

#include <stddef.h>
#include <stdint.h>
#include <whatsit/status.h>

enum { WI_MAX_FOLDS = 5, WI_IN_NO_FOLD = 255 };

/* How the examples are dealt. Heads that exist were made by these rules: another order is another
 * choice of strength. */
typedef struct wi_folds_rule {
    size_t n_folds; /* at most WI_MAX_FOLDS; 0: nothing is held out */
    bool shuffled;  /* each label's examples come in no order, always the same */
    bool lone_pass; /* a label's only example, which is never held out, lets its turn pass */
} wi_folds_rule;

typedef struct wi_folds {
    uint8_t *of; /* [n] when it is held out; WI_IN_NO_FOLD: never */
    size_t n, n_folds;
} wi_folds;

/* Deals each label's examples to the folds in turn; the turn goes on from label to label, so that folds of
 * many rare labels stay of one size. The only example of a label is in no fold. Freed by wi_folds_free,
 * also after an error.
 * Shapes: label[n], below n_labels; count[n_labels] examples of each */
wi_status wi_folds_deal(const wi_folds_rule *rule, const uint32_t *label, size_t n,
                        const size_t *count, size_t n_labels, wi_folds *out, wi_error *error);
void wi_folds_free(wi_folds *folds);

/* Fits to those that are not held out, and answers those that are. held_out[n] */
typedef wi_status wi_folds_fit_fn(void *context, size_t fold, const bool *held_out,
                                  wi_error *error);

/* Every fold in turn, until one fails. */
wi_status wi_folds_answer(const wi_folds *folds, wi_folds_fit_fn *fit, void *context,
                          wi_error *error);

#endif
