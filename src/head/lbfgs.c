#include "head/minimise.h"

#include "base/error.h"

#ifdef WI_WITH_LBFGS

#include <lbfgs.h>
#include <string.h>

typedef struct callback {
    wi_minimise_fn *value;
    void *context;
    double tolerance;
} callback;

static lbfgsfloatval_t evaluate(void *instance, const lbfgsfloatval_t *x, lbfgsfloatval_t *gradient,
                                int n, lbfgsfloatval_t step)
{
    const callback *c = instance;
    (void)step;
    return c->value(c->context, x, gradient, (size_t)n);
}

/* The library's own test is relative to |x|, which grows with a weak penalty until it asks for nothing. */
static int is_done(void *instance, const lbfgsfloatval_t *x, const lbfgsfloatval_t *gradient,
                   const lbfgsfloatval_t value, const lbfgsfloatval_t x_norm,
                   const lbfgsfloatval_t gradient_norm, const lbfgsfloatval_t step, int n, int k,
                   int n_evaluations)
{
    const callback *c = instance;
    (void)x, (void)gradient, (void)value, (void)x_norm, (void)step, (void)n, (void)k,
        (void)n_evaluations;
    return gradient_norm < c->tolerance ? LBFGS_STOP : 0;
}

wi_status wi_minimise(wi_minimise_fn *value, void *context, double *x, size_t n, double tolerance,
                      int max_steps, wi_error *error)
{
    enum { MAX_VARIABLES = 1 << 25 };
    if (n == 0 || n > MAX_VARIABLES)
        return wi_fail(error, WI_ERR_LIMIT, "%zu variables; at most %d can be trained", n,
                       MAX_VARIABLES);
    lbfgsfloatval_t *aligned = lbfgs_malloc((int)n); /* padded as its vector code wants it */
    if (!aligned)
        return wi_fail_nomem(error, n * sizeof *aligned, "training");
    memcpy(aligned, x, n * sizeof *x);
    lbfgs_parameter_t how;
    lbfgs_parameter_init(&how);
    how.epsilon = 1e-12;
    how.max_iterations = max_steps;
    callback c = {value, context, tolerance};
    int end = lbfgs((int)n, aligned, NULL, evaluate, is_done, &c, &how);
    memcpy(x, aligned, n * sizeof *x);
    lbfgs_free(aligned);
    switch (end) {
    case LBFGS_SUCCESS:
    case LBFGS_STOP:
    case LBFGS_ALREADY_MINIMIZED:
    case LBFGSERR_MAXIMUMITERATION:
    case LBFGSERR_ROUNDING_ERROR: /* from here on: the line search found nothing better */
    case LBFGSERR_MINIMUMSTEP:
    case LBFGSERR_MAXIMUMSTEP:
    case LBFGSERR_MAXIMUMLINESEARCH:
    case LBFGSERR_WIDTHTOOSMALL:
    case LBFGSERR_OUTOFINTERVAL:
    case LBFGSERR_INCORRECT_TMINMAX:
    case LBFGSERR_INCREASEGRADIENT:
        return WI_OK;
    case LBFGSERR_OUTOFMEMORY:
        return wi_fail_nomem(error, n * sizeof *x, "training");
    default:
        return wi_fail(error, WI_ERR_INTERNAL, "training failed in liblbfgs with %d", end);
    }
}

#else

wi_status wi_minimise(wi_minimise_fn *value, void *context, double *x, size_t n, double tolerance,
                      int max_steps, wi_error *error)
{
    (void)value;
    (void)context;
    (void)x;
    (void)n;
    (void)tolerance;
    (void)max_steps;
    return wi_fail(error, WI_ERR_UNSUPPORTED, "this build has no liblbfgs and cannot train heads");
}

#endif
