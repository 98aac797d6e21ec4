#include "head/folds.h"

#include "base/error.h"
#include "head/chance.h"

#include <stdlib.h>

/* order[n]: as they stand, or shuffled; the same numbers always. */
static void put_in_order(size_t *order, size_t n, bool shuffled)
{
    uint64_t state = 20210301;
    for (size_t i = 0; i < n; i++) {
        size_t j = shuffled ? wi_chance_below(&state, i + 1) : i;
        order[i] = order[j];
        order[j] = i;
    }
}

wi_status wi_folds_deal(const wi_folds_rule *rule, const uint32_t *label, size_t n,
                        const size_t *count, size_t n_labels, wi_folds *out, wi_error *error)
{
    size_t *order = calloc(n + n_labels + 1, sizeof *order), *next = order + n, dealt = 0;
    *out = (wi_folds){.of = malloc(n ? n : 1), .n = n, .n_folds = rule->n_folds};
    if (!order || !out->of) {
        free(order);
        return wi_fail_nomem(error, n * sizeof *order, "folds");
    }
    put_in_order(order, n, rule->shuffled);
    for (size_t c = 0; c < n_labels; c++) {
        next[c] = dealt;
        dealt += count[c] >= 2 || rule->lone_pass ? count[c] : 0;
    }
    for (size_t k = 0; k < n; k++) {
        const size_t i = order[k], c = label[i];
        out->of[i] =
            rule->n_folds && count[c] >= 2 ? (uint8_t)(next[c]++ % rule->n_folds) : WI_IN_NO_FOLD;
    }
    free(order);
    return WI_OK;
}

void wi_folds_free(wi_folds *folds)
{
    free(folds->of);
    *folds = (wi_folds){0};
}

wi_status wi_folds_answer(const wi_folds *folds, wi_folds_fit_fn *fit, void *context,
                          wi_error *error)
{
    bool *held_out = calloc(folds->n + 1, sizeof *held_out);
    wi_status status =
        held_out ? WI_OK : wi_fail_nomem(error, folds->n * sizeof *held_out, "folds");
    for (size_t fold = 0; fold < folds->n_folds && status == WI_OK; fold++) {
        for (size_t i = 0; i < folds->n; i++)
            held_out[i] = folds->of[i] == fold;
        status = fit(context, fold, held_out, error);
    }
    free(held_out);
    return status;
}
