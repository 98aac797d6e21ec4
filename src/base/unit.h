/* Directions: rows of length one. */
#ifndef WI_BASE_UNIT_H
#define WI_BASE_UNIT_H

#include <whatsit/status.h>

#include <stddef.h>

/* out[d] = x / |x|; x and out may be the same. what: of the message, "the embedding".
 * Errors: WI_ERR_ARG when x holds NaN or an infinity, or only zeros: it has no direction */
wi_status wi_unit(const float *x, size_t d, float *out, const char *what, wi_error *error);

#endif
