/* From a decoded picture to a network's square input. */
#ifndef WI_IMAGE_PREPROCESS_H
#define WI_IMAGE_PREPROCESS_H

#include "image/resample.h"

enum { WI_PREPROCESS_MAX_PX = 16384 };

/* What wi_image_preprocess promises, with these kernels. */
wi_status wi_preprocess_run(const wi_image *image, const wi_preprocess *how, const wi_kern *kern,
                            uint8_t *out, wi_error *error);

#endif
