/* Image towers that open_clip takes from timm: which parameters a model's name and shapes tell, and
 * what its tensors are called below "visual.trunk.". */
#ifndef WI_CHECKPOINT_TIMM_H
#define WI_CHECKPOINT_TIMM_H

#include "checkpoint/config.h"
#include "checkpoint/layout.h"

/* False when the configuration's timm_model_name is of no family that is known here. Else reads it
 * (mistakes go to config) and sets the image tower, source->place_image and the preprocessing that the
 * family's published weights have. */
bool wi_timm_read(wi_config *config, const wi_json *vision_cfg, wi_source *source);

#endif
