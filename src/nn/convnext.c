#include "nn/convnext.h"

#include "base/error.h"
#include "nn/depthwise.h"
#include "nn/explain.h"
#include "nn/pixels.h"

#include <stdio.h>
#include <string.h>

enum { STAGES = WI_CONVNEXT_STAGES, STEM_PX = 4, KERNEL = 7, MLP_RATIO = 4, ROWS_PER_JOB = 16 };

typedef struct block {
    wi_channels depthwise;
    wi_norm norm;
    wi_mat fc1, fc2;
    const float *gamma; /* [width] */
} block;

typedef struct convnext {
    wi_convnext_params params;
    uint32_t embedding_dim;
    float mean[3], std[3];
    wi_mat stem, down[STAGES], head1, head; /* down[0] is not there */
    wi_norm stem_norm, down_norm[STAGES], head_norm;
    uint32_t n_blocks;
    block blocks[];
} convnext;

typedef struct memory {
    float *x, *h, *wide;
    float *pooled, *hidden, *projected;
    float *pixel_values; /* [3][256] */
    float **panels; /* of each block: depthwise weights as the kernel reads them, then its bias */
} memory;

static size_t side_of(const convnext *c, int stage)
{
    return (c->params.image_px / STEM_PX) >> stage;
}

/* --- parameters --- */

#define KEY(name) "whatsit.image." name
static const wi_field fields[] = {
    WI_U32(KEY("size_px"), wi_convnext_params, image_px, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    WI_U32S(KEY("stage_width"), wi_convnext_params, width, STAGES, WI_MAX_WIDTH, WI_FIELD_REQUIRED),
    WI_U32S(KEY("stage_blocks"), wi_convnext_params, blocks, STAGES, WI_MAX_LAYERS,
            WI_FIELD_REQUIRED),
    WI_U32(KEY("head_hidden"), wi_convnext_params, head_hidden, 8 * WI_MAX_WIDTH, 0, 0),
    WI_F32(KEY("ln_eps"), wi_convnext_params, ln_eps, 0, 1e-6f),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_convnext_params *p = values;
    if (wi_out_of_range(p->image_px, WI_MAX_IMAGE_PX) || p->image_px % 32)
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px; ConvNeXt takes multiples of 32",
                       p->image_px);
    for (int s = 0; s < STAGES; s++)
        if (wi_out_of_range(p->width[s], WI_MAX_WIDTH) ||
            wi_out_of_range(p->blocks[s], WI_MAX_LAYERS))
            return wi_fail(error, WI_ERR_FORMAT, "stage %d: %u blocks of width %u", s, p->blocks[s],
                           p->width[s]);
    if (!(p->ln_eps >= 0 && p->ln_eps <= 1))
        return wi_fail(error, WI_ERR_FORMAT, "image tower: layer norm epsilon is not in 0..1");
    return WI_OK;
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_convnext_params *p = values;
    uint32_t n = 0;
    for (int s = 0; s < STAGES; s++)
        n += p->blocks[s];
    *out = (wi_tower_facts){.image_px = p->image_px,
                            .width = p->width[STAGES - 1],
                            .n_layers = n,
                            .mlp_width = MLP_RATIO * p->width[STAGES - 1],
                            .activation = wi_activation_name(WI_ACT_GELU)};
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    const wi_convnext_params *p = values;
    size_t n = 0;
    for (int s = 0; s < STAGES; s++)
        n += p->blocks[s];
    return sizeof(convnext) + n * sizeof(block);
}

static void open_convnext(const void *values, const wi_tower_setting *setting, void *tower)
{
    convnext *c = tower;
    c->params = *(const wi_convnext_params *)values;
    c->embedding_dim = setting->embedding_dim;
    memcpy(c->mean, setting->mean, sizeof c->mean);
    memcpy(c->std, setting->std, sizeof c->std);
    const wi_convnext_params *p = &c->params;
    c->stem_norm = (wi_norm){.eps = p->ln_eps, .n = p->width[0]};
    c->head_norm = (wi_norm){.eps = p->ln_eps, .n = p->width[STAGES - 1]};
    for (int s = 0; s < STAGES; s++) {
        c->down_norm[s] = (wi_norm){.eps = p->ln_eps, .n = s ? p->width[s - 1] : 0};
        for (uint32_t i = 0; i < p->blocks[s]; i++)
            c->blocks[c->n_blocks++] =
                (block){.depthwise = {.width = p->width[s], .size = KERNEL, .stride = 1},
                        .norm = {.eps = p->ln_eps, .n = p->width[s]}};
    }
}

