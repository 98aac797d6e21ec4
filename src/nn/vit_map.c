#include "nn/vit_map.h"

#include "base/error.h"
#include "nn/explain.h"
#include "nn/patches.h"

#include <string.h>

typedef struct vit_map {
    wi_vit_map_params params;
    uint32_t embedding_dim;
    wi_patches patches;
    wi_stack stack;
    wi_norm post_norm;
    wi_map_head head;
    wi_mat projection; /* [embedding, width] */
    wi_block blocks[];
} vit_map;

typedef struct vit_map_memory {
    wi_stack_memory stack;
    wi_map_head_memory head;
    wi_patches_memory patches;
    float *pooled;    /* [max_images, width] */
    float *projected; /* [max_images, embedding], where there is a projection */
} vit_map_memory;

static size_t n_tokens(const vit_map *v)
{
    return wi_patches_tokens(&v->patches);
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
    WI_BOOL(KEY("class_token"), wi_vit_map_params, has_class, 0, false),
    WI_BOOL(KEY("patch_bias"), wi_vit_map_params, has_patch_bias, WI_FIELD_IMPLIED, true),
    WI_BOOL(KEY("pre_ln"), wi_vit_map_params, has_pre_ln, WI_FIELD_IMPLIED, false),
    WI_U32(KEY("rope_grid"), wi_vit_map_params, rope_grid, WI_MAX_IMAGE_PX, 0, 0),
    WI_U32(KEY("rope_from"), wi_vit_map_params, rope_from, 1, 0, 0),
    WI_BOOL(KEY("rope_column_first"), wi_vit_map_params, rope_column_first, 0, false),
    WI_BOOL(KEY("projection"), wi_vit_map_params, has_projection, WI_FIELD_IMPLIED, false),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_vit_map_params *p = values;
    if (wi_out_of_range(p->pool_heads, WI_MAX_HEADS) || p->blocks.width % p->pool_heads ||
        wi_out_of_range(p->pool_mlp_width, 8 * WI_MAX_WIDTH))
        return wi_fail(error, WI_ERR_FORMAT,
                       "pooling head: %u heads and %u hidden of a width of %u", p->pool_heads,
                       p->pool_mlp_width, p->blocks.width);
    return wi_patches_check(p->image_px, p->patch_px, &p->blocks, p->rope_grid, error);
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
    const wi_vit_map_params *p = &v->params;
    const wi_block_params *blocks = &p->blocks;
    v->patches = (wi_patches){.image_px = p->image_px,
                              .patch_px = p->patch_px,
                              .width = blocks->width,
                              .has_class = p->has_class,
                              .has_bias = p->has_patch_bias,
                              .has_pre_ln = p->has_pre_ln,
                              .rope = {.head_dim = blocks->width / blocks->n_heads,
                                       .reference = p->rope_grid,
                                       .from = p->rope_from,
                                       .column_first = p->rope_column_first}};
    wi_patches_open(setting, blocks->ln_eps, &v->patches);
    v->post_norm = (wi_norm){.eps = blocks->ln_eps, .n = blocks->width};
    wi_stack_open(blocks, v->blocks, &v->stack);
    wi_map_head_open(blocks->width, p->pool_heads, p->pool_mlp_width, blocks->activation,
                     blocks->ln_eps, &v->head);
}

static void walk(void *tower, wi_walker *w)
{
    vit_map *v = tower;
    const wi_vit_map_params *p = &v->params;
    const uint32_t width = p->blocks.width;
    if (!p->has_projection && v->embedding_dim != width && w->status == WI_OK)
        w->status = wi_fail(w->error, WI_ERR_FORMAT,
                            "image tower: embeddings of %u from a pooling head of width %u",
                            v->embedding_dim, width);
    wi_patches_walk(&v->patches, w);
    wi_stack_walk(&v->stack, "v", w);
    wi_walk_norm(w, "v.", "ln_post", &v->post_norm);
    wi_map_head_walk(&v->head, w);
    if (p->has_projection)
        wi_walk_projection(w, "v.", "proj", &v->projection, v->embedding_dim, width, true);
}

static uint64_t macs(const void *tower)
{
    const vit_map *v = tower;
    const uint64_t t = n_tokens(v), w = v->params.blocks.width;
    return wi_patches_macs(&v->patches) + t * wi_stack_macs(&v->stack) +
           2 * t * t * w * v->params.blocks.n_layers + wi_map_head_macs(&v->head, t) +
           (v->params.has_projection ? w * v->embedding_dim : 0);
}

/* --- memory --- */

static void need_vit(const void *tower, size_t max_images, wi_run_need *need)
{
    const vit_map *v = tower;
    const size_t rows = max_images * n_tokens(v);
    wi_need_mat(need, &v->patches.mat, rows);
    wi_stack_need(&v->stack, rows, n_tokens(v), false, need);
    wi_map_head_need(&v->head, max_images, n_tokens(v), need);
    wi_need_mat(need, &v->head.fc2, n_tokens(v)); /* explanations: as many units at a time */
    if (v->params.has_projection)
        wi_need_mat(need, &v->projection, rows);
}

static void take(const void *tower, size_t max_images, size_t n_threads, void *to, wi_arena *arena)
{
    (void)n_threads;
    const vit_map *v = tower;
    vit_map_memory *memory = to;
    size_t rows = 0;
    if (!wi_size_mul(max_images, n_tokens(v), &rows))
        arena->overflow = true;
    const size_t wide = v->patches.mat.k > v->head.mlp_width ? v->patches.mat.k : v->head.mlp_width;
    wi_stack_take(&v->stack, rows, 0, wide, &memory->stack, arena);
    wi_map_head_take(&v->head, max_images, n_tokens(v), &memory->head, arena);
    memory->pooled =
        wi_arena_take(arena, max_images, wi_ld(v->params.blocks.width) * sizeof(float));
    memory->projected =
        v->params.has_projection
            ? wi_arena_take(arena, max_images, wi_ld(v->embedding_dim) * sizeof(float))
            : NULL;
    wi_patches_take(&v->patches, &memory->patches, arena);
}

