/* Small things that everybody does with vectors.
 * Threads: any, also at once; what a call writes to is its own. */
#ifndef WHATSIT_VECTORS_H
#define WHATSIT_VECTORS_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Divides each row of x[n,d] by its L2 norm; rows of zeros stay zero. */
WI_API void wi_normalise(float *x, size_t n, size_t d);

/* Where the k largest of value[n] stand, the largest first, equal ones in their order; NaN is never
 * among them. Returns how many there are: k, or fewer when n is smaller or NaN is among them.
 * Shapes: value[n]; index[k] */
WI_API size_t wi_top_k(const float *value, size_t n, size_t k, size_t *index);

#ifdef __cplusplus
}
#endif
#endif