static void walk_block(block *b, uint32_t width, const char *prefix, wi_walker *w)
{
    wi_walk_channels(w, prefix, "dw", &b->depthwise);
    wi_walk_norm(w, prefix, "ln", &b->norm);
    wi_walk_linear(w, prefix, "fc1", &b->fc1, MLP_RATIO * width, width, true);
    wi_walk_linear(w, prefix, "fc2", &b->fc2, width, MLP_RATIO * width, true);
    wi_walk_vector(w, prefix, "gamma", &b->gamma, 1, width);
}

static void walk(void *tower, wi_walker *w)
{
    convnext *c = tower;
    const wi_convnext_params *p = &c->params;
    block *b = c->blocks;
    wi_part stem = {.kind = WI_PART_LINEAR,
                    .mat = &c->stem,
                    .n = p->width[0],
                    .k = 3 * STEM_PX * STEM_PX,
                    .has_bias = true,
                    .keep_float = true}; /* small, and where the pixels enter */
    wi_walk_part(w, &stem, "v.", "stem");
    wi_walk_norm(w, "v.", "stem_ln", &c->stem_norm);
    for (int s = 0; s < STAGES; s++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "v.down%d_", s);
        if (s) {
            wi_walk_norm(w, prefix, "ln", &c->down_norm[s]);
            wi_walk_linear(w, prefix, "conv", &c->down[s], p->width[s], 4 * p->width[s - 1], true);
        }
        for (uint32_t i = 0; i < p->blocks[s]; i++) {
            snprintf(prefix, sizeof prefix, "v.%d.%u.", s, i);
            walk_block(b++, p->width[s], prefix, w);
        }
    }
    wi_walk_norm(w, "v.", "ln_head", &c->head_norm);
    if (p->head_hidden)
        wi_walk_linear(w, "v.", "head1", &c->head1, p->head_hidden, p->width[STAGES - 1], true);
    wi_walk_projection(w, "v.", "proj", &c->head, c->embedding_dim,
                       p->head_hidden ? p->head_hidden : p->width[STAGES - 1], false);
}

static uint64_t macs(const void *tower)
{
    const convnext *c = tower;
    const wi_convnext_params *p = &c->params;
    uint64_t sum = 0;
    for (int s = 0; s < STAGES; s++) {
        const uint64_t pixels = side_of(c, s) * side_of(c, s), w = p->width[s];
        sum += pixels * p->blocks[s] * w * (KERNEL * KERNEL + 2 * MLP_RATIO * w);
        sum += pixels * w * (s ? 4 * p->width[s - 1] : 3 * STEM_PX * STEM_PX);
    }
    return sum + (uint64_t)p->width[STAGES - 1] * c->embedding_dim;
}

/* --- memory --- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Floats of one picture's largest map, and of the widest rows. */
static void map_floats(const convnext *c, size_t *map, size_t *wide)
{
    const wi_convnext_params *p = &c->params;
    *map = *wide = 0;
    for (int s = 0; s < STAGES; s++) {
        const size_t pixels = side_of(c, s) * side_of(c, s), w = p->width[s];
        const size_t in = s ? 4 * (size_t)p->width[s - 1] : 3 * STEM_PX * STEM_PX;
        *map = larger(*map, pixels * wi_ld(w));
        *wide = larger(*wide, pixels * wi_ld(larger(MLP_RATIO * w, in)));
    }
}

static void need_convnext(const void *tower, size_t max_images, wi_run_need *need)
{
    const convnext *c = tower;
    const block *b = c->blocks;
    wi_need_mat(need, &c->stem, max_images * side_of(c, 0) * side_of(c, 0));
    for (int s = 0; s < STAGES; s++) {
        const size_t rows = max_images * side_of(c, s) * side_of(c, s);
        if (s)
            wi_need_mat(need, &c->down[s], rows);
        for (uint32_t i = 0; i < c->params.blocks[s]; i++, b++) {
            wi_need_mat(need, &b->fc1, rows);
            wi_need_mat(need, &b->fc2, rows);
        }
    }
    if (c->params.head_hidden)
        wi_need_mat(need, &c->head1, max_images);
    wi_need_mat(need, &c->head, max_images);
}

static void take(const void *tower, size_t max_images, size_t n_threads, void *to, wi_arena *arena)
{
    (void)n_threads;
    const convnext *c = tower;
    const wi_convnext_params *p = &c->params;
    memory *m = to;
    size_t map, wide;
    map_floats(c, &map, &wide);
    m->x = wi_arena_take(arena, max_images, map * sizeof(float));
    m->h = wi_arena_take(arena, max_images, map * sizeof(float));
    m->wide = wi_arena_take(arena, max_images, wide * sizeof(float));
    m->pooled = wi_arena_take(arena, max_images, wi_ld(p->width[STAGES - 1]) * sizeof(float));
    m->hidden = wi_arena_take(arena, max_images, wi_ld(p->head_hidden) * sizeof(float));
    m->projected = wi_arena_take(arena, max_images, wi_ld(c->embedding_dim) * sizeof(float));
    m->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
    m->panels = wi_arena_take(arena, c->n_blocks, sizeof *m->panels);
    for (uint32_t i = 0; i < c->n_blocks; i++) {
        float *panels = wi_channels_take(&c->blocks[i].depthwise, arena);
        if (m->panels)
            m->panels[i] = panels;
    }
}

