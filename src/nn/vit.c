#include "nn/vit.h"

#include "base/error.h"

#include <string.h>

/* --- parameters --- */

#define KEY(name) "whatsit.image." name
#define FIELDS                                                                                     \
    WI_U32(KEY("size_px"), wi_vit_params, image_px, WI_MAX_IMAGE_PX,                               \
           WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0),                                                 \
        WI_U32(KEY("patch_px"), wi_vit_params, patch_px, WI_MAX_IMAGE_PX,                          \
               WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0),                                             \
        WI_BLOCK_FIELDS(KEY(), wi_vit_params, blocks),                                             \
        WI_BOOL(KEY("patch_bias"), wi_vit_params, has_patch_bias,                                  \
                WI_FIELD_FIRST | WI_FIELD_IMPLIED, false),                                         \
        WI_BOOL(KEY("pre_ln"), wi_vit_params, has_pre_ln, WI_FIELD_FIRST | WI_FIELD_IMPLIED, true)
#define POOL_FIELDS                                                                                \
    WI_U32(KEY("pool"), wi_vit_params, pool, WI_N_VIT_POOLS - 1, 0, WI_VIT_CLASS),                 \
        WI_BOOL(KEY("norm_after_pool"), wi_vit_params, norm_after_pool, 0, false),                 \
        WI_BOOL(KEY("projection_bias"), wi_vit_params, has_projection_bias, 0, false)
