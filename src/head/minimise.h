/* Minimising a smooth function of many variables. The only file that sees the library is lbfgs.c.
 */
#ifndef WI_HEAD_MINIMISE_H
#define WI_HEAD_MINIMISE_H

#include <whatsit/status.h>

/* The value at x[n]; gradient[n] receives the derivative. */
typedef double wi_minimise_fn(void *context, const double *x, double *gradient, size_t n);

/* Improves x[n] until |gradient| < tolerance, or max_steps are made, or no step helps
 * any more (the limit of f32 sums), which are all good ends. The same input gives the same result.
 *
 * Errors: WI_ERR_NOMEM, WI_ERR_LIMIT (too many variables), WI_ERR_UNSUPPORTED (built without
 *     liblbfgs), WI_ERR_INTERNAL; x is then undefined
 * Source: Liu and Nocedal 1989, as in liblbfgs */
wi_status wi_minimise(wi_minimise_fn *value, void *context, double *x, size_t n, double tolerance,
                      int max_steps, wi_error *error);

#endif