static void prepare(const void *tower, void *of_session)
{
    const convnext *c = tower;
    memory *m = of_session;
    wi_pixel_values(c->mean, c->std, m->pixel_values);
    for (uint32_t i = 0; i < c->n_blocks; i++)
        wi_channels_prepare(&c->blocks[i].depthwise, m->panels[i]);
}

/* --- running --- */

typedef struct map_job {
    const float *x, *gamma;
    float *out;
    size_t n, width, ld;
} map_job;

static void add_weighed(void *context, size_t index, int worker)
{
    (void)worker;
    const map_job *j = context;
    for (size_t i = index * ROWS_PER_JOB; i < (index + 1) * ROWS_PER_JOB && i < j->n; i++)
        for (size_t k = 0; k < j->width; k++)
            j->out[i * j->ld + k] += j->gamma[k] * j->x[i * j->ld + k];
}

/* x += gamma * mlp(norm(depthwise(x))). */
static void run_block(const block *b, wi_run *run, memory *m, const float *panels, size_t n,
                      size_t side, size_t width)
{
    const size_t ld = wi_ld(width), wide = wi_ld(MLP_RATIO * width), rows = n * side * side;
    wi_channels_run(&b->depthwise, run, panels, m->x, n, side, ld, m->h);
    wi_input in = wi_norm_prepare(run, &b->norm, rows, m->h, ld, &b->fc1, m->h, ld);
    wi_linear(run, &b->fc1, rows, &in, m->wide, wide, (wi_epilogue){.act = WI_GELU});
    in = wi_prepare(run, &b->fc2, rows, m->wide, wide);
    wi_linear(run, &b->fc2, rows, &in, m->h, ld, (wi_epilogue){0});
    map_job job = {.x = m->h, .gamma = b->gamma, .out = m->x, .n = rows, .width = width, .ld = ld};
    wi_pool_run(run->pool, wi_div_up(rows, ROWS_PER_JOB), add_weighed, &job);
}

/* Every 2x2 pixels of x become one row of wide, in (channel, row, column) order. */
static void gather_squares(const memory *m, size_t n, size_t side, size_t width, size_t ld_wide)
{
    const size_t half = side / 2, ld = wi_ld(width);
    for (size_t i = 0; i < n * half * half; i++) {
        const size_t b = i / (half * half), y = i / half % half, x = i % half;
        const float *from = m->x + ((b * side + 2 * y) * side + 2 * x) * ld;
        float *to = m->wide + i * ld_wide;
        for (size_t k = 0; k < width; k++)
            for (size_t q = 0; q < 4; q++)
                to[4 * k + q] = from[(q / 2 * side + q % 2) * ld + k];
    }
}

static void enter_stage(const convnext *c, wi_run *run, memory *m, const uint8_t *pixels, size_t n,
                        int stage)
{
    const wi_convnext_params *p = &c->params;
    const size_t side = side_of(c, stage), rows = n * side * side, ld = wi_ld(p->width[stage]);
    const wi_mat *mat = stage ? &c->down[stage] : &c->stem;
    const size_t ld_wide = wi_ld(mat->k);
    if (stage) {
        const size_t before = p->width[stage - 1];
        wi_norm_rows(run, &c->down_norm[stage], 4 * rows, m->x, wi_ld(before), m->x, wi_ld(before));
        gather_squares(m, n, 2 * side, before, ld_wide);
    } else {
        wi_pixel_patches(m->pixel_values, pixels, n, p->image_px, STEM_PX, m->wide, ld_wide);
    }
    const wi_input in = wi_prepare(run, mat, rows, m->wide, ld_wide);
    wi_linear(run, mat, rows, &in, m->x, ld, (wi_epilogue){0});
    if (!stage)
        wi_norm_rows(run, &c->stem_norm, rows, m->x, ld, m->x, ld);
}

/* pooled[n] = the mean over each picture's pixels. */
static void average(const memory *m, size_t n, size_t pixels, size_t width)
{
    const size_t ld = wi_ld(width);
    for (size_t b = 0; b < n; b++)
        for (size_t k = 0; k < width; k++) {
            double sum = 0;
            for (size_t i = 0; i < pixels; i++)
                sum += (double)m->x[(b * pixels + i) * ld + k];
            m->pooled[b * ld + k] = (float)(sum / (double)pixels);
        }
}

