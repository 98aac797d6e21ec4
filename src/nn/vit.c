#include "nn/vit.h"

#include "nn/attention.h"
#include "nn/pixels.h"

#include <string.h>

static size_t grid(const wi_vit *vit)
{
    return vit->image_px / vit->patch_px;
}

static size_t n_tokens(const wi_vit *vit)
{
    return grid(vit) * grid(vit) + 1;
}

/* The MLP's hidden rows and the patches' pixels never live at the same time: one buffer serves
 * both. */
static size_t ld_mlp(const wi_vit *vit)
{
    const size_t a = wi_ld(vit->stack.mlp_width), b = wi_ld(vit->patch.k);
    return a > b ? a : b;
}

void wi_vit_need(const wi_vit *vit, size_t max_images, wi_run_need *need)
{
    const size_t rows = max_images * n_tokens(vit);
    wi_need_mat(need, &vit->patch, rows);
    wi_need_mat(need, &vit->projection, max_images);
    for (uint32_t i = 0; i < vit->stack.n_layers; i++) {
        const wi_block *block = &vit->stack.blocks[i];
        wi_need_mat(need, &block->qkv, rows);
        wi_need_mat(need, &block->out, rows);
        wi_need_mat(need, &block->fc1, rows);
        wi_need_mat(need, &block->fc2, rows);
    }
    wi_need_scratch(need,
                    wi_attention_scratch(n_tokens(vit), vit->stack.width / vit->stack.n_heads));
}

void wi_vit_take(const wi_vit *vit, size_t max_images, wi_vit_memory *memory, wi_arena *arena)
{
    size_t rows = 0;
    if (!wi_size_mul(max_images, n_tokens(vit), &rows))
        arena->overflow = true;
    memory->max_images = max_images;
    memory->x = wi_arena_take(arena, rows, wi_ld(vit->stack.width) * sizeof(float));
    memory->h = wi_arena_take(arena, rows, wi_ld(vit->stack.width) * sizeof(float));
    memory->qkv = wi_arena_take(arena, rows, wi_ld(3 * vit->stack.width) * sizeof(float));
    memory->mlp = wi_arena_take(arena, rows, ld_mlp(vit) * sizeof(float));
    memory->projected = wi_arena_take(arena, max_images, wi_ld(vit->embedding_dim) * sizeof(float));
    memory->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
}

void wi_vit_prepare(const wi_vit *vit, wi_vit_memory *memory)
{
    wi_pixel_values(vit->mean, vit->std, memory->pixel_values);
}

/* patches[n*grid*grid, 3*p*p] in (channel, row, column) order, as the convolution's weights are
 * flattened. */
static void gather_patches(const wi_vit *vit, const float *values, const uint8_t *pixels, size_t n,
                           float *patches, size_t ld)
{
    const size_t p = vit->patch_px, px = vit->image_px, g = grid(vit);
    for (size_t b = 0; b < n; b++)
        for (size_t gy = 0; gy < g; gy++)
            for (size_t gx = 0; gx < g; gx++) {
                float *out = patches + ((b * g + gy) * g + gx) * ld;
                for (size_t y = 0; y < p; y++) {
                    const uint8_t *row = pixels + ((b * px + gy * p + y) * px + gx * p) * 3;
                    for (size_t x = 0; x < p; x++)
                        for (size_t c = 0; c < 3; c++)
                            out[(c * p + y) * p + x] = values[c * 256 + row[3 * x + c]];
                }
            }
}

