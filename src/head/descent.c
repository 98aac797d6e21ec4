#include "head/descent.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_KEPT = 6, MAX_HALVINGS = 30 };

/* The last steps, newest at n_done - 1 modulo N_KEPT, and room for one more point. */
typedef struct descent {
    size_t n, n_done;
    double *block;
    double *step[N_KEPT], *change[N_KEPT]; /* [n] of x, of the gradient */
    double curvature[N_KEPT];              /* step . change, above 0 */
    double *gradient, *direction, *next, *next_gradient;
} descent;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *x, double factor, const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += factor * y[i];
}

static wi_status open_descent(descent *d, size_t n, wi_error *error)
{
    size_t n_numbers;
    if (!wi_size_mul(n, 2 * N_KEPT + 4, &n_numbers) || n_numbers > SIZE_MAX / sizeof(double))
        return wi_fail(error, WI_ERR_LIMIT, "%zu variables are too many", n);
    double *at = d->block = calloc(n_numbers, sizeof *at);
    if (!at)
        return wi_fail_nomem(error, n_numbers * sizeof *at, "fitting");
    d->n = n;
    for (int i = 0; i < N_KEPT; i++, at += 2 * n) {
        d->step[i] = at;
        d->change[i] = at + n;
    }
    d->gradient = at;
    d->direction = at + n;
    d->next = at + 2 * n;
    d->next_gradient = at + 3 * n;
    return WI_OK;
}

/* direction = -(the inverse Hessian as the last steps tell it) . gradient; algorithm 7.4. */
static void choose_direction(descent *d)
{
    double share[N_KEPT];
    size_t n = d->n, n_kept = d->n_done < N_KEPT ? d->n_done : N_KEPT;
    for (size_t i = 0; i < n; i++)
        d->direction[i] = -d->gradient[i];
    for (size_t k = 0; k < n_kept; k++) {
        size_t at = (d->n_done - 1 - k) % N_KEPT;
        share[at] = dot(d->step[at], d->direction, n) / d->curvature[at];
        add(d->direction, -share[at], d->change[at], n);
    }
    if (n_kept > 0) {
        size_t last = (d->n_done - 1) % N_KEPT;
        double scale = d->curvature[last] / dot(d->change[last], d->change[last], n);
        for (size_t i = 0; i < n; i++)
            d->direction[i] *= scale;
    }
    for (size_t k = n_kept; k-- > 0;) {
        size_t at = (d->n_done - 1 - k) % N_KEPT;
        double back = dot(d->change[at], d->direction, n) / d->curvature[at];
        add(d->direction, share[at] - back, d->step[at], n);
    }
}

/* Steps that bend the wrong way by rounding say nothing of the Hessian. */
static void keep_step(descent *d, const double *x)
{
    size_t at = d->n_done % N_KEPT;
    for (size_t i = 0; i < d->n; i++) {
        d->step[at][i] = d->next[i] - x[i];
        d->change[at][i] = d->next_gradient[i] - d->gradient[i];
    }
    d->curvature[at] = dot(d->step[at], d->change[at], d->n);
    if (d->curvature[at] > 1e-12 * dot(d->change[at], d->change[at], d->n))
        d->n_done++;
}

wi_status wi_descend(wi_minimise_fn *value, void *context, double *x, size_t n, double tolerance,
                     double precision, int max_steps, wi_error *error)
{
    descent d = {0};
    wi_status status = open_descent(&d, n, error);
    if (status != WI_OK)
        return status;
    double now = value(context, x, d.gradient, n), length = sqrt(dot(d.gradient, d.gradient, n));
    for (int i = 0; i < max_steps && length >= tolerance; i++) {
        choose_direction(&d);
        double slope = dot(d.direction, d.gradient, n), next = INFINITY;
        if (-slope <= precision * fabs(now))
            break;
        double t = d.n_done > 0 ? 1 : fmin(1, 1 / length);
        int halvings = 0;
        for (; halvings < MAX_HALVINGS; halvings++, t /= 2) { /* algorithm 3.1 */
            memcpy(d.next, x, n * sizeof *x);
            add(d.next, t, d.direction, n);
            next = value(context, d.next, d.next_gradient, n);
            if (next <= now + 1e-4 * t * slope)
                break;
        }
        if (halvings == MAX_HALVINGS)
            break; /* as low as rounding allows */
        keep_step(&d, x);
        memcpy(x, d.next, n * sizeof *x);
        memcpy(d.gradient, d.next_gradient, n * sizeof *x);
        now = next;
        length = sqrt(dot(d.gradient, d.gradient, n));
    }
    free(d.block);
    return WI_OK;
}
