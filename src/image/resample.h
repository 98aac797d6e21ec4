/* Pillow's two-pass resampling of 8-bit channels; the inner loops are operations of the table. */
#ifndef WI_IMAGE_RESAMPLE_H
#define WI_IMAGE_RESAMPLE_H

#include "image/image.h"
#include "image/taps.h"

/* The wanted part of a resize. */
typedef struct wi_resize {
    wi_axis x, y;
    wi_interpolation interpolation;
} wi_resize;

/* Called for each output row from the top with x.n_out pixels in the image's mode (alpha not
 * premultiplied), valid during the call; the row may be changed. */
typedef void wi_row_sink(void *context, uint32_t y, uint8_t *row);

/* Resizes in the picture's own mode, or with rgb_first in RGB, and hands over the rows of the
 * wanted part; input rows and columns that only others need are not touched. Exact:  Pillow 9.4
 * Image.resize: nearest for bilevel and palette, premultiplied for LA and RGBA, a pass that changes
 * nothing is skipped Errors: WI_ERR_NOMEM */
wi_status wi_resample(const wi_image *image, bool rgb_first, const wi_resize *resize,
                      const wi_kern *kern, wi_row_sink *sink, void *context, wi_error *error);

#endif
