/* SigLIP and SigLIP 2 of fixed resolution, in the two layouts that the hub has. */
#ifndef WI_CHECKPOINT_SIGLIP_H
#define WI_CHECKPOINT_SIGLIP_H

#include "checkpoint/layout.h"

/* Whether a config.json is of transformers' model type "siglip". */
bool wi_siglip_is_hf(const wi_json *config);
/* Whether an open_clip configuration (its model_cfg) has a SigLIP tower of timm's. */
bool wi_siglip_is_open_clip(const wi_json *model_cfg);

/* path: of json, for messages. Errors: those of wi_source_open */
wi_status wi_siglip_read_hf(wi_source *source, const char *folder, const char *path,
                            const wi_json *json, wi_error *error);
wi_status wi_siglip_read_open_clip(wi_source *source, const char *folder, const char *path,
                                   const wi_json *json, wi_error *error);

/* For relatives: pixels squashed to a square and in -1..1; the names of timm's vision transformers with
 * an attention-pooling head, below "visual.trunk.". */
wi_preprocess wi_siglip_preprocess(uint32_t image_px);
void wi_siglip_place_timm(const wi_ours *ours, wi_place *out);

#endif
