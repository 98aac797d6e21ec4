/* Pillow's two-pass resampling of 8-bit channels, and the inner loops behind it. */
#ifndef WI_IMAGE_RESAMPLE_H
#define WI_IMAGE_RESAMPLE_H

#include "image/image.h"
#include "image/taps.h"

enum {
    WI_RESAMPLE_ROWS = 4, /* rows that one horizontal call handles */
    WI_RESAMPLE_SLACK =
        32 /* bytes past a row's end that kernels may read in source and write in out */
};

/* out[i][c] = clip((2^21 + sum_k weights[i][k] * row[first[i] + k][c]) >> 22) for WI_RESAMPLE_ROWS
 * rows of interleaved channels. source[r] and out[r] are the rows; they may repeat. Out rows have
 * n_out * channels bytes and WI_RESAMPLE_SLACK bytes of slack that may be overwritten. */
typedef void wi_resample_horizontal(const wi_taps *taps, uint32_t channels,
                                    const uint8_t *const source[WI_RESAMPLE_ROWS],
                                    uint8_t *const out[WI_RESAMPLE_ROWS]);

/* The same down the columns for output row i: rows is the input row first[i], the next rows follow
 * at stride_bytes. n_bytes columns; rows and out have WI_RESAMPLE_SLACK bytes of slack. */
typedef void wi_resample_vertical(const wi_taps *taps, uint32_t i, const uint8_t *rows,
                                  size_t stride_bytes, size_t n_bytes, uint8_t *out);

typedef struct wi_resample_kernels {
    const char *isa;
    wi_resample_horizontal *horizontal;
    wi_resample_vertical *vertical;
} wi_resample_kernels;

/* Every ISA gives the same bytes; the scalar one is the definition. NULL where the compiler's
 * target or the processor lacks it. */
extern const wi_resample_kernels wi_resample_scalar;
const wi_resample_kernels *wi_resample_avx2(void);
const wi_resample_kernels *wi_resample_neon(void);
const wi_resample_kernels *wi_resample_wasm(void);
const wi_resample_kernels *wi_resample_best(void);

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
                      const wi_resample_kernels *kernels, wi_row_sink *sink, void *context,
                      wi_error *error);

#endif
