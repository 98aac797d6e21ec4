/* Making the weights of one resampling pass (kern/kern.h). */
#ifndef WI_IMAGE_TAPS_H
#define WI_IMAGE_TAPS_H

#include "kern/kern.h"

#include <whatsit/image.h>

/* One axis of a resize: out_px positions over the input interval [start_px, start_px + span_px), of
 * which positions [skip_px, skip_px + n_out) are wanted. The interval is [0, in_px) but after
 * scaled decoding, where it may be a fraction of a pixel shorter. */
typedef struct wi_axis {
    uint32_t in_px, out_px, skip_px, n_out;
    double start_px, span_px;
} wi_axis;

/* Exact:  Pillow 9.4 precompute_coeffs and normalize_coeffs_8bpc (src/libImaging/Resample.c)
 * Errors: WI_ERR_NOMEM. On failure taps is empty; wi_taps_free is safe on a zeroed one. */
wi_status wi_taps_make(const wi_axis *axis, wi_interpolation interpolation, wi_taps *taps,
                       wi_error *error);
void wi_taps_free(wi_taps *taps);

#endif
