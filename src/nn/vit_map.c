#include "nn/vit_map.h"

#include "base/error.h"
#include "nn/pixels.h"

#include <string.h>

typedef struct vit_map {
    wi_vit_map_params params;
    uint32_t embedding_dim;
    float mean[3], std[3];
    wi_mat patch;          /* [width, 3*patch*patch], inputs in (channel, row, column) order */
    const float *position; /* [tokens, width] */
    wi_stack stack;
    wi_norm post_norm;
    wi_map_head head;
    wi_block blocks[];
} vit_map;

typedef struct vit_map_memory {
    wi_stack_memory stack;
    wi_map_head_memory head;
    float *pooled;       /* [max_images, width] */
    float *pixel_values; /* [3][256]: normalised value of each byte */
} vit_map_memory;

static size_t grid(const vit_map *v)
{
    return v->params.image_px / v->params.patch_px;
}

static size_t n_tokens(const vit_map *v)
{
    return grid(v) * grid(v);
}

/* --- parameters --- */

#define KEY(name) "whatsit.image." name
static const wi_field fields[] = {
    WI_U32(KEY("size_px"), wi_vit_map_params, image_px, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    WI_U32(KEY("patch_px"), wi_vit_map_params, patch_px, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    WI_BLOCK_FIELDS(KEY(), wi_vit_map_params, blocks),
    WI_U32(KEY("pool_heads"), wi_vit_map_params, pool_heads, WI_MAX_HEADS, WI_FIELD_REQUIRED, 0),
    WI_U32(KEY("pool_mlp_width"), wi_vit_map_params, pool_mlp_width, 8 * WI_MAX_WIDTH,
           WI_FIELD_REQUIRED, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_vit_map_params *p = values;
    if (wi_out_of_range(p->image_px, WI_MAX_IMAGE_PX))
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px is not supported", p->image_px);
    if (wi_out_of_range(p->patch_px, p->image_px))
        return wi_fail(error, WI_ERR_FORMAT, "patch size: %u in an image of %u px", p->patch_px,
                       p->image_px);
    if (wi_out_of_range(p->pool_heads, WI_MAX_HEADS) || p->blocks.width % p->pool_heads ||
        wi_out_of_range(p->pool_mlp_width, 8 * WI_MAX_WIDTH))
        return wi_fail(error, WI_ERR_FORMAT,
                       "pooling head: %u heads and %u hidden of a width of %u", p->pool_heads,
                       p->pool_mlp_width, p->blocks.width);
    return wi_block_params_check(&p->blocks, "image tower", error);
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_vit_map_params *p = values;
    *out = (wi_tower_facts){.image_px = p->image_px,
                            .patch_px = p->patch_px,
                            .width = p->blocks.width,
                            .n_layers = p->blocks.n_layers,
                            .n_heads = p->blocks.n_heads,
                            .mlp_width = p->blocks.mlp_width,
                            .activation = wi_activation_name(p->blocks.activation)};
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    return sizeof(vit_map) + wi_stack_bytes(&((const wi_vit_map_params *)values)->blocks);
}

static void open_vit(const void *values, const wi_tower_setting *setting, void *tower)
{
    vit_map *v = tower;
    v->params = *(const wi_vit_map_params *)values;
    v->embedding_dim = setting->embedding_dim;
    memcpy(v->mean, setting->mean, sizeof v->mean);
    memcpy(v->std, setting->std, sizeof v->std);
    const wi_block_params *p = &v->params.blocks;
    v->post_norm = (wi_norm){.eps = p->ln_eps, .n = p->width};
    wi_stack_open(p, v->blocks, &v->stack);
    wi_map_head_open(p->width, v->params.pool_heads, v->params.pool_mlp_width, p->activation,
                     p->ln_eps, &v->head);
}

static void walk(void *tower, wi_walker *w)
{
    vit_map *v = tower;
    const wi_vit_map_params *p = &v->params;
    const uint32_t width = p->blocks.width, patch_px = p->patch_px;
    if (v->embedding_dim != width && w->status == WI_OK)
        w->status = wi_fail(w->error, WI_ERR_FORMAT,
                            "image tower: embeddings of %u from a pooling head of width %u",
                            v->embedding_dim, width);
    wi_walk_linear(w, "v.", "patch", &v->patch, width, 3 * patch_px * patch_px, true);
    wi_walk_vector(w, "v.", "pos", &v->position, (uint32_t)n_tokens(v), width);
    wi_stack_walk(&v->stack, "v", w);
    wi_walk_norm(w, "v.", "ln_post", &v->post_norm);
    wi_map_head_walk(&v->head, w);
}

static uint64_t macs(const void *tower)
{
    const vit_map *v = tower;
    const uint64_t t = n_tokens(v), w = v->params.blocks.width;
    return t * w * v->patch.k + t * wi_stack_macs(&v->stack) +
           2 * t * t * w * v->params.blocks.n_layers + wi_map_head_macs(&v->head, t);
}

/* --- memory --- */

static void need_vit(const void *tower, size_t max_images, wi_run_need *need)
{
    const vit_map *v = tower;
    const size_t rows = max_images * n_tokens(v);
    wi_need_mat(need, &v->patch, rows);
    wi_stack_need(&v->stack, rows, n_tokens(v), false, need);
    wi_map_head_need(&v->head, max_images, n_tokens(v), need);
}

static void take(const void *tower, size_t max_images, size_t n_threads, void *to, wi_arena *arena)
{
    (void)n_threads;
    const vit_map *v = tower;
    vit_map_memory *memory = to;
    size_t rows = 0;
    if (!wi_size_mul(max_images, n_tokens(v), &rows))
        arena->overflow = true;
    wi_stack_take(&v->stack, rows, 0, v->patch.k, &memory->stack, arena);
    wi_map_head_take(&v->head, max_images, n_tokens(v), &memory->head, arena);
    memory->pooled =
        wi_arena_take(arena, max_images, wi_ld(v->params.blocks.width) * sizeof(float));
    memory->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
}

static void prepare(const void *tower, void *memory)
{
    const vit_map *v = tower;
    wi_pixel_values(v->mean, v->std, ((vit_map_memory *)memory)->pixel_values);
}

/* --- running --- */

/* x[n*tokens, width] = patch embeddings plus positions. */
static void embed(const vit_map *v, wi_run *run, vit_map_memory *memory, const uint8_t *pixels,
                  size_t n)
{
    wi_stack_memory *m = &memory->stack;
    const size_t width = v->params.blocks.width, ld = wi_ld(width), tokens = n_tokens(v);
    wi_pixel_patches(memory->pixel_values, pixels, n, v->params.image_px, v->params.patch_px,
                     m->mlp, m->ld_mlp);
    wi_input in = wi_prepare(run, &v->patch, n * tokens, m->mlp, m->ld_mlp);
    wi_linear(run, &v->patch, n * tokens, &in, m->x, ld, (wi_epilogue){0});
    for (size_t i = 0; i < n * tokens; i++) {
        const float *position = v->position + i % tokens * width;
        for (size_t j = 0; j < width; j++)
            m->x[i * ld + j] += position[j];
    }
}

static void images(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                   size_t n, float *out)
{
    const vit_map *v = tower;
    vit_map_memory *memory = of_session;
    float *x = memory->stack.x;
    const size_t tokens = n_tokens(v), width = v->params.blocks.width, ld = wi_ld(width);
    const wi_reach reach = {.n_rows = n * tokens, .n_tokens = tokens};
    embed(v, run, memory, pixels, n);
    wi_stack_run(&v->stack, run, &memory->stack, &reach, 0, v->params.blocks.n_layers,
                 "vision/hidden");
    wi_norm_rows(run, &v->post_norm, n * tokens, x, ld, x, ld);
    wi_map_head_run(&v->head, run, &memory->head, x, n, tokens, memory->pooled, ld);
    wi_tap(run, "vision/pooled", 0, memory->pooled, n, width, ld);
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * width, memory->pooled + b * ld, width * sizeof *out);
}

const wi_tower_kind wi_vit_map_kind = {.name = "vit_map",
                                       .role = WI_ROLE_IMAGE,
                                       .fields = fields,
                                       .values_bytes = sizeof(wi_vit_map_params),
                                       .check = check,
                                       .describe = describe,
                                       .bytes = bytes,
                                       .open = open_vit,
                                       .walk = walk,
                                       .macs = macs,
                                       .memory_bytes = sizeof(vit_map_memory),
                                       .need = need_vit,
                                       .take = take,
                                       .prepare = prepare,
                                       .images = images};
_Static_assert(sizeof(wi_vit_map_params) <= WI_TOWER_VALUES, "parameters fit");