static void prepare(const void *tower, void *memory)
{
    wi_patches_prepare(&((const vit_map *)tower)->patches, &((vit_map_memory *)memory)->patches);
}

/* --- running --- */

/* The head's result, or its projection. */
static void answer(const vit_map *v, wi_run *run, vit_map_memory *memory, size_t n, float *out)
{
    const size_t dim = v->embedding_dim, ld = wi_ld(v->params.blocks.width), ld_out = wi_ld(dim);
    if (v->params.has_projection) {
        const wi_input in = wi_prepare(run, &v->projection, n, memory->pooled, ld);
        wi_linear(run, &v->projection, n, &in, memory->projected, ld_out, (wi_epilogue){0});
    }
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * dim,
               v->params.has_projection ? memory->projected + b * ld_out : memory->pooled + b * ld,
               dim * sizeof *out);
}

static void images(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                   size_t n, float *out)
{
    const vit_map *v = tower;
    vit_map_memory *memory = of_session;
    float *x = memory->stack.x;
    const size_t tokens = n_tokens(v), width = v->params.blocks.width, ld = wi_ld(width);
    const wi_reach reach = {.n_rows = n * tokens, .n_tokens = tokens, .rope = memory->patches.rope};
    wi_patches_run(&v->patches, run, &memory->patches, &memory->stack, pixels, n);
    wi_stack_run(&v->stack, run, &memory->stack, &reach, 0, v->params.blocks.n_layers,
                 "vision/hidden");
    wi_norm_rows(run, &v->post_norm, n * tokens, x, ld, x, ld);
    wi_map_head_run(&v->head, run, &memory->head, x, n, tokens, memory->pooled, ld);
    wi_tap(run, "vision/pooled", 0, memory->pooled, n, width, ld);
    answer(v, run, memory, n, out);
}

/* --- looking inside --- */

static uint32_t grid_of(const void *tower)
{
    return (uint32_t)wi_patches_grid(&((const vit_map *)tower)->patches);
}

static size_t hidden_floats(const void *tower)
{
    const vit_map *v = tower;
    return n_tokens(v) * wi_ld(v->params.blocks.width);
}

/* The last block with each token attending to itself alone; then the head looks at each by itself. */
static void regions(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    (void)rows;
    const vit_map *v = tower;
    vit_map_memory *memory = of_session;
    float *x = memory->stack.x;
    const size_t width = v->params.blocks.width, ld = wi_ld(width), n = n_tokens(v),
                 lead = v->params.has_class;
    wi_capture c = {"vision/hidden", (int)v->params.blocks.n_layers - 1, hidden, 0};
    run->tap = wi_capture_tap;
    run->tap_context = &c;
    images(v, run, memory, pixels, 1, embedding);
    run->tap = NULL;
    run->tap_context = NULL;
    wi_copy_rows(x, ld, hidden, ld, n, width);
    wi_stack_alone(&v->stack, run, &memory->stack, n);
    wi_norm_rows(run, &v->post_norm, n, x, ld, x, ld);
    for (size_t t = lead; t < n; t++) {
        wi_map_head_run(&v->head, run, &memory->head, x + t * ld, 1, 1, memory->pooled, ld);
        answer(v, run, memory, 1, out + (t - lead) * v->embedding_dim);
    }
}

static wi_unit_plan plan(const void *tower)
{
    const vit_map *v = tower;
    return (wi_unit_plan){1, v->params.blocks.n_layers, v->head.mlp_width};
}

/* The units of the head's MLP: nothing but a matrix stands behind them. */
static void units(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation, float *direction)
{
    (void)hidden;
    const vit_map *v = tower;
    vit_map_memory *memory = of_session;
    wi_stack_memory *m = &memory->stack;
    const size_t ld = wi_ld(v->params.blocks.width), dim = v->embedding_dim, ld_rows = wi_ld(dim),
                 n_units = v->head.mlp_width, batch = n_tokens(v);
    wi_entering e = {&v->head.fc2, activation};
    run->watch = wi_entering_watch;
    run->tap_context = &e;
    images(v, run, memory, pixels, 1, embedding);
    run->watch = NULL;
    run->tap_context = NULL;
    for (size_t u = 0; u < n_units; u += batch) {
        const size_t n = n_units - u < batch ? n_units - u : batch;
        wi_one_hot(m->mlp, n, n_units, m->ld_mlp, u);
        wi_turn(run, &v->head.fc2, n, m->mlp, m->ld_mlp, m->h, ld);
        if (v->params.has_projection)
            wi_turn(run, &v->projection, n, m->h, ld, rows, ld_rows);
        wi_copy_rows(direction + u * dim, dim, v->params.has_projection ? rows : m->h,
                     v->params.has_projection ? ld_rows : ld, n, dim);
    }
}

static const wi_tower_explain explanation = {.grid = grid_of,
                                             .hidden_floats = hidden_floats,
                                             .regions = regions,
                                             .plan = plan,
                                             .units = units};

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
                                       .images = images,
                                       .explain = &explanation};
_Static_assert(sizeof(wi_vit_map_params) <= WI_TOWER_VALUES, "parameters fit");
