/* The weights of one resampling pass: for each wanted output position, which input positions count
 * and how much, in Pillow's 22-bit fixed point. Invariant: n_taps[i] <= stride; weights past
 * n_taps[i] are 0; first[i] + n_taps[i] <= the input's length. */
#ifndef WI_IMAGE_TAPS_H
#define WI_IMAGE_TAPS_H

#include <whatsit/image.h>

enum {
    WI_TAPS_PRECISION_BITS = 22, /* Pillow: 32 - 8 - 2 */
    WI_TAPS_SPLIT_BITS = 12,     /* weight == high * 2^12 + low, both fit 16 bits */
    WI_TAPS_STEP = 8             /* stride is a multiple of this */
};

typedef struct wi_taps {
    uint32_t n_out;
    uint32_t stride;
    uint32_t *first;
    uint32_t *n_taps;
    int32_t *weights; /* [n_out, stride] */
    int16_t *split;   /* [n_out, stride / 4, 8]: four high halves, then four low halves */
} wi_taps;

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
