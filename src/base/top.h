/* The k largest of many numbers. */
#ifndef WI_BASE_TOP_H
#define WI_BASE_TOP_H

#include <stddef.h>

/* Where the k largest of value[n] stand, the largest first, equal ones in their order, NaN left out. The i-th
 * place is written stride bytes behind the one before, so that it may be a member of a struct; first may be NULL
 * when k is 0. Returns how many there are. */
size_t wi_top(const float *value, size_t n, size_t k, size_t *first, size_t stride);

#endif
