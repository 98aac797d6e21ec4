/* What enters the blocks of a ViT: patches as tokens, before them a class token where there is one, each at its
 * position. */
#ifndef WI_NN_PATCHES_H
#define WI_NN_PATCHES_H

#include "nn/part.h"
#include "nn/rope.h"
#include "nn/run.h"
#include "nn/stack.h"
#include "nn/tower.h"

typedef struct wi_patches {
    uint32_t image_px, patch_px; /* what is left beyond whole patches is not looked at */
    uint32_t width;
    bool has_class, has_bias, has_pre_ln;
    wi_rope rope; /* reference 0: queries and keys are not turned */
    float mean[3], std[3];
    wi_mat mat;               /* [width, 3*patch*patch], inputs in (channel, row, column) order */
    const float *class_token; /* [width] */
    const float *position;    /* [tokens, width] */
    wi_norm pre_norm;
} wi_patches;

typedef struct wi_patches_memory {
    float *pixel_values; /* [3][256]: normalised value of each byte */
    float *rope;         /* [tokens, head dim] (stack.h), or NULL */
} wi_patches_memory;

/* Patches a side, and tokens with the class token. */
static inline size_t wi_patches_grid(const wi_patches *p)
{
    return p->image_px / p->patch_px;
}
static inline size_t wi_patches_tokens(const wi_patches *p)
{
    return wi_patches_grid(p) * wi_patches_grid(p) + p->has_class;
}

/* Sides that a network of patches can have. */
wi_status wi_patches_check(uint32_t image_px, uint32_t patch_px, const wi_block_params *blocks,
                           uint32_t rope_grid, wi_error *error);
/* The caller has set sizes and options, of the rope all but the grid; this sets the rest. */
void wi_patches_open(const wi_tower_setting *setting, float ln_eps, wi_patches *p);
void wi_patches_walk(wi_patches *p, wi_walker *walker);
uint64_t wi_patches_macs(const wi_patches *p);
void wi_patches_take(const wi_patches *p, wi_patches_memory *memory, wi_arena *arena);
void wi_patches_prepare(const wi_patches *p, wi_patches_memory *memory);
/* stack->x[n*tokens, width]; rows of stack->mlp have to hold a patch. */
void wi_patches_run(const wi_patches *p, wi_run *run, const wi_patches_memory *memory,
                    wi_stack_memory *stack, const uint8_t *pixels, size_t n);

#endif
