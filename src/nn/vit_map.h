/* Vision transformers that end in an attention-pooling head (map_head.h): SigLIP's, and PE-Core's, which
 * have a class token besides, turn their queries, and project what the head finds.
 * Source: transformers 5.24 modeling_siglip.py; timm 1.0.31 vision_transformer.py, eva.py. */
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
    bool has_class; /* a class token before the patches */
    bool has_patch_bias, has_pre_ln;
    uint32_t rope_grid,
        rope_from; /* rope.h: reference, from; rope_grid 0: queries are not turned */
    bool rope_column_first;
    bool has_projection; /* with a bias; else the head's result is the embedding */
} wi_vit_map_params;

extern const wi_tower_kind wi_vit_map_kind;

#endif
