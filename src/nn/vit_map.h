/* Vision transformers that end in an attention-pooling head (map_head.h): SigLIP's.
 * Source: transformers 5.24 modeling_siglip.py; timm 1.0.31 vision_transformer.py. */
#ifndef WI_NN_VIT_MAP_H
#define WI_NN_VIT_MAP_H

#include "nn/map_head.h"
#include "nn/stack.h"
#include "nn/tower.h"

typedef struct wi_vit_map_params {
    uint32_t image_px;
    uint32_t patch_px; /* what of image_px is left beyond whole patches is not looked at */
    wi_block_params blocks;
    uint32_t pool_heads, pool_mlp_width;
} wi_vit_map_params;

extern const wi_tower_kind wi_vit_map_kind;

#endif
