/* MobileCLIP's image towers (FastViT) as timm keeps them, trained or reparameterised. */
#ifndef WI_CHECKPOINT_FASTVIT_H
#define WI_CHECKPOINT_FASTVIT_H

#include "checkpoint/config.h"
#include "checkpoint/layout.h"

/* Reads the parameters from the shapes, folds what training kept apart (several convolutions side by
 * side, each with its batch norm) into single convolutions, which join the source's tensors under the
 * names of timm's reparameterize_model, and sets place_image, harmless_image and the preprocessing.
 * Mistakes go to config. Source: timm 1.0.31 fastvit.py MobileOneBlock, ReparamLargeKernelConv, RepMixer,
 * RepConditionalPosEnc. */
void wi_fastvit_read(wi_config *config, const wi_json *vision_cfg, wi_source *source);

#endif