static void project(const convnext *c, wi_run *run, memory *m, size_t n, float *out)
{
    const size_t width = c->params.width[STAGES - 1], ld = wi_ld(width), dim = c->embedding_dim;
    const size_t hidden = wi_ld(c->params.head_hidden), ld_out = wi_ld(dim);
    const wi_mat *first = c->params.head_hidden ? &c->head1 : &c->head;
    wi_input in = wi_norm_prepare(run, &c->head_norm, n, m->pooled, ld, first, m->pooled, ld);
    wi_tap(run, "vision/pooled", 0, m->pooled, n, width, ld);
    if (c->params.head_hidden) {
        wi_linear(run, &c->head1, n, &in, m->hidden, hidden, (wi_epilogue){.act = WI_GELU});
        in = wi_prepare(run, &c->head, n, m->hidden, hidden);
    }
    wi_linear(run, &c->head, n, &in, m->projected, ld_out, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * dim, m->projected + b * ld_out, dim * sizeof *out);
}

static void images(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                   size_t n, float *out)
{
    const convnext *c = tower;
    memory *m = of_session;
    size_t number = 0;
    for (int s = 0; s < STAGES; s++) {
        enter_stage(c, run, m, pixels, n, s);
        for (uint32_t i = 0; i < c->params.blocks[s]; i++, number++)
            run_block(&c->blocks[number], run, m, m->panels[number], n, side_of(c, s),
                      c->params.width[s]);
    }
    average(m, n, side_of(c, STAGES - 1) * side_of(c, STAGES - 1), c->params.width[STAGES - 1]);
    project(c, run, m, n, out);
}

/* --- looking inside --- */

static uint32_t grid(const void *tower)
{
    return (uint32_t)side_of(tower, STAGES - 1);
}

/* The end of the network, of each position of the last map by itself. */
static void regions(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    (void)hidden;
    (void)rows;
    const convnext *c = tower;
    memory *m = of_session;
    const size_t width = c->params.width[STAGES - 1], ld = wi_ld(width),
                 n = (size_t)grid(c) * grid(c);
    images(c, run, m, pixels, 1, embedding);
    for (size_t t = 0; t < n; t++) {
        memcpy(m->pooled, m->x + t * ld, width * sizeof *m->pooled);
        project(c, run, m, 1, out + t * c->embedding_dim);
    }
}

/* The hidden numbers of the head where there are some, else the channels of the last map. */
static wi_unit_plan plan(const void *tower)
{
    const wi_convnext_params *p = &((const convnext *)tower)->params;
    return (wi_unit_plan){1, STAGES, p->head_hidden ? p->head_hidden : p->width[STAGES - 1]};
}

static void units(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation, float *direction)
{
    (void)hidden;
    (void)rows;
    const convnext *c = tower;
    memory *m = of_session;
    const size_t width = c->params.width[STAGES - 1], dim = c->embedding_dim,
                 n_units = plan(c).n_units;
    float *one = c->params.head_hidden ? m->hidden : m->pooled;
    wi_entering e = {&c->head, activation};
    run->watch = c->params.head_hidden ? wi_entering_watch : NULL;
    run->tap_context = &e;
    images(c, run, m, pixels, 1, embedding);
    run->watch = NULL;
    run->tap_context = NULL;
    if (!c->params.head_hidden) {
        average(m, 1, (size_t)grid(c) * grid(c), width); /* what stood there was normalised */
        memcpy(activation, m->pooled, width * sizeof *activation);
    }
    for (size_t u = 0; u < n_units; u++) {
        wi_one_hot(one, 1, n_units, wi_ld(n_units), u);
        if (!c->params.head_hidden)
            wi_through_norm(&c->head_norm, NULL, one, 1, wi_ld(n_units));
        wi_turn(run, &c->head, 1, one, wi_ld(n_units), m->projected, wi_ld(dim));
        memcpy(direction + u * dim, m->projected, dim * sizeof *direction);
    }
}

static const wi_tower_explain explanation = {
    .grid = grid, .regions = regions, .plan = plan, .units = units};

const wi_tower_kind wi_convnext_kind = {.name = "convnext",
                                        .role = WI_ROLE_IMAGE,
                                        .fields = fields,
                                        .values_bytes = sizeof(wi_convnext_params),
                                        .check = check,
                                        .describe = describe,
                                        .bytes = bytes,
                                        .open = open_convnext,
                                        .walk = walk,
                                        .macs = macs,
                                        .memory_bytes = sizeof(memory),
                                        .need = need_convnext,
                                        .take = take,
                                        .prepare = prepare,
                                        .images = images,
                                        .explain = &explanation};
_Static_assert(sizeof(wi_convnext_params) <= WI_TOWER_VALUES, "parameters fit");
