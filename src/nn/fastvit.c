#include "nn/fastvit.h"

#include "base/error.h"
#include "nn/attention.h"
#include "nn/depthwise.h"
#include "nn/explain.h"
#include "nn/pixels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STAGES = WI_FASTVIT_STAGES, HEAD_DIM = 32, STEM_INPUTS = 27, ROWS_PER_JOB = 16 };

/* Squeeze and excite: channels weighed by what all of the picture says. */
typedef struct squeeze {
    uint32_t n; /* 0: there is none */
    wi_mat fc1, fc2;
} squeeze;

typedef struct block {
    wi_channels mixer; /* replaces x; blocks that do not attend */
    wi_norm norm;      /* an affine map where params.layer_norm is false */
    wi_mat qkv, out;
    wi_channels conv;
    wi_mat fc1, fc2;
    const float *scale1, *scale2; /* [width]; scale1: of attention */
} block;

typedef struct stage {
    wi_channels down, positions;
    squeeze squeeze;
    wi_mat down_mat;
    uint32_t first, width, mlp_width, n_blocks;
    bool attends;
} stage;

typedef struct fastvit {
    wi_fastvit_params params;
    uint32_t embedding_dim;
    float mean[3], std[3];
    wi_mat stem0, stem2, head;
    wi_channels stem1, final;
    squeeze final_squeeze;
    int n_stages;
    stage stages[STAGES];
    uint32_t n_blocks;
    block blocks[];
} fastvit;

typedef struct memory {
    float *x, *h, *wide;
    float *pooled, *squeezed, *projected;
    float *pixel_values;  /* [3][256] */
    float *stem1, *final; /* panels */
    float *down[STAGES], *positions[STAGES];
    float **mixer, **conv; /* of each block */
} memory;

static size_t side_of(const fastvit *f, int s)
{
    return (f->params.image_px / 4) >> s;
}

/* --- parameters --- */

#define KEY(name) "whatsit.image." name
#define STAGE_LIST(name, member, most)                                                             \
    WI_U32S(KEY(name), wi_fastvit_params, member, STAGES, most, WI_FIELD_REQUIRED)
