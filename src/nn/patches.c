#include "nn/patches.h"

#include "base/error.h"
#include "nn/pixels.h"

#include <string.h>

wi_status wi_patches_check(uint32_t image_px, uint32_t patch_px, const wi_block_params *blocks,
                           uint32_t rope_grid, wi_error *error)
{
    if (wi_out_of_range(image_px, WI_MAX_IMAGE_PX))
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px is not supported", image_px);
    if (wi_out_of_range(patch_px, image_px))
        return wi_fail(error, WI_ERR_FORMAT, "patch size: %u in an image of %u px", patch_px,
                       image_px);
    const wi_status status = wi_block_params_check(blocks, "image tower", error);
    if (status == WI_OK && rope_grid && blocks->width / blocks->n_heads % 4)
        return wi_fail(error, WI_ERR_FORMAT, "image tower: rope over heads of %u numbers",
                       blocks->width / blocks->n_heads);
    return status;
}

void wi_patches_open(const wi_tower_setting *setting, float ln_eps, wi_patches *p)
{
    memcpy(p->mean, setting->mean, sizeof p->mean);
    memcpy(p->std, setting->std, sizeof p->std);
    p->pre_norm = (wi_norm){.eps = ln_eps, .n = p->width};
    p->rope.grid = wi_patches_grid(p);
    p->rope.n_lead = p->has_class;
}

void wi_patches_walk(wi_patches *p, wi_walker *w)
{
    wi_walk_linear(w, "v.", "patch", &p->mat, p->width, 3 * p->patch_px * p->patch_px, p->has_bias);
    if (p->has_class)
        wi_walk_vector(w, "v.", "class", &p->class_token, 1, p->width);
    wi_walk_vector(w, "v.", "pos", &p->position, (uint32_t)wi_patches_tokens(p), p->width);
    if (p->has_pre_ln)
        wi_walk_norm(w, "v.", "ln_pre", &p->pre_norm);
}

uint64_t wi_patches_macs(const wi_patches *p)
{
    return (uint64_t)(wi_patches_tokens(p) - p->has_class) * p->width * p->mat.k;
}

void wi_patches_take(const wi_patches *p, wi_patches_memory *memory, wi_arena *arena)
{
    memory->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
    memory->rope = p->rope.reference ? wi_arena_take(arena, wi_patches_tokens(p),
                                                     p->rope.head_dim * sizeof(float))
                                     : NULL;
}

void wi_patches_prepare(const wi_patches *p, wi_patches_memory *memory)
{
    wi_pixel_values(p->mean, p->std, memory->pixel_values);
    if (memory->rope)
        wi_rope_fill(&p->rope, memory->rope);
}

void wi_patches_run(const wi_patches *p, wi_run *run, const wi_patches_memory *memory,
                    wi_stack_memory *stack, const uint8_t *pixels, size_t n)
{
    const size_t width = p->width, ld = wi_ld(width), tokens = wi_patches_tokens(p),
                 lead = p->has_class, patches = tokens - lead;
    wi_pixel_patches(memory->pixel_values, pixels, n, p->image_px, p->patch_px, stack->mlp,
                     stack->ld_mlp);
    const wi_input in = wi_prepare(run, &p->mat, n * patches, stack->mlp, stack->ld_mlp);
    wi_linear(run, &p->mat, n * patches, &in, stack->h, ld, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        for (size_t t = 0; t < tokens; t++) {
            const float *from =
                t < lead ? p->class_token : stack->h + (b * patches + t - lead) * ld;
            wi_at_position(width, from, p->position + t * width, stack->x + (b * tokens + t) * ld);
        }
    if (p->has_pre_ln)
        wi_norm_rows(run, &p->pre_norm, n * tokens, stack->x, ld, stack->x, ld);
}