/* x[n*tokens, width] = class token and patch embeddings, plus positions. */
static void embed(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                  size_t n)
{
    const size_t width = vit->stack.width, ld = wi_ld(width), tokens = n_tokens(vit);
    gather_patches(vit, memory->pixel_values, pixels, n, memory->mlp, ld_mlp(vit));
    wi_input in = wi_prepare(run, &vit->patch, n * (tokens - 1), memory->mlp, ld_mlp(vit));
    wi_linear(run, &vit->patch, n * (tokens - 1), &in, memory->h, ld, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        for (size_t t = 0; t < tokens; t++) {
            const float *from = t ? memory->h + (b * (tokens - 1) + t - 1) * ld : vit->class_token;
            float *to = memory->x + (b * tokens + t) * ld;
            for (size_t i = 0; i < width; i++)
                to[i] = from[i] + vit->position[t * width + i];
        }
    if (vit->has_pre_norm)
        wi_norm_rows(run, &vit->pre_norm, n * tokens, memory->x, ld, memory->x, ld);
}

/* x[m] += mlp(ln2(x)) after x has taken the attention's part. */
static void mlp_step(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const wi_block *block,
                     size_t m)
{
    const size_t ld = wi_ld(vit->stack.width), wide = ld_mlp(vit);
    wi_input in = wi_norm_prepare(run, &block->ln2, m, memory->x, ld, &block->fc1, memory->h, ld);
    wi_linear(run, &block->fc1, m, &in, memory->mlp, wide, (wi_epilogue){.act = vit->stack.act});
    in = wi_prepare(run, &block->fc2, m, memory->mlp, wide);
    wi_linear(run, &block->fc2, m, &in, memory->x, ld,
              (wi_epilogue){.after = memory->x, .ld_after = ld});
}

static void block_step(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const wi_block *block,
                       size_t n)
{
    const wi_stack *s = &vit->stack;
    const size_t ld = wi_ld(s->width), ld_qkv = wi_ld(3 * s->width), tokens = n_tokens(vit),
                 m = n * tokens;
    wi_input in = wi_norm_prepare(run, &block->ln1, m, memory->x, ld, &block->qkv, memory->h, ld);
    wi_linear(run, &block->qkv, m, &in, memory->qkv, ld_qkv, (wi_epilogue){0});
    const wi_attention attention = {.q = memory->qkv,
                                    .kv = memory->qkv + s->width,
                                    .ld_q = ld_qkv,
                                    .q_rows = tokens,
                                    .ld_kv = ld_qkv,
                                    .batch = n,
                                    .n_tokens = tokens,
                                    .n_queries = tokens,
                                    .n_heads = s->n_heads,
                                    .width = s->width,
                                    .out = memory->h,
                                    .ld_out = ld};
    wi_attend(run, &attention);
    in = wi_prepare(run, &block->out, m, memory->h, ld);
    wi_linear(run, &block->out, m, &in, memory->x, ld,
              (wi_epilogue){.after = memory->x, .ld_after = ld});
    mlp_step(vit, run, memory, block, m);
}

/* The last block, of which only the class token is wanted: keys and values for all tokens, all else
 * for one in each image. On return the first n rows of x are the class tokens. */
static void last_block_step(const wi_vit *vit, wi_run *run, wi_vit_memory *memory,
                            const wi_block *block, size_t n)
{
    const wi_stack *s = &vit->stack;
    const size_t ld = wi_ld(s->width), ld_qkv = wi_ld(3 * s->width), tokens = n_tokens(vit),
                 m = n * tokens;
    const size_t q_panels = s->width / WI_PANEL, all_panels = wi_mat_panels(&block->qkv);
    const float *bias = block->qkv.bias;
    wi_input in = wi_norm_prepare(run, &block->ln1, m, memory->x, ld, &block->qkv, memory->h, ld);
    wi_linear_part(run, &block->qkv, q_panels, all_panels - q_panels, m, &in, memory->qkv, ld_qkv,
                   (wi_epilogue){.bias = bias ? bias + s->width : NULL});
    const wi_input class_in = wi_input_every(run, &in, &block->qkv, tokens, n);
    wi_linear_part(run, &block->qkv, 0, q_panels, n, &class_in, memory->mlp, ld_mlp(vit),
                   (wi_epilogue){.bias = bias});
    const wi_attention attention = {.q = memory->mlp,
                                    .kv = memory->qkv,
                                    .ld_q = ld_mlp(vit),
                                    .q_rows = 1,
                                    .ld_kv = ld_qkv,
                                    .batch = n,
                                    .n_tokens = tokens,
                                    .n_queries = 1,
                                    .n_heads = s->n_heads,
                                    .width = s->width,
                                    .out = memory->h,
                                    .ld_out = ld};
    wi_attend(run, &attention);
    for (size_t b = 1; b < n; b++)
        memcpy(memory->x + b * ld, memory->x + b * tokens * ld, s->width * sizeof(float));
    in = wi_prepare(run, &block->out, n, memory->h, ld);
    wi_linear(run, &block->out, n, &in, memory->x, ld,
              (wi_epilogue){.after = memory->x, .ld_after = ld});
    mlp_step(vit, run, memory, block, n);
}

void wi_vit_forward(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                    size_t n, float *out)
{
    const wi_stack *s = &vit->stack;
    const size_t ld = wi_ld(s->width), tokens = n_tokens(vit);
    const uint32_t last = s->n_layers - 1;
    /* Whole panels of q are needed to compute q apart from k and v. */
    const bool class_only =
        !run->tap && !run->watch && s->width % WI_PANEL == 0 && wi_ld(s->width) <= ld_mlp(vit);
    embed(vit, run, memory, pixels, n);
    wi_tap(run, "vision/hidden", 0, memory->x, tokens, s->width, ld);
    for (uint32_t i = 0; i < last + !class_only; i++) {
        block_step(vit, run, memory, &s->blocks[i], n);
        wi_tap(run, "vision/hidden", (int)i + 1, memory->x, tokens, s->width, ld);
    }
    if (class_only)
        last_block_step(vit, run, memory, &s->blocks[last], n);
    const size_t stride = class_only ? ld : tokens * ld, ld_out = wi_ld(vit->embedding_dim);
    wi_input in = wi_norm_prepare(run, &vit->post_norm, n, memory->x, stride, &vit->projection,
                                  memory->h, ld);
    wi_tap(run, "vision/pooled", 0, memory->h, n, s->width, ld);
    wi_linear(run, &vit->projection, n, &in, memory->projected, ld_out, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * vit->embedding_dim, memory->projected + b * ld_out,
               vit->embedding_dim * sizeof *out);
}

uint64_t wi_vit_macs(const wi_vit *vit)
{
    const uint64_t t = n_tokens(vit), w = vit->stack.width;
    const uint64_t block = t * w * (4 * w + 2 * (uint64_t)vit->stack.mlp_width) + 2 * t * t * w;
    return (t - 1) * w * vit->patch.k + vit->stack.n_layers * block + w * vit->embedding_dim;
}