static const wi_field fields[] = {
    WI_U32(KEY("size_px"), wi_fastvit_params, image_px, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    STAGE_LIST("stage_width", width, WI_MAX_WIDTH),
    STAGE_LIST("stage_blocks", blocks, WI_MAX_LAYERS),
    STAGE_LIST("stage_mlp_width", mlp_width, 8 * WI_MAX_WIDTH),
    STAGE_LIST("stage_squeeze", squeeze, WI_MAX_WIDTH),
    STAGE_LIST("stage_attention", attention, 1),
    WI_U32(KEY("final_width"), wi_fastvit_params, final_width, WI_MAX_WIDTH, WI_FIELD_REQUIRED, 0),
    WI_U32(KEY("final_squeeze"), wi_fastvit_params, final_squeeze, WI_MAX_WIDTH, WI_FIELD_REQUIRED,
           0),
    WI_BOOL(KEY("layer_norm"), wi_fastvit_params, layer_norm, 0, false),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static int count_stages(const wi_fastvit_params *p)
{
    int n = 0;
    while (n < STAGES && p->blocks[n])
        n++;
    return n;
}

static wi_status check(const void *values, wi_error *error)
{
    const wi_fastvit_params *p = values;
    const int n = count_stages(p);
    if (n == 0 || wi_out_of_range(p->image_px, WI_MAX_IMAGE_PX) ||
        p->image_px % (4u << (n - 1)) != 0)
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px and %d stages", p->image_px, n);
    for (int s = 0; s < n; s++)
        if (wi_out_of_range(p->width[s], WI_MAX_WIDTH) ||
            wi_out_of_range(p->blocks[s], WI_MAX_LAYERS) ||
            wi_out_of_range(p->mlp_width[s], 8 * WI_MAX_WIDTH) ||
            (p->attention[s] && p->width[s] % HEAD_DIM) || (s && p->width[s] % p->width[s - 1]))
            return wi_fail(error, WI_ERR_FORMAT, "stage %d: %u blocks of width %u", s, p->blocks[s],
                           p->width[s]);
    if (wi_out_of_range(p->final_width, WI_MAX_WIDTH) || p->final_width % p->width[n - 1])
        return wi_fail(error, WI_ERR_FORMAT, "final width: %u after %u", p->final_width,
                       p->width[n - 1]);
    return WI_OK;
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_fastvit_params *p = values;
    const int n = count_stages(p);
    *out = (wi_tower_facts){.image_px = p->image_px,
                            .width = n ? p->width[n - 1] : 0,
                            .mlp_width = n ? p->mlp_width[n - 1] : 0,
                            .activation = wi_activation_name(WI_ACT_GELU)};
    for (int s = 0; s < n; s++)
        out->n_layers += p->blocks[s];
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    wi_tower_facts facts;
    describe(values, &facts);
    return sizeof(fastvit) + facts.n_layers * sizeof(block);
}

static void open_fastvit(const void *values, const wi_tower_setting *setting, void *tower)
{
    fastvit *f = tower;
    f->params = *(const wi_fastvit_params *)values;
    f->embedding_dim = setting->embedding_dim;
    memcpy(f->mean, setting->mean, sizeof f->mean);
    memcpy(f->std, setting->std, sizeof f->std);
    const wi_fastvit_params *p = &f->params;
    f->n_stages = count_stages(p);
    f->stem1 = (wi_channels){.width = p->width[0], .size = 3, .stride = 2};
    f->final = (wi_channels){.width = p->final_width, .size = 3, .stride = 1};
    f->final_squeeze.n = p->final_squeeze;
    for (int s = 0; s < f->n_stages; s++) {
        stage *st = &f->stages[s];
        *st = (stage){.first = f->n_blocks,
                      .width = p->width[s],
                      .mlp_width = p->mlp_width[s],
                      .n_blocks = p->blocks[s],
                      .attends = p->attention[s] != 0};
        st->down = (wi_channels){.width = p->width[s], .size = 7, .stride = 2};
        st->positions = (wi_channels){.width = p->width[s], .size = 7, .stride = 1};
        st->squeeze.n = p->squeeze[s];
        for (uint32_t i = 0; i < p->blocks[s]; i++) {
            block *b = &f->blocks[f->n_blocks++];
            b->mixer = (wi_channels){.width = p->width[s], .size = 3, .stride = 1};
            b->conv = (wi_channels){.width = p->width[s], .size = 7, .stride = 1};
            b->norm = (wi_norm){.eps = 1e-5f, .n = p->width[s]};
        }
    }
}

/* Nothing is stored as int8: no norm stands before the products, and their inputs spread so far that
 * eight bits left a cosine of 0.90 to the original. */
static void walk_squeeze(squeeze *q, uint32_t width, const char *prefix, wi_walker *w)
{
    if (!q->n)
        return;
    wi_walk_projection(w, prefix, "se1", &q->fc1, q->n, width, true);
    wi_walk_projection(w, prefix, "se2", &q->fc2, width, q->n, true);
}

static void walk_block(const stage *st, block *b, const char *prefix, wi_walker *w)
{
    if (st->attends) {
        wi_part qkv = {.kind = WI_PART_QKV,
                       .mat = &b->qkv,
                       .n = 3 * st->width,
                       .k = st->width,
                       .keep_float = true};
        wi_walk_norm(w, prefix, "ln", &b->norm);
        wi_walk_part(w, &qkv, prefix, "qkv");
        wi_walk_projection(w, prefix, "o", &b->out, st->width, st->width, true);
        wi_walk_vector(w, prefix, "ls1", &b->scale1, 1, st->width);
    } else {
        wi_walk_channels(w, prefix, "mixer", &b->mixer);
    }
    wi_walk_channels(w, prefix, "conv", &b->conv);
    wi_walk_projection(w, prefix, "fc1", &b->fc1, st->mlp_width, st->width, true);
    wi_walk_projection(w, prefix, "fc2", &b->fc2, st->width, st->mlp_width, true);
    wi_walk_vector(w, prefix, "ls2", &b->scale2, 1, st->width);
}

static void walk(void *tower, wi_walker *w)
{
    fastvit *f = tower;
    const wi_fastvit_params *p = &f->params;
    wi_walk_projection(w, "v.", "stem0", &f->stem0, p->width[0], STEM_INPUTS, true);
    wi_walk_channels(w, "v.", "stem1", &f->stem1);
    wi_walk_projection(w, "v.", "stem2", &f->stem2, p->width[0], p->width[0], true);
    for (int s = 0; s < f->n_stages; s++) {
        stage *st = &f->stages[s];
        char prefix[24];
        snprintf(prefix, sizeof prefix, "v.stage%d_", s);
        if (s) {
            wi_walk_channels(w, prefix, "down", &st->down);
            walk_squeeze(&st->squeeze, st->width, prefix, w);
            wi_walk_projection(w, prefix, "mix", &st->down_mat, st->width, st->width, true);
        }
        if (st->attends)
            wi_walk_channels(w, prefix, "positions", &st->positions);
        for (uint32_t i = 0; i < st->n_blocks; i++) {
            snprintf(prefix, sizeof prefix, "v.%d.%u.", s, i);
            walk_block(st, &f->blocks[st->first + i], prefix, w);
        }
    }
    wi_walk_channels(w, "v.", "final", &f->final);
    walk_squeeze(&f->final_squeeze, p->final_width, "v.final_", w);
    wi_walk_projection(w, "v.", "proj", &f->head, f->embedding_dim, p->final_width, true);
}

static uint64_t macs(const void *tower)
{
    const fastvit *f = tower;
    uint64_t sum = side_of(f, 0) * side_of(f, 0) * 4 * STEM_INPUTS * f->params.width[0];
    for (int s = 0; s < f->n_stages; s++) {
        const stage *st = &f->stages[s];
        const uint64_t t = side_of(f, s) * side_of(f, s), w = st->width;
        const uint64_t mixing = st->attends ? 4 * w * w + 2 * t * w : 9 * w;
        sum += t * st->n_blocks * (mixing + 49 * w + 2 * w * st->mlp_width) + t * w * (49 + w);
    }
    return sum + (uint64_t)f->params.final_width * f->embedding_dim;
}

/* --- memory --- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Floats of one picture's largest map (with its channels repeated) and of the widest rows. */
static void map_floats(const fastvit *f, size_t *map, size_t *wide)
{
    const size_t stem = 4 * side_of(f, 0) * side_of(f, 0);
    *map = stem * wi_ld(f->params.width[0]);
    *wide = stem * wi_ld(STEM_INPUTS);
    for (int s = 0; s < f->n_stages; s++) {
        const size_t pixels = side_of(f, s) * side_of(f, s);
        const size_t next = s + 1 < f->n_stages ? f->params.width[s + 1] : f->params.final_width;
        const size_t w = f->stages[s].width;
        *map = larger(*map, pixels * wi_ld(larger(w, next)));
        *wide = larger(*wide, pixels * wi_ld(larger(f->stages[s].mlp_width, 3 * w)));
    }
}

static void need_fastvit(const void *tower, size_t max_images, wi_run_need *need)
{
    const fastvit *f = tower;
    const size_t stem = 4 * max_images * side_of(f, 0) * side_of(f, 0);
    wi_need_mat(need, &f->stem0, stem);
    wi_need_mat(need, &f->stem2, stem);
    for (int s = 0; s < f->n_stages; s++) {
        const stage *st = &f->stages[s];
        const size_t pixels = side_of(f, s) * side_of(f, s), rows = max_images * pixels;
        if (s)
            wi_need_mat(need, &st->down_mat, rows);
        if (st->attends)
            wi_need_scratch(need, wi_attention_scratch(pixels, HEAD_DIM));
        for (uint32_t i = 0; i < st->n_blocks; i++) {
            const block *b = &f->blocks[st->first + i];
            wi_need_mat(need, &b->fc1, rows);
            wi_need_mat(need, &b->fc2, rows);
            if (st->attends) {
                wi_need_mat(need, &b->qkv, rows);
                wi_need_mat(need, &b->out, rows);
            }
        }
    }
    wi_need_mat(need, &f->head, max_images);
}

static void take(const void *tower, size_t max_images, size_t n_threads, void *to, wi_arena *arena)
{
    (void)n_threads;
    const fastvit *f = tower;
    memory *m = to;
    size_t map, wide, widest = f->params.final_width;
    map_floats(f, &map, &wide);
    m->x = wi_arena_take(arena, max_images, map * sizeof(float));
    m->h = wi_arena_take(arena, max_images, map * sizeof(float));
    m->wide = wi_arena_take(arena, max_images, wide * sizeof(float));
    for (int s = 0; s < f->n_stages; s++)
        widest = larger(widest, larger(f->stages[s].width, f->stages[s].squeeze.n));
    widest = larger(widest, f->final_squeeze.n);
    m->pooled = wi_arena_take(arena, max_images, wi_ld(widest) * sizeof(float));
    m->squeezed = wi_arena_take(arena, max_images, wi_ld(widest) * sizeof(float));
    m->projected = wi_arena_take(arena, max_images, wi_ld(f->embedding_dim) * sizeof(float));
    m->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
    m->stem1 = wi_channels_take(&f->stem1, arena);
    m->final = wi_channels_take(&f->final, arena);
    m->mixer = wi_arena_take(arena, f->n_blocks, sizeof *m->mixer);
    m->conv = wi_arena_take(arena, f->n_blocks, sizeof *m->conv);
    for (int s = 0; s < f->n_stages; s++) {
        m->down[s] = wi_channels_take(&f->stages[s].down, arena);
        m->positions[s] = wi_channels_take(&f->stages[s].positions, arena);
    }
    for (uint32_t i = 0; i < f->n_blocks; i++) {
        float *mixer = wi_channels_take(&f->blocks[i].mixer, arena);
        float *conv = wi_channels_take(&f->blocks[i].conv, arena);
        if (m->mixer && m->conv) {
            m->mixer[i] = mixer;
            m->conv[i] = conv;
        }
    }
}

static void prepare(const void *tower, void *of_session)
{
    const fastvit *f = tower;
    memory *m = of_session;
    wi_pixel_values(f->mean, f->std, m->pixel_values);
    wi_channels_prepare(&f->stem1, m->stem1);
    wi_channels_prepare(&f->final, m->final);
    for (int s = 0; s < f->n_stages; s++) {
        if (s)
            wi_channels_prepare(&f->stages[s].down, m->down[s]);
        if (f->stages[s].attends)
            wi_channels_prepare(&f->stages[s].positions, m->positions[s]);
        for (uint32_t i = f->stages[s].first; i < f->stages[s].first + f->stages[s].n_blocks; i++) {
            if (!f->stages[s].attends)
                wi_channels_prepare(&f->blocks[i].mixer, m->mixer[i]);
            wi_channels_prepare(&f->blocks[i].conv, m->conv[i]);
        }
    }
}

/* --- running --- */

/* wide[n * (px/2)^2, 27]: the 3x3 neighbours of every second pixel, in (channel, row, column) order;
 * outside the picture everything is zero. */
static void gather_stem(const fastvit *f, const memory *m, const uint8_t *pixels, size_t n)
{
    const size_t px = f->params.image_px, half = px / 2, ld = wi_ld(STEM_INPUTS);
    for (size_t i = 0; i < n * half * half; i++) {
        const size_t b = i / (half * half), y = i / half % half, x = i % half;
        float *to = m->wide + i * ld;
        for (size_t c = 0; c < 3; c++)
            for (size_t k = 0; k < 9; k++) {
                const size_t row = 2 * y + k / 3 - 1, column = 2 * x + k % 3 - 1; /* may wrap */
                const bool inside = row < px && column < px;
                to[c * 9 + k] =
                    inside
                        ? m->pixel_values[c * 256 + pixels[((b * px + row) * px + column) * 3 + c]]
                        : 0.0f;
            }
    }
}

typedef struct rows_job {
    wi_run *run;
    const float *from, *scale, *shift;
    float *to;
    size_t n, width, ld;
} rows_job;

#define FOR_ROWS(job, index, i)                                                                    \
    for (size_t i = (index) * ROWS_PER_JOB, end_ = i + ROWS_PER_JOB; i < end_ && i < (job)->n; i++)

static void gelu_row(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *j = context;
    FOR_ROWS(j, index, i)
    j->run->kern->activate(j->width, WI_GELU, j->to + i * j->ld);
}

static void add_weighed(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *j = context;
    FOR_ROWS(j, index, i)
    for (size_t k = 0; k < j->width; k++)
        j->to[i * j->ld + k] += j->scale[k] * j->from[i * j->ld + k];
}

static void affine_row(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *j = context;
    FOR_ROWS(j, index, i)
    for (size_t k = 0; k < j->width; k++)
        j->to[i * j->ld + k] = j->scale[k] * j->from[i * j->ld + k] + j->shift[k];
}

static void for_rows(wi_run *run, wi_pool_job *step, rows_job *job)
{
    job->run = run;
    wi_pool_run(run->pool, wi_div_up(job->n, ROWS_PER_JOB), step, job);
}

/* pooled[n] = the mean over each picture's pixels of map. */
static void average(memory *m, const float *map, size_t n, size_t pixels, size_t width)
{
    const size_t ld = wi_ld(width);
    for (size_t b = 0; b < n; b++)
        for (size_t k = 0; k < width; k++) {
            double sum = 0;
            for (size_t i = 0; i < pixels; i++)
                sum += (double)map[(b * pixels + i) * ld + k];
            m->pooled[b * ld + k] = (float)(sum / (double)pixels);
        }
}

/* map *= sigmoid(fc2 relu(fc1 mean(map))). */
static void excite(const squeeze *q, wi_run *run, memory *m, float *map, size_t n, size_t pixels,
                   size_t width)
{
    const size_t ld = wi_ld(width), ld_q = wi_ld(q->n);
    if (!q->n)
        return;
    average(m, map, n, pixels, width);
    wi_input in = wi_prepare(run, &q->fc1, n, m->pooled, ld);
    wi_linear(run, &q->fc1, n, &in, m->squeezed, ld_q, (wi_epilogue){.act = WI_RELU});
    in = wi_prepare(run, &q->fc2, n, m->squeezed, ld_q);
    wi_linear(run, &q->fc2, n, &in, m->pooled, ld, (wi_epilogue){0});
    for (size_t i = 0; i < n * pixels; i++)
        for (size_t k = 0; k < width; k++)
            map[i * ld + k] /= 1.0f + expf(-m->pooled[i / pixels * ld + k]);
}

/* h = x with every channel repeated, to `width` of them. */
static void repeat_channels(const memory *m, size_t rows, size_t before, size_t width)
{
    const size_t times = width / before, ld_x = wi_ld(before), ld_h = wi_ld(width);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < width; k++)
            m->h[i * ld_h + k] = m->x[i * ld_x + k / times];
}

static void swap_maps(memory *m)
{
    float *x = m->x;
    m->x = m->h;
    m->h = x;
}

static void run_stem(const fastvit *f, wi_run *run, memory *m, const uint8_t *pixels, size_t n)
{
    const size_t half = f->params.image_px / 2, width = f->params.width[0], ld = wi_ld(width);
    const size_t rows = n * half * half, quarter = rows / 4;
    gather_stem(f, m, pixels, n);
    wi_input in = wi_prepare(run, &f->stem0, rows, m->wide, wi_ld(STEM_INPUTS));
    wi_linear(run, &f->stem0, rows, &in, m->x, ld, (wi_epilogue){.act = WI_GELU});
    wi_channels_run(&f->stem1, run, m->stem1, m->x, n, half, ld, m->h);
    rows_job job = {.to = m->h, .n = quarter, .width = width, .ld = ld};
    for_rows(run, gelu_row, &job);
    in = wi_prepare(run, &f->stem2, quarter, m->h, ld);
    wi_linear(run, &f->stem2, quarter, &in, m->x, ld, (wi_epilogue){.act = WI_GELU});
}

static void enter_stage(const fastvit *f, wi_run *run, memory *m, size_t n, int s)
{
    const stage *st = &f->stages[s];
    const size_t side = side_of(f, s), rows = n * side * side, width = st->width, ld = wi_ld(width);
    if (s) {
        repeat_channels(m, 4 * rows, f->stages[s - 1].width, width);
        wi_channels_run(&st->down, run, m->down[s], m->h, n, 2 * side, ld, m->x);
        excite(&st->squeeze, run, m, m->x, n, side * side, width);
        rows_job job = {.to = m->x, .n = rows, .width = width, .ld = ld};
        for_rows(run, gelu_row, &job);
        const wi_input in = wi_prepare(run, &st->down_mat, rows, m->x, ld);
        wi_linear(run, &st->down_mat, rows, &in, m->h, ld, (wi_epilogue){.act = WI_GELU});
        swap_maps(m);
    }
    if (st->attends) {
        wi_channels_run(&st->positions, run, m->positions[s], m->x, n, side, ld, m->h);
        swap_maps(m);
    }
}

static void attend(const fastvit *f, const stage *st, const block *b, wi_run *run, memory *m,
                   size_t n, size_t pixels)
{
    const size_t width = st->width, ld = wi_ld(width), rows = n * pixels, ld_qkv = wi_ld(3 * width);
    if (f->params.layer_norm) {
        wi_norm_rows(run, &b->norm, rows, m->x, ld, m->h, ld);
    } else {
        rows_job job = {.from = m->x,
                        .scale = b->norm.w,
                        .shift = b->norm.b,
                        .to = m->h,
                        .n = rows,
                        .width = width,
                        .ld = ld};
        for_rows(run, affine_row, &job);
    }
    wi_input in = wi_prepare(run, &b->qkv, rows, m->h, ld);
    wi_linear(run, &b->qkv, rows, &in, m->wide, ld_qkv, (wi_epilogue){0});
    const wi_attention attention = {.q = m->wide,
                                    .kv = m->wide + width,
                                    .ld_q = ld_qkv,
                                    .q_rows = pixels,
                                    .ld_kv = ld_qkv,
                                    .batch = n,
                                    .n_tokens = pixels,
                                    .n_queries = pixels,
                                    .n_heads = width / HEAD_DIM,
                                    .width = width,
                                    .out = m->h,
                                    .ld_out = ld};
    wi_attend(run, &attention);
    in = wi_prepare(run, &b->out, rows, m->h, ld);
    wi_linear(run, &b->out, rows, &in, m->wide, ld, (wi_epilogue){0});
    rows_job job = {
        .from = m->wide, .scale = b->scale1, .to = m->x, .n = rows, .width = width, .ld = ld};
    for_rows(run, add_weighed, &job);
}

/* x += scale * mlp(conv(x)). */
static void mlp(const stage *st, const block *b, wi_run *run, memory *m, const float *panels,
                size_t n, size_t side)
{
    const size_t width = st->width, ld = wi_ld(width), wide = wi_ld(st->mlp_width),
                 rows = n * side * side;
    wi_channels_run(&b->conv, run, panels, m->x, n, side, ld, m->h);
    wi_input in = wi_prepare(run, &b->fc1, rows, m->h, ld);
    wi_linear(run, &b->fc1, rows, &in, m->wide, wide, (wi_epilogue){.act = WI_GELU});
    in = wi_prepare(run, &b->fc2, rows, m->wide, wide);
    wi_linear(run, &b->fc2, rows, &in, m->h, ld, (wi_epilogue){0});
    rows_job job = {
        .from = m->h, .scale = b->scale2, .to = m->x, .n = rows, .width = width, .ld = ld};
    for_rows(run, add_weighed, &job);
}

static void run_stage(const fastvit *f, wi_run *run, memory *m, size_t n, int s)
{
    const stage *st = &f->stages[s];
    const size_t side = side_of(f, s), ld = wi_ld(st->width);
    enter_stage(f, run, m, n, s);
    for (uint32_t i = st->first; i < st->first + st->n_blocks; i++) {
        const block *b = &f->blocks[i];
        if (st->attends) {
            attend(f, st, b, run, m, n, side * side);
        } else {
            wi_channels_run(&b->mixer, run, m->mixer[i], m->x, n, side, ld, m->h);
            swap_maps(m);
        }
        mlp(st, b, run, m, m->conv[i], n, side);
    }
    wi_tap(run, "vision/stage", s, m->x, n * side * side, st->width, ld);
}

/* m->x = the last map, m->pooled[n] its mean over each picture. */
static void see(const fastvit *f, wi_run *run, memory *m, const uint8_t *pixels, size_t n)
{
    const size_t width = f->params.final_width, ld = wi_ld(width),
                 side = side_of(f, f->n_stages - 1), rows = n * side * side;
    run_stem(f, run, m, pixels, n);
    for (int s = 0; s < f->n_stages; s++)
        run_stage(f, run, m, n, s);
    repeat_channels(m, rows, f->stages[f->n_stages - 1].width, width);
    wi_channels_run(&f->final, run, m->final, m->h, n, side, ld, m->x);
    excite(&f->final_squeeze, run, m, m->x, n, side * side, width);
    rows_job job = {.to = m->x, .n = rows, .width = width, .ld = ld};
    for_rows(run, gelu_row, &job);
    average(m, m->x, n, side * side, width);
    wi_tap(run, "vision/pooled", 0, m->pooled, n, width, ld);
}

static void images(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                   size_t n, float *out)
{
    const fastvit *f = tower;
    memory *m = of_session;
    const size_t dim = f->embedding_dim, ld = wi_ld(f->params.final_width), ld_out = wi_ld(dim);
    see(f, run, m, pixels, n);
    const wi_input in = wi_prepare(run, &f->head, n, m->pooled, ld);
    wi_linear(run, &f->head, n, &in, m->projected, ld_out, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * dim, m->projected + b * ld_out, dim * sizeof *out);
}

/* --- looking inside --- */

static uint32_t grid(const void *tower)
{
    const fastvit *f = tower;
    return (uint32_t)side_of(f, f->n_stages - 1);
}

/* The embedding is the mean of these: behind the last map stands nothing but a matrix. */
static void regions(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    (void)hidden;
    const fastvit *f = tower;
    memory *m = of_session;
    const size_t dim = f->embedding_dim, ld = wi_ld(f->params.final_width),
                 n = (size_t)grid(f) * grid(f);
    images(f, run, m, pixels, 1, embedding);
    const wi_input in = wi_prepare(run, &f->head, n, m->x, ld);
    wi_linear(run, &f->head, n, &in, rows, wi_ld(dim), (wi_epilogue){0});
    wi_copy_rows(out, dim, rows, wi_ld(dim), n, dim);
}

static wi_unit_plan plan(const void *tower)
{
    const fastvit *f = tower;
    return (wi_unit_plan){1, (uint32_t)f->n_stages, f->params.final_width};
}

/* The channels of the last map, each by its mean. */
static void units(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation, float *direction)
{
    (void)hidden;
    const fastvit *f = tower;
    memory *m = of_session;
    const size_t width = f->params.final_width, ld = wi_ld(width), dim = f->embedding_dim,
                 batch = (size_t)grid(f) * grid(f);
    images(f, run, m, pixels, 1, embedding);
    memcpy(activation, m->pooled, width * sizeof *activation);
    for (size_t u = 0; u < width; u += batch) {
        const size_t n = width - u < batch ? width - u : batch;
        wi_one_hot(m->h, n, width, ld, u);
        wi_turn(run, &f->head, n, m->h, ld, rows, wi_ld(dim));
        wi_copy_rows(direction + u * dim, dim, rows, wi_ld(dim), n, dim);
    }
}

static const wi_tower_explain explanation = {
    .grid = grid, .regions = regions, .plan = plan, .units = units};

const wi_tower_kind wi_fastvit_kind = {.name = "fastvit",
                                       .role = WI_ROLE_IMAGE,
                                       .fields = fields,
                                       .values_bytes = sizeof(wi_fastvit_params),
                                       .check = check,
                                       .describe = describe,
                                       .bytes = bytes,
                                       .open = open_fastvit,
                                       .walk = walk,
                                       .macs = macs,
                                       .memory_bytes = sizeof(memory),
                                       .need = need_fastvit,
                                       .take = take,
                                       .prepare = prepare,
                                       .images = images,
                                       .explain = &explanation};
_Static_assert(sizeof(wi_fastvit_params) <= WI_TOWER_VALUES, "parameters fit");