static const wi_field fields[] = {FIELDS, POOL_FIELDS, {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};
static const wi_field rope_fields[] = {
    FIELDS,
    POOL_FIELDS,
    WI_BOOL(KEY("gated"), wi_vit_params, blocks.gated, 0, false),
    WI_U32(KEY("rope_grid"), wi_vit_params, rope_grid, WI_MAX_IMAGE_PX, 0, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static const wi_field pooler_fields[] = {
    FIELDS,
    WI_U32(KEY("pool_queries"), wi_vit_params, pool_queries, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    WI_U32(KEY("pool_heads"), wi_vit_params, pool_heads, WI_MAX_HEADS, WI_FIELD_REQUIRED, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_vit_params *p = values;
    return wi_patches_check(p->image_px, p->patch_px, &p->blocks, p->rope_grid, error);
}

static wi_status check_plain(const void *values, wi_error *error)
{
    const wi_vit_params *p = values;
    if (p->rope_grid || p->blocks.gated || p->blocks.post_norm)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "image tower: 'vit' has no rope, no gates and no post-norm");
    return check(values, error);
}

static wi_status check_pooler(const void *values, wi_error *error)
{
    const wi_vit_params *p = values;
    if (wi_out_of_range(p->pool_queries, WI_MAX_IMAGE_PX) || p->pool_queries < 2)
        return wi_fail(error, WI_ERR_FORMAT, "image tower: a pooler of %u queries",
                       p->pool_queries);
    if (wi_out_of_range(p->pool_heads, WI_MAX_HEADS))
        return wi_fail(error, WI_ERR_FORMAT, "image tower: a pooler of %u heads", p->pool_heads);
    if (p->pool != WI_VIT_CLASS || p->norm_after_pool || p->has_projection_bias)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "image tower: a pooler and a mean, or a bias of the projection");
    return check_plain(values, error);
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_vit_params *p = values;
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
    return sizeof(wi_vit) + wi_stack_bytes(&((const wi_vit_params *)values)->blocks);
}

static void open_vit(const void *values, const wi_tower_setting *setting, void *tower)
{
    wi_vit *vit = tower;
    vit->params = *(const wi_vit_params *)values;
    vit->embedding_dim = setting->embedding_dim;
    const wi_vit_params *p = &vit->params;
    const wi_block_params *blocks = &p->blocks;
    vit->patches = (wi_patches){
        .image_px = p->image_px,
        .patch_px = p->patch_px,
        .width = blocks->width,
        .has_class = true,
        .has_bias = p->has_patch_bias,
        .has_pre_ln = p->has_pre_ln,
        .rope = {.head_dim = blocks->width / blocks->n_heads, .reference = p->rope_grid}};
    wi_patches_open(setting, blocks->ln_eps, &vit->patches);
    vit->post_norm = (wi_norm){.eps = blocks->ln_eps, .n = blocks->width};
    if (p->pool_queries) {
        wi_pooler_open(blocks->width, vit->embedding_dim, p->pool_queries, p->pool_heads,
                       blocks->ln_eps, &vit->pooler);
        vit->post_norm.n = vit->embedding_dim;
    }
    wi_stack_open(blocks, vit->blocks, &vit->stack);
}

static wi_status join(void *tower, const wi_tower *towers, wi_error *error)
{
    (void)towers;
    const wi_vit *vit = tower;
    const uint32_t n_heads = vit->params.pool_heads;
    return vit->embedding_dim % n_heads == 0
               ? WI_OK
               : wi_fail(error, WI_ERR_FORMAT, "image tower: a pooler of %u heads over %u numbers",
                         n_heads, vit->embedding_dim);
}

static void walk(void *tower, wi_walker *w)
{
    wi_vit *v = tower;
    const wi_vit_params *p = &v->params;
    wi_patches_walk(&v->patches, w);
    wi_stack_walk(&v->stack, "v", w);
    if (p->pool_queries)
        wi_pooler_walk(&v->pooler, w);
    wi_walk_norm(w, "v.", "ln_post", &v->post_norm);
    wi_walk_projection(w, "v.", "proj", &v->projection, v->embedding_dim, v->post_norm.n,
                       p->has_projection_bias);
}

static uint64_t macs(const void *tower)
{
    const wi_vit *v = tower;
    const uint64_t t = wi_patches_tokens(&v->patches), w = v->params.blocks.width;
    const uint64_t attention = 2 * t * t * w * v->params.blocks.n_layers;
    return wi_patches_macs(&v->patches) + t * wi_stack_macs(&v->stack) + attention +
           (v->params.pool_queries ? wi_pooler_macs(&v->pooler, t) : 0) +
           (uint64_t)v->post_norm.n * v->embedding_dim;
}

/* --- memory --- */

static void need_vit(const void *tower, size_t max_images, wi_run_need *need)
{
    const wi_vit *vit = tower;
    const size_t rows = max_images * wi_patches_tokens(&vit->patches);
    wi_need_mat(need, &vit->patches.mat, rows);
    wi_need_mat(need, &vit->projection, max_images);
    wi_stack_need(&vit->stack, rows, wi_patches_tokens(&vit->patches), false, need);
    if (vit->params.pool_queries)
        wi_pooler_need(&vit->pooler, max_images, wi_patches_tokens(&vit->patches), need);
}

static void take(const void *tower, size_t max_images, size_t n_threads, void *to, wi_arena *arena)
{
    (void)n_threads;
    const wi_vit *vit = tower;
    wi_vit_memory *memory = to;
    size_t rows = 0;
    if (!wi_size_mul(max_images, wi_patches_tokens(&vit->patches), &rows))
        arena->overflow = true;
    /* The MLP's hidden rows and the patches' pixels never live at the same time: one buffer serves
     * both. */
    wi_stack_take(&vit->stack, rows, max_images, vit->patches.mat.k, &memory->stack, arena);
    memory->projected = wi_arena_take(arena, max_images, wi_ld(vit->embedding_dim) * sizeof(float));
    wi_patches_take(&vit->patches, &memory->patches, arena);
    memory->rows = wi_arena_take(arena, max_images, sizeof *memory->rows);
    if (vit->params.pool_queries)
        wi_pooler_take(&vit->pooler, max_images, wi_patches_tokens(&vit->patches), &memory->pooler,
                       arena);
}

static void prepare(const void *tower, void *memory)
{
    wi_patches_prepare(&((const wi_vit *)tower)->patches, &((wi_vit_memory *)memory)->patches);
}

/* --- running --- */

/* picked[n] = the mean over each picture's patches. */
static void average(const wi_vit *vit, wi_stack_memory *m, size_t n)
{
    const size_t width = vit->params.blocks.width, ld = wi_ld(width),
                 tokens = wi_patches_tokens(&vit->patches);
    for (size_t b = 0; b < n; b++) {
        float *to = m->picked + b * ld;
        memset(to, 0, width * sizeof *to);
        for (size_t t = 1; t < tokens; t++)
            for (size_t i = 0; i < width; i++)
                to[i] += m->x[(b * tokens + t) * ld + i];
        for (size_t i = 0; i < width; i++)
            to[i] /= (float)(tokens - 1);
    }
}

/* All that the pooler's queries found, normalised; each picture's first row enters the projection. */
static wi_input pool_all(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, size_t n)
{
    wi_pooler_memory *p = &memory->pooler;
    const size_t ld = wi_ld(vit->embedding_dim), queries = vit->params.pool_queries;
    wi_pooler_run(&vit->pooler, run, p, memory->stack.x, n, wi_patches_tokens(&vit->patches),
                  memory->stack.h);
    wi_norm_rows(run, &vit->post_norm, n * queries, p->out, ld, p->out, ld);
    for (size_t i = 0; i < n; i++)
        memcpy(p->h + i * ld, p->out + i * queries * ld, vit->embedding_dim * sizeof(float));
    return wi_prepare(run, &vit->projection, n, p->h, ld);
}

/* What enters the projection: one normalised row for each picture, in h. */
static wi_input pool(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, size_t n,
                     bool class_only)
{
    wi_stack_memory *m = &memory->stack;
    const size_t ld = wi_ld(vit->params.blocks.width), tokens = wi_patches_tokens(&vit->patches);
    if (vit->params.pool_queries)
        return pool_all(vit, run, memory, n);
    const float *from = class_only ? m->picked : m->x;
    size_t stride = class_only ? ld : tokens * ld;
    if (vit->params.pool == WI_VIT_MEAN) {
        if (!vit->params.norm_after_pool)
            wi_norm_rows(run, &vit->post_norm, n * tokens, m->x, ld, m->x, ld);
        average(vit, m, n);
        if (!vit->params.norm_after_pool)
            return wi_prepare(run, &vit->projection, n, m->picked, ld);
        from = m->picked;
        stride = ld;
    }
    return wi_norm_prepare(run, &vit->post_norm, n, from, stride, &vit->projection, m->h, ld);
}

void wi_vit_forward(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    size_t n, float *out)
{
    const wi_vit *vit = tower;
    wi_vit_memory *memory = of_session;
    const size_t tokens = wi_patches_tokens(&vit->patches), dim = vit->embedding_dim,
                 ld_out = wi_ld(dim);
    const uint32_t n_layers = vit->params.blocks.n_layers;
    const wi_reach reach = {.n_rows = n * tokens, .n_tokens = tokens, .rope = memory->patches.rope};
    /* Who looks on sees the last layer of all tokens. */
    const bool class_only =
        !run->tap && !run->watch && vit->params.pool == WI_VIT_CLASS && !vit->params.pool_queries;
    wi_patches_run(&vit->patches, run, &memory->patches, &memory->stack, pixels, n);
    wi_stack_run(&vit->stack, run, &memory->stack, &reach, 0, n_layers - class_only,
                 "vision/hidden");
    if (class_only) {
        for (size_t b = 0; b < n; b++)
            memory->rows[b] = (uint32_t)(b * tokens);
        wi_stack_last(&vit->stack, run, &memory->stack, &reach, memory->rows, n);
    }
    const wi_input in = pool(vit, run, memory, n, class_only);
    wi_tap(run, "vision/pooled", 0, in.x, n, vit->post_norm.n, in.ld);
    wi_linear(run, &vit->projection, n, &in, memory->projected, ld_out, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * dim, memory->projected + b * ld_out, dim * sizeof *out);
}

/* --- what a decoder sees: what all queries but the first found --- */

static wi_sight_shape sight_shape(const void *tower)
{
    const wi_vit *vit = tower;
    return (wi_sight_shape){.n_places = vit->params.pool_queries - 1,
                            .channels = vit->embedding_dim};
}

static void copy_sight(const void *tower, const void *of_session, size_t picture, float *grid,
                       float *pooled)
{
    (void)pooled;
    const wi_vit *vit = tower;
    const wi_vit_memory *memory = of_session;
    const size_t dim = vit->embedding_dim, ld = wi_ld(dim), queries = vit->params.pool_queries;
    const float *from = memory->pooler.out + picture * queries * ld;
    for (size_t i = 1; i < queries; i++)
        memcpy(grid + (i - 1) * dim, from + i * ld, dim * sizeof *grid);
}

static bool shows(const char *name)
{
    return strncmp(name, "v.proj", 6) != 0;
}

static const wi_tower_sight sight = {.shape = sight_shape, .copy = copy_sight, .shows = shows};

#define SHARED                                                                                     \
    .role = WI_ROLE_IMAGE, .values_bytes = sizeof(wi_vit_params), .describe = describe,            \
    .bytes = bytes, .open = open_vit, .walk = walk, .macs = macs,                                  \
    .memory_bytes = sizeof(wi_vit_memory), .need = need_vit, .take = take, .prepare = prepare,     \
    .images = wi_vit_forward
const wi_tower_kind wi_vit_rope_kind = {
    .name = "vit_rope", .fields = rope_fields, .check = check, .explain = &wi_vit_explain, SHARED};
const wi_tower_kind wi_vit_pooler_kind = {.name = "vit_pooler",
                                          .fields = pooler_fields,
                                          .check = check_pooler,
                                          .join = join,
                                          .sight = &sight,
                                          SHARED};
const wi_tower_kind wi_vit_kind = {.name = "vit",
                                   .number = 1,
                                   .fields = fields,
                                   .check = check_plain,
                                   .explain = &wi_vit_explain,
                                   SHARED};
_Static_assert(sizeof(wi_vit_params) <= WI_TOWER_VALUES, "parameters fit");
