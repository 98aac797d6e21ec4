/* Minimising without a library, where the core may use none: in a browser, on a phone. */
#ifndef WI_HEAD_DESCENT_H
#define WI_HEAD_DESCENT_H

#include "head/minimise.h"

/* As wi_minimise, for smooth convex functions and some thousand steps at most. Ends, too, where a step
 * promises less than `precision` of the value, which is all that the value tells.
 * Errors: WI_ERR_NOMEM, after which x is as it was
 * Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and 3.1 */
wi_status wi_descend(wi_minimise_fn *value, void *context, double *x, size_t n, double tolerance,
                     double precision, int max_steps, wi_error *error);

#endif
