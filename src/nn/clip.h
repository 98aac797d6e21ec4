/* What a ReLU6 makes of the means that a checkpoint's batch norms know, for int8's bias correction. */
#ifndef WI_NN_CLIP_H
#define WI_NN_CLIP_H

#include "nn/weights.h"

/* mat->mean of the outputs becomes their mean behind min(max(x, 0), 6), the outputs being normal with
 * mat->spread. Nothing without a mean. */
void wi_clip_means(wi_mat *mat);

#endif
