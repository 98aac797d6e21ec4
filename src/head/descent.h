/* Minimising a smooth function of many variables. Ours, because the core may use no library: it runs in
 * a browser and on a phone, too. */
#ifndef WI_HEAD_DESCENT_H
#define WI_HEAD_DESCENT_H

#include <whatsit/status.h>

/* The value at x[n]; gradient[n] receives the derivative. */
typedef double wi_minimise_fn(void *context, const double *x, double *gradient, size_t n);

/* Improves x[n] until |gradient| < tolerance, or max_steps are made, or a step promises less than
 * `precision` of the value (all that its sums tell), or none helps any more: all are good ends. For convex
 * functions. The same input gives the same result.
 * Errors: WI_ERR_NOMEM, WI_ERR_LIMIT (too many variables), after which x is as it was
 * Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and 3.1 */
wi_status wi_descend(wi_minimise_fn *value, void *context, double *x, size_t n, double tolerance,
                     double precision, int max_steps, wi_error *error);

#endif
