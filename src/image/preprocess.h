/* From a decoded picture to a network's square input. */
#ifndef WI_IMAGE_PREPROCESS_H
#define WI_IMAGE_PREPROCESS_H

#include "image/resample.h"

enum { WI_PREPROCESS_MAX_PX = 16384 };

/* What wi_image_preprocess promises, with these kernels. */
wi_status wi_preprocess_run(const wi_image *image, const wi_preprocess *how, const wi_kern *kern,
                            uint8_t *out, wi_error *error);

/* As wi_preprocess_area. */
wi_input_area wi_preprocess_seen(const wi_preprocess *how, double width, double height);

#endif
