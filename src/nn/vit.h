/* The vision transformer of CLIP: patches -> tokens -> pre-norm blocks -> class token or mean ->
 * projection.
 * Source: OpenAI CLIP model.py VisionTransformer; open_clip transformer.py VisionTransformer; ViT
 * (arXiv:2010.11929). */
#ifndef WI_NN_VIT_H
#define WI_NN_VIT_H

#include "nn/patches.h"
#include "nn/pooler.h"

typedef enum wi_vit_pool { WI_VIT_CLASS = 0, WI_VIT_MEAN, WI_N_VIT_POOLS } wi_vit_pool;

typedef struct wi_vit_params {
    uint32_t image_px;
    uint32_t patch_px; /* what of image_px is left beyond whole patches is not looked at */
    wi_block_params blocks;
    bool has_patch_bias, has_pre_ln;
    wi_vit_pool pool;     /* WI_VIT_MEAN: of all tokens but the class token */
    bool norm_after_pool; /* the last norm is of the pooled token, not of all */
    bool has_projection_bias;
    /* Queries and keys of patches are turned by their row and column, counted in 0..rope_grid
     * whatever the grid (EVA02). 0: they are not. */
    uint32_t rope_grid;
    /* Of an attentional pooler (pooler.h), whose first row is projected in place of the class token
     * and whose others a decoder sees. 0: there is none. */
    uint32_t pool_queries, pool_heads;
} wi_vit_params;

/* The second one has turned queries and gated blocks, the third (CoCa's) a pooler, which files of the
 * first do not speak of. */
extern const wi_tower_kind wi_vit_kind, wi_vit_rope_kind, wi_vit_pooler_kind;
extern const wi_tower_explain wi_vit_explain;

typedef struct wi_vit {
    wi_vit_params params;
    uint32_t embedding_dim;
    wi_patches patches;
    wi_stack stack;
    wi_norm post_norm;
    wi_pooler pooler;
    wi_mat projection; /* [embedding, width, or the pooler's dim] */
    wi_block blocks[];
} wi_vit;

typedef struct wi_vit_memory {
    wi_stack_memory stack;
    wi_patches_memory patches;
    float *projected; /* [max_images, embedding] */
    uint32_t *rows;   /* [max_images]: of the class tokens */
    wi_pooler_memory pooler;
} wi_vit_memory;

/* wi_tower_kind.images of this kind. */
void wi_vit_forward(const void *tower, wi_run *run, void *memory, const uint8_t *pixels, size_t n,
                    float *out);

#endif
