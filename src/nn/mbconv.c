#include "nn/mbconv.h"
#include "nn/explain.h"

#include "base/error.h"
#include "kern/half.h"
#include "nn/clip.h"
#include "nn/conv.h"
#include "nn/pixels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* In int8, what leaves a ReLU6 lies in 0..6 and is kept in 7 bits of this step; the clamp of those bits
 * is the activation. What has no activation (a block's output) stays in floats and is quantised pixel by
 * pixel on its way into the next expansion. */
#define STEP (6.0f / 127.0f)

typedef struct block {
    wi_mat expand, depthwise, project;
    uint32_t stage, number; /* within its stage */
    uint32_t kernel, stride;
    uint32_t in, hidden, out;   /* channels */
    uint32_t side_in, side_out; /* pixels */
    bool has_expand;
} block;

typedef struct mbconv {
    wi_mbconv_params params;
    uint32_t embedding_dim;
    float mean[3], std[3];
    wi_conv stem;
    wi_mat head, projection, branch1, branch2;
    wi_mat look_query, look_out; /* [heads, channels], [embedding, heads * channels] */
    const float *look_place;     /* [heads, places] */
    uint32_t n_blocks;
    block blocks[];
} mbconv;

/* What int8 products of a block multiply and add, in steps of their outputs. */
typedef struct block_steps {
    float *expand_scale, *expand_bias, *depthwise_bias; /* [hidden panels] */
} block_steps;

typedef struct memory {
    float *maps[2];      /* [max pictures, the largest block's output] */
    float *head;         /* [last side^2, head width] of one picture */
    float *pooled;       /* [max pictures, head width] */
    float *branch;       /* [max pictures, branch width] */
    float *projected;    /* [max pictures, embedding] */
    float *look;         /* [places, pool heads], and behind it one head's places */
    float *seen;         /* [max pictures, pool heads * channels] */
    float *pixel_values; /* [3][256] */
    float *stem;         /* the stem's panels with their inputs in (column, row, channel) order */
    unsigned char
        *depth; /* hidden channels after the depthwise convolution of one picture's small map */
    wi_row_scale *steps; /* [n_steps]: as many rows of STEP as a product has */
    size_t n_steps;
    block_steps *blocks;
    unsigned char **own; /* one for each thread */
} memory;

/* --- parameters --- */

#define KEY(name) "whatsit.image." name
#define STAGES(name, member, most)                                                                 \
    WI_U32S(KEY(name), wi_mbconv_params, member, WI_MBCONV_STAGES, most, WI_FIELD_REQUIRED)
static const wi_field fields[] = {
    WI_U32(KEY("size_px"), wi_mbconv_params, image_px, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    WI_U32(KEY("stem_width"), wi_mbconv_params, stem_width, WI_MAX_WIDTH, WI_FIELD_REQUIRED, 0),
    WI_U32(KEY("head_width"), wi_mbconv_params, head_width, WI_MAX_WIDTH, WI_FIELD_REQUIRED, 0),
    STAGES("stage_blocks", blocks, WI_MAX_LAYERS),
    STAGES("stage_width", width, WI_MAX_WIDTH),
    STAGES("stage_expansion", expansion, 64),
    STAGES("stage_kernel", kernel, WI_DEPTHWISE_MAX),
    STAGES("stage_stride", stride, 2),
    WI_F32(KEY("norm_eps"), wi_mbconv_params, norm_eps, WI_FIELD_IMPLIED, 1e-3f),
    WI_BOOL(KEY("projection"), wi_mbconv_params, has_projection, 0, true),
    WI_BOOL(KEY("projection_bias"), wi_mbconv_params, has_projection_bias, 0, true),
    WI_U32(KEY("branch_width"), wi_mbconv_params, branch_width, WI_MAX_WIDTH, 0, 0),
    WI_U32(KEY("branch_activation"), wi_mbconv_params, branch_act, WI_N_BRANCH_ACTS - 1, 0,
           WI_BRANCH_GELU),
    WI_BOOL(KEY("branch_bias"), wi_mbconv_params, has_branch_bias, 0, false),
    WI_U32(KEY("look_heads"), wi_mbconv_params, look_heads, WI_MBCONV_LOOK_HEADS, 0, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check_stage(const wi_mbconv_params *p, uint32_t s, wi_error *error)
{
    const bool first = s == 0;
    if (wi_out_of_range(p->width[s], WI_MAX_WIDTH) || wi_out_of_range(p->expansion[s], 64) ||
        wi_out_of_range(p->kernel[s], WI_DEPTHWISE_MAX) || wi_out_of_range(p->stride[s], 2))
        return wi_fail(error, WI_ERR_FORMAT,
                       "stage %u: width %u, expansion %u, kernel %u, stride %u are not supported",
                       s + 1, p->width[s], p->expansion[s], p->kernel[s], p->stride[s]);
    if (first != (p->expansion[s] == 1))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "stage %u: %s; only the first stage has no expansion", s + 1,
                       first ? "an expansion" : "none");
    return WI_OK;
}

static uint32_t count_blocks(const wi_mbconv_params *p)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < WI_MBCONV_STAGES && p->blocks[s]; s++)
        n += p->blocks[s];
    return n;
}

static wi_status check(const void *values, wi_error *error)
{
    const wi_mbconv_params *p = values;
    if (wi_out_of_range(p->image_px, WI_MAX_IMAGE_PX))
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px is not supported", p->image_px);
    if (wi_out_of_range(p->stem_width, WI_MAX_WIDTH) ||
        wi_out_of_range(p->head_width, WI_MAX_WIDTH) || p->branch_width > WI_MAX_WIDTH)
        return wi_fail(error, WI_ERR_FORMAT, "stem, head or branch width: %u, %u, %u channels",
                       p->stem_width, p->head_width, p->branch_width);
    if ((p->branch_width || p->look_heads) && !p->has_projection)
        return wi_fail(error, WI_ERR_FORMAT,
                       "a branch or looking heads without the projection that they add to");
    if (p->blocks[0] != 1)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "the first stage has %u blocks; 1 is supported",
                       p->blocks[0]);
    if (p->stride[0] == 1 && p->width[0] == p->stem_width) /* the stem's rows are not kept */
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "the first block adds its input to its output; this is not supported");
    for (uint32_t s = 0; s < WI_MBCONV_STAGES && p->blocks[s]; s++) {
        const wi_status status = check_stage(p, s, error);
        if (status != WI_OK)
            return status;
    }
    if (wi_out_of_range(count_blocks(p), WI_MAX_LAYERS))
        return wi_fail(error, WI_ERR_FORMAT, "%u blocks are not supported", count_blocks(p));
    return WI_OK;
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_mbconv_params *p = values;
    *out = (wi_tower_facts){.image_px = p->image_px,
                            .width = p->head_width,
                            .n_layers = count_blocks(p),
                            .activation = "relu6"};
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    return sizeof(mbconv) + count_blocks(values) * sizeof(block);
}

static uint32_t out_side(uint32_t side, uint32_t stride)
{
    return (side + stride - 1) / stride;
}

static void open_mbconv(const void *values, const wi_tower_setting *setting, void *tower)
{
    mbconv *net = tower;
    const wi_mbconv_params *p = &net->params;
    net->params = *(const wi_mbconv_params *)values;
    net->embedding_dim = setting->embedding_dim;
    memcpy(net->mean, setting->mean, sizeof net->mean);
    memcpy(net->std, setting->std, sizeof net->std);
    net->stem = (wi_conv){.size = 3, .stride = 2};
    uint32_t in = p->stem_width, side = out_side(p->image_px, 2);
    for (uint32_t s = 0; s < WI_MBCONV_STAGES && p->blocks[s]; s++)
        for (uint32_t j = 0; j < p->blocks[s]; j++) {
            const uint32_t stride = j ? 1 : p->stride[s];
            net->blocks[net->n_blocks++] = (block){.stage = s,
                                                   .number = j,
                                                   .kernel = p->kernel[s],
                                                   .stride = stride,
                                                   .in = in,
                                                   .hidden = in * p->expansion[s],
                                                   .out = p->width[s],
                                                   .side_in = side,
                                                   .side_out = out_side(side, stride),
                                                   .has_expand = p->expansion[s] > 1};
            in = p->width[s];
            side = out_side(side, stride);
        }
}

static const block *last_block(const mbconv *net)
{
    return &net->blocks[net->n_blocks - 1];
}

static uint32_t last_places(const mbconv *net)
{
    return last_block(net)->side_out * last_block(net)->side_out;
}

static void pointwise(wi_walker *w, const char *prefix, const char *name, wi_mat *mat, uint32_t n,
                      uint32_t k, double norm_eps, const wi_mat *from, bool keep_float)
{
    wi_part part = {.kind = WI_PART_CONV,
                    .from = from,
                    .mat = mat,
                    .n = n,
                    .k = k,
                    .has_bias = true,
                    .keep_float = keep_float,
                    .conv_size = 1,
                    .norm_eps = norm_eps};
    wi_walk_part(w, &part, prefix, name);
}

static void walk(void *tower, wi_walker *w)
{
    mbconv *net = tower;
    const wi_mbconv_params *p = &net->params;
    const double eps = p->norm_eps;
    wi_walk_conv(w, "v.", "stem", &net->stem, p->stem_width, 3, eps);
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        block *b = &net->blocks[i];
        char prefix[32];
        const bool first = i == 0; /* in int8 it would lose twice what all others do */
        snprintf(prefix, sizeof prefix, "v.%u.", i);
        if (b->has_expand)
            pointwise(w, prefix, "expand", &b->expand, b->hidden, b->in, eps, &b[-1].project,
                      false);
        wi_walk_depthwise(w, prefix, "depthwise", &b->depthwise, b->hidden, b->kernel, eps,
                          b->has_expand ? &b->expand : &net->stem.mat, first);
        pointwise(w, prefix, "project", &b->project, b->out, b->hidden, eps, &b->depthwise, first);
    }
    pointwise(w, "v.", "head", &net->head, p->head_width, last_block(net)->out, eps,
              &last_block(net)->project, false);
    if (p->has_projection)
        wi_walk_projection(w, "v.", "proj", &net->projection, net->embedding_dim, p->head_width,
                           p->has_projection_bias);
    if (p->branch_width) {
        wi_part part = {.kind = WI_PART_LINEAR,
                        .from = &net->head,
                        .mat = &net->branch1,
                        .n = p->branch_width,
                        .k = p->head_width,
                        .has_bias = true};
        wi_walk_part(w, &part, "v.", "branch1");
        wi_walk_projection(w, "v.", "branch2", &net->branch2, net->embedding_dim, p->branch_width,
                           p->has_branch_bias);
    }
    if (p->look_heads) {
        const uint32_t channels = last_block(net)->out;
        wi_walk_projection(w, "v.", "look_query", &net->look_query, p->look_heads, channels, false);
        wi_walk_vector(w, "v.", "look_place", &net->look_place, p->look_heads, last_places(net));
        wi_walk_linear(w, "v.", "look_out", &net->look_out, net->embedding_dim,
                       p->look_heads * channels, false);
    }
}

static uint64_t macs(const void *tower)
{
    const mbconv *net = tower;
    const wi_mbconv_params *p = &net->params;
    const uint64_t side = out_side(p->image_px, 2);
    uint64_t n = side * side * p->stem_width * 27;
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        const block *b = &net->blocks[i];
        const uint64_t in = (uint64_t)b->side_in * b->side_in,
                       out = (uint64_t)b->side_out * b->side_out;
        n += b->has_expand ? in * b->in * b->hidden : 0;
        n += out * b->hidden * (b->kernel * b->kernel + b->out);
    }
    const uint64_t last = last_block(net)->side_out;
    n += last * last * last_block(net)->out * p->head_width;
    n += p->has_projection ? (uint64_t)p->head_width * net->embedding_dim : 0;
    n += (uint64_t)p->look_heads * last_block(net)->out * (2 * last * last + net->embedding_dim);
    return n + (uint64_t)p->branch_width * (p->head_width + net->embedding_dim);
}

static bool is_residual(const block *b)
{
    return b->stride == 1 && b->in == b->out;
}

static void foresee(void *tower)
{
    mbconv *net = tower;
    wi_clip_means(&net->stem.mat);
    wi_clip_means(&net->head);
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        block *b = &net->blocks[i];
        wi_clip_means(&b->expand);
        wi_clip_means(&b->depthwise);
        for (uint32_t c = 0; i && is_residual(b) && b->project.mean && c < b->out; c++)
            b->project.mean[c] += b[-1].project.mean[c];
    }
}

/* A block's matrices are all int8 or all float: one tells how the others are run. */
static wi_status bound(const void *tower, wi_error *error)
{
    const mbconv *net = tower;
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        const block *b = &net->blocks[i];
        const wi_mat *mats[] = {&b->depthwise, &b->project, &b->expand};
        for (size_t j = 0; j < (b->has_expand ? 3u : 2u); j++)
            if ((mats[j]->type == WI_MAT_S8) != (b->depthwise.type == WI_MAT_S8) ||
                mats[j]->n_apart)
                return wi_fail(error, WI_ERR_FORMAT,
                               "block %u mixes int8 and float weights: get the model again", i);
    }
    if (net->stem.mat.type == WI_MAT_S8)
        return wi_fail(error, WI_ERR_FORMAT, "the stem's weights are int8: get the model again");
    return WI_OK;
}

/* --- sizes --- */

static size_t panels_of(uint32_t channels)
{
    return wi_div_up(channels, WI_PANEL);
}

static size_t ld_hidden(const block *b)
{
    return panels_of(b->hidden) * WI_PANEL;
}

static bool is_s8(const block *b)
{
    return b->depthwise.type == WI_MAT_S8;
}

static size_t hidden_bytes(const block *b) /* of one channel of a pixel */
{
    return is_s8(b) ? 1 : sizeof(float);
}

/* Rows of hidden channels that `rows` rows of output read. */
static size_t rows_in(const block *b, size_t rows)
{
    const size_t n = (rows - 1) * b->stride + b->kernel;
    return n < b->side_in ? n : b->side_in;
}

/* Rows of output at a time: as many as leave their hidden channels in the second cache. */
static size_t strip_rows(const block *b)
{
    const size_t budget = is_s8(b) ? 192 << 10 : 448 << 10;
    size_t rows = 1;
    while (rows < b->side_out &&
           rows_in(b, rows + 1) * b->side_in * ld_hidden(b) * hidden_bytes(b) <= budget)
        rows++;
    return rows;
}

/* Bytes between quantised pixels: as many as a map has floats. */
static size_t ld_pixel(const block *b)
{
    return wi_ld_features(b->in);
}

/* A thread's own room for a block: hidden rows, what the depthwise convolution makes of them, quantised
 * pixels and their scales, rows of pixels for the stem. `rows` of output at a time. */
typedef struct room {
    size_t hidden, depth, q, scale, stem, all; /* where they begin; bytes */
} room;

/* Columns of the stem's pixel rows. */
static size_t stem_columns(const mbconv *net)
{
    return (size_t)net->params.image_px + 3;
}

static room room_of(const mbconv *net, const block *b, size_t rows)
{
    room r = {0};
    const size_t pixels_in = rows_in(b, rows) * b->side_in, pixels_out = rows * b->side_out;
    const size_t pixel = ld_hidden(b) * hidden_bytes(b);
    r.depth = wi_round_up(pixels_in * pixel, WI_ALIGN);
    r.q = r.depth + wi_round_up(pixels_out * pixel, WI_ALIGN);
    r.scale = r.q + wi_round_up(pixels_in * ld_pixel(b), WI_ALIGN);
    r.stem = r.scale + wi_round_up(pixels_in * sizeof(wi_row_scale), WI_ALIGN);
    r.all = r.stem;
    if (!b->has_expand)
        r.all += (stem_columns(net) * 9 + b->side_in * ld_hidden(b)) * sizeof(float) + WI_ALIGN;
    return r;
}

/* Small maps with threads to spare are split by channels, all rows at once. */
static bool by_channels(const block *b, size_t n_pictures, size_t n_threads)
{
    return n_threads > n_pictures && b->side_out < 28 && b->has_expand;
}

static size_t last_pixels(const mbconv *net)
{
    return (size_t)last_block(net)->side_out * last_block(net)->side_out;
}

static size_t head_ld(const mbconv *net)
{
    return wi_ld(net->params.head_width);
}

static size_t seen_ld(const mbconv *net)
{
    return wi_ld((size_t)net->params.look_heads * last_block(net)->out);
}

static void need_mbconv(const void *tower, size_t max_pictures, wi_run_need *need)
{
    const mbconv *net = tower;
    for (uint32_t i = 0; i < net->n_blocks; i++) { /* for half precision's widened panels alone */
        if (net->blocks[i].has_expand)
            wi_need_mat(need, &net->blocks[i].expand, 1);
        wi_need_mat(need, &net->blocks[i].project, 1);
    }
    wi_need_mat(need, &net->head, last_pixels(net));
    if (net->params.has_projection)
        wi_need_mat(need, &net->projection, max_pictures);
    if (net->params.branch_width) {
        wi_need_mat(need, &net->branch1, max_pictures);
        wi_need_mat(need, &net->branch2, max_pictures);
    }
    if (net->params.look_heads) {
        wi_need_mat(need, &net->look_query, last_pixels(net));
        wi_need_mat(need, &net->look_out, max_pictures);
    }
}

static void take_blocks(const mbconv *net, size_t n_threads, memory *m, wi_arena *arena)
{
    size_t own = 0, depth = 0, rows = 0;
    m->blocks = wi_arena_take(arena, net->n_blocks, sizeof *m->blocks);
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        const block *b = &net->blocks[i];
        const bool small = by_channels(b, 1, n_threads);
        const size_t n = small ? b->side_out : strip_rows(b);
        const room r = room_of(net, b, n);
        own = r.all > own ? r.all : own;
        const size_t pixels = n * b->side_out, all = pixels * ld_hidden(b) * hidden_bytes(b);
        depth = small && all > depth ? all : depth;
        rows = pixels > rows ? pixels : rows;
        if (!is_s8(b))
            continue;
        float *steps = wi_arena_take(arena, 3 * ld_hidden(b), sizeof *steps);
        if (m->blocks)
            m->blocks[i] = (block_steps){steps, steps ? steps + ld_hidden(b) : NULL,
                                         steps ? steps + 2 * ld_hidden(b) : NULL};
    }
    m->n_steps = rows;
    m->steps = wi_arena_take(arena, rows, sizeof *m->steps);
    m->depth = wi_arena_take(arena, depth, 1);
    m->own = wi_arena_take(arena, n_threads, sizeof *m->own);
    for (size_t t = 0; t < n_threads; t++) {
        unsigned char *mine = wi_arena_take(arena, own, 1);
        if (m->own)
            m->own[t] = mine;
    }
}

static void take(const void *tower, size_t max_pictures, size_t n_threads, void *to,
                 wi_arena *arena)
{
    const mbconv *net = tower;
    memory *m = to;
    size_t map = 0;
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        const block *b = &net->blocks[i];
        const size_t floats = (size_t)b->side_out * b->side_out * wi_ld_features(b->out);
        map = floats > map ? floats : map;
    }
    for (int i = 0; i < 2; i++)
        m->maps[i] = wi_arena_take(arena, max_pictures, map * sizeof(float));
    m->head = wi_arena_take(arena, last_pixels(net), head_ld(net) * sizeof(float));
    m->pooled = wi_arena_take(arena, max_pictures, head_ld(net) * sizeof(float));
    m->branch = wi_arena_take(arena, max_pictures, wi_ld(net->params.branch_width) * sizeof(float));
    m->projected = wi_arena_take(arena, max_pictures, wi_ld(net->embedding_dim) * sizeof(float));
    if (net->params.look_heads) {
        const size_t heads = net->params.look_heads;
        m->look = wi_arena_take(arena, last_pixels(net), (wi_ld(heads) + 1) * sizeof(float));
        m->seen = wi_arena_take(arena, max_pictures, seen_ld(net) * sizeof(float));
    }
    m->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
    m->stem =
        wi_arena_take(arena, panels_of(net->params.stem_width) * WI_PANEL, 27 * sizeof(float));
    take_blocks(net, n_threads, m, arena);
}

static float panel_value(const wi_mat *mat, size_t at)
{
    if (mat->type == WI_MAT_F32)
        return ((const float *)mat->panels)[at];
    const uint16_t half = ((const uint16_t *)mat->panels)[at];
    return mat->type == WI_MAT_F16 ? wi_f16_to_f32(half) : wi_bf16_to_f32(half);
}

static void prepare(const void *tower, void *of_session)
{
    const mbconv *net = tower;
    memory *m = of_session;
    wi_pixel_values(net->mean, net->std, m->pixel_values);
    for (size_t p = 0; p < panels_of(net->params.stem_width); p++)
        for (size_t ky = 0; ky < 3; ky++)
            for (size_t kx = 0; kx < 3; kx++)
                for (size_t i = 0; i < 3 * WI_PANEL; i++)
                    m->stem[(p * 27 + (kx * 3 + ky) * 3) * WI_PANEL + i] =
                        panel_value(&net->stem.mat, (p * 27 + (ky * 3 + kx) * 3) * WI_PANEL + i);
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        const block *b = &net->blocks[i];
        for (size_t j = 0; is_s8(b) && j < ld_hidden(b); j++) {
            if (b->has_expand) {
                m->blocks[i].expand_scale[j] = b->expand.scale[j] / STEP;
                m->blocks[i].expand_bias[j] = b->expand.bias[j] / STEP;
            }
            m->blocks[i].depthwise_bias[j] = b->depthwise.bias[j] / STEP;
        }
    }
    for (size_t i = 0; i < m->n_steps; i++)
        m->steps[i] = (wi_row_scale){STEP, 0};
}

/* --- running a block --- */

/* One block over n pictures. Jobs are parts of each picture's rows, with all channels, or parts of the
 * channels of one picture's rows. */
typedef struct block_job {
    const mbconv *net;
    const block *b;
    const block_steps *steps;
    wi_run *run;
    memory *m;
    const uint8_t *pixels; /* of block 0, which begins with the stem */
    const float *in;
    float *out;
    size_t n_parts, n_panel_parts;
} block_job;

/* What a job works on. */
typedef struct span {
    const block_job *job;
    int worker;
    size_t picture, first_row, end_row; /* of output */
    size_t first_panel, n_panels;       /* of hidden channels */
    size_t ld;                          /* of hidden pixels: channels of the span */
    room at;
    unsigned char *own;
    size_t have_first, have_end; /* rows of input whose hidden channels stand in the room */
} span;

static size_t ld_map(uint32_t channels)
{
    return wi_ld_features(channels);
}

/* Row y of the stem: pixels in (column, row, channel) order, so that outputs' inputs overlap and nothing
 * is gathered twice. Output x begins at column 2 x. */
static void stem_pixels(const span *s, size_t y, float *columns)
{
    const mbconv *net = s->job->net;
    const size_t px = net->params.image_px, pad = wi_same_padding(px, 3, 2);
    const uint8_t *picture = s->job->pixels + s->picture * px * px * 3;
    const float *values = s->job->m->pixel_values;
    memset(columns, 0, stem_columns(net) * 9 * sizeof *columns);
    for (size_t ky = 0; ky < 3; ky++) {
        const size_t row = 2 * y + ky - pad; /* wraps below zero */
        float *to = columns + (pad * 3 + ky) * 3;
        for (size_t x = 0; row < px && x < px; x++, to += 9) {
            const uint8_t *p = picture + (row * px + x) * 3;
            to[0] = values[p[0]];
            to[1] = values[256 + p[1]];
            to[2] = values[512 + p[2]];
        }
    }
}

static void stem_rows(const span *s, size_t first, size_t n, unsigned char *hidden)
{
    const block *b = s->job->b;
    const mbconv *net = s->job->net;
    const wi_kern *kern = s->job->run->kern;
    const wi_epilogue e = {.bias = net->stem.mat.bias, .act = WI_RELU6};
    float *columns = (float *)(void *)(s->own + s->at.stem), *row = columns + stem_columns(net) * 9;
    const size_t row_floats = b->side_in * s->ld;
    for (size_t y = 0; y < n; y++) {
        float *to = is_s8(b) ? row : (float *)(void *)hidden + y * row_floats;
        stem_pixels(s, first + y, columns);
        kern->gemm_f32(b->side_in, s->n_panels, 27, columns, 18, s->job->m->stem, to, s->ld, &e);
        if (is_s8(b))
            kern->clamp_u7(row_floats, row, 1.0f / STEP, hidden + y * row_floats);
    }
}

static void expand_s8(const span *s, const float *x, size_t m, unsigned char *hidden)
{
    const block *b = s->job->b;
    const block_steps *steps = s->job->steps;
    const wi_kern *kern = s->job->run->kern;
    const size_t ld = ld_pixel(b), k4 = wi_div_up(b->in, 4), column = s->first_panel * WI_PANEL;
    uint8_t *q = s->own + s->at.q;
    wi_row_scale *scale = (wi_row_scale *)(void *)(s->own + s->at.scale);
    /* Whole vectors: maps are padded with zeros, and what they become meets weights of zero. */
    for (size_t i = 0; i < m; i++)
        scale[i] = kern->quantise_row(ld, x + i * ld, q + i * ld);
    kern->gemm_s8_u7(m, s->n_panels, k4, q, ld, scale,
                     (const int8_t *)b->expand.panels + column * k4 * 4,
                     steps->expand_scale + column, b->expand.sum + column,
                     steps->expand_bias + column, hidden, s->ld);
}

/* The hidden channels of input rows [first, first + n). */
static void hidden_rows(const span *s, size_t first, size_t n, unsigned char *hidden)
{
    const block_job *job = s->job;
    const block *b = job->b;
    if (!b->has_expand) {
        stem_rows(s, first, n, hidden);
        return;
    }
    const size_t ld = ld_map(b->in), m = n * b->side_in;
    const float *x = job->in + (s->picture * b->side_in + first) * b->side_in * ld;
    if (is_s8(b)) {
        expand_s8(s, x, m, hidden);
        return;
    }
    const wi_input in = {.x = x, .ld = ld};
    const wi_epilogue e = {.bias = b->expand.bias + s->first_panel * WI_PANEL, .act = WI_RELU6};
    wi_linear_here(job->run, s->worker, &b->expand, s->first_panel, s->n_panels, m, &in,
                   (float *)(void *)hidden, s->ld, &e);
}

/* Row y of the depthwise convolution. */
static void depthwise_row(const span *s, size_t y, unsigned char *out, size_t ld_out)
{
    const block *b = s->job->b;
    const wi_kern *kern = s->job->run->kern;
    const size_t pad = wi_same_padding(b->side_in, b->kernel, b->stride);
    const size_t column = s->first_panel * WI_PANEL, bytes = b->side_in * s->ld * hidden_bytes(b);
    const size_t taps = b->depthwise.k;
    const wi_depthwise shape = {b->kernel,  b->stride,   (uint32_t)pad,
                                b->side_in, b->side_out, (uint32_t)s->n_panels};
    const void *rows[WI_DEPTHWISE_MAX];
    for (size_t ky = 0; ky < b->kernel; ky++) {
        const size_t row = y * b->stride + ky - pad; /* wraps below zero */
        rows[ky] = row < b->side_in ? s->own + s->at.hidden + (row - s->have_first) * bytes : NULL;
    }
    if (is_s8(b))
        kern->depthwise_s8(&shape, (const uint8_t *const *)rows, s->ld, 0,
                           (const int8_t *)b->depthwise.panels + column * taps,
                           b->depthwise.scale + column, s->job->steps->depthwise_bias + column, out,
                           ld_out);
    else
        kern->depthwise_f32(&shape, (const float *const *)rows, s->ld,
                            (const float *)b->depthwise.panels + column * taps,
                            b->depthwise.bias + column, WI_RELU6, (float *)(void *)out, ld_out);
}

/* Makes the hidden rows that output rows [first, end) read be in the room; what is there already
 * moves to its beginning. */
static void advance(span *s, size_t first, size_t end)
{
    const block *b = s->job->b;
    const size_t pad = wi_same_padding(b->side_in, b->kernel, b->stride);
    const size_t from = first * b->stride < pad ? 0 : first * b->stride - pad;
    size_t to = (end - 1) * b->stride + b->kernel - pad;
    to = to < b->side_in ? to : b->side_in;
    const size_t bytes = b->side_in * s->ld * hidden_bytes(b);
    unsigned char *hidden = s->own + s->at.hidden;
    size_t kept = s->have_end > from ? s->have_end - from : 0;
    if (kept)
        memmove(hidden, hidden + (from - s->have_first) * bytes, kept * bytes);
    s->have_first = from;
    s->have_end = to > from + kept ? to : from + kept;
    if (to > from + kept)
        hidden_rows(s, from + kept, to - from - kept, hidden + kept * bytes);
}

/* Rows [first, first + n) of the block's output, from what the depthwise convolution gave. */
static void project_rows(const span *s, size_t first, size_t n, const unsigned char *depth)
{
    const block_job *job = s->job;
    const block *b = job->b;
    const size_t row = (s->picture * b->side_out + first) * b->side_out, ld = ld_map(b->out);
    wi_input in = {.x = (const float *)(const void *)depth, .ld = s->ld};
    if (is_s8(b))
        in = (wi_input){.q = depth, .ld_q = s->ld, .scale = job->m->steps};
    wi_epilogue e = {.bias = b->project.bias};
    if (is_residual(b)) {
        e.after = job->in + row * ld;
        e.ld_after = ld;
    }
    wi_linear_here(job->run, s->worker, &b->project, 0, wi_mat_panels(&b->project), n * b->side_out,
                   &in, job->out + row * ld, ld, &e);
}

/* Strips of rows, all channels: from the block's input to its output. */
static void run_rows(span *s)
{
    const block *b = s->job->b;
    const size_t strip = strip_rows(b);
    unsigned char *depth = s->own + s->at.depth;
    for (size_t y = s->first_row; y < s->end_row; y += strip) {
        const size_t end = y + strip < s->end_row ? y + strip : s->end_row;
        advance(s, y, end);
        for (size_t i = y; i < end; i++)
            depthwise_row(s, i, depth + (i - y) * b->side_out * s->ld * hidden_bytes(b), s->ld);
        project_rows(s, y, end - y, depth);
    }
}

static void block_run(void *context, size_t index, int worker)
{
    const block_job *job = context;
    const block *b = job->b;
    const size_t panels = panels_of(b->hidden), part = index / job->n_panel_parts;
    const size_t panel_part = index % job->n_panel_parts, in_picture = part % job->n_parts;
    span s = {.job = job, .worker = worker, .own = job->m->own[worker]};
    s.picture = part / job->n_parts;
    s.first_row = b->side_out * in_picture / job->n_parts;
    s.end_row = b->side_out * (in_picture + 1) / job->n_parts;
    s.first_panel = panels * panel_part / job->n_panel_parts;
    s.n_panels = panels * (panel_part + 1) / job->n_panel_parts - s.first_panel;
    s.ld = s.n_panels * WI_PANEL;
    if (job->n_panel_parts == 1) {
        s.at = room_of(job->net, b, strip_rows(b));
        run_rows(&s);
        return;
    }
    s.at = room_of(job->net, b, b->side_out);
    advance(&s, 0, b->side_out);
    for (size_t y = 0; y < b->side_out; y++) {
        const size_t pixel = y * b->side_out * ld_hidden(b) + s.first_panel * WI_PANEL;
        depthwise_row(&s, y, job->m->depth + pixel * hidden_bytes(b), ld_hidden(b));
    }
}

static void project_run(void *context, size_t index, int worker)
{
    const block_job *job = context;
    const block *b = job->b;
    const size_t first = b->side_out * index / job->n_parts;
    const size_t end = b->side_out * (index + 1) / job->n_parts;
    span s = {.job = job, .worker = worker, .ld = ld_hidden(b)};
    if (end > first)
        project_rows(&s, first, end - first,
                     job->m->depth + first * b->side_out * s.ld * hidden_bytes(b));
}

static void run_block(const mbconv *net, wi_run *run, memory *m, uint32_t index,
                      const uint8_t *pixels, size_t n, const float *in, float *out)
{
    const size_t n_threads = (size_t)wi_pool_threads(run->pool);
    const block *b = &net->blocks[index];
    block_job job = {net, b, m->blocks + index, run, m, pixels, in, out, 1, 1};
    if (by_channels(b, n, n_threads)) { /* one picture after the other */
        for (size_t i = 0; i < n; i++) {
            job.in = in + i * b->side_in * b->side_in * ld_map(b->in);
            job.out = out + i * b->side_out * b->side_out * ld_map(b->out);
            job.n_parts = 1;
            job.n_panel_parts = n_threads < panels_of(b->hidden) ? n_threads : panels_of(b->hidden);
            wi_pool_run(run->pool, job.n_panel_parts, block_run, &job);
            job.n_panel_parts = 1;
            job.n_parts = n_threads;
            wi_pool_run(run->pool, job.n_parts, project_run, &job);
        }
        return;
    }
    job.n_parts = n_threads > n && b->side_out >= n_threads ? n_threads : 1;
    wi_pool_run(run->pool, n * job.n_parts, block_run, &job);
}

/* --- the network --- */

/* pooled[picture] = the mean of the head's channels. */
static void pool_head(const mbconv *net, wi_run *run, memory *m, size_t picture, float *x)
{
    const block *last = last_block(net);
    const size_t pixels = last_pixels(net), ld = ld_map(last->out), width = net->params.head_width;
    float *pooled = m->pooled + picture * head_ld(net);
    const wi_input in = wi_prepare(run, &net->head, pixels, x + picture * pixels * ld, ld);
    wi_linear(run, &net->head, pixels, &in, m->head, head_ld(net), (wi_epilogue){.act = WI_RELU6});
    memset(pooled, 0, width * sizeof *pooled);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < width; c++)
            pooled[c] += m->head[i * head_ld(net) + c];
    for (size_t c = 0; c < width; c++)
        pooled[c] /= (float)pixels;
}

/* seen[picture]: for each head the mean of x over the places it looks at. */
static void look(const mbconv *net, wi_run *run, memory *m, size_t picture, float *x)
{
    const uint32_t channels = last_block(net)->out;
    const size_t places = last_pixels(net), ld = ld_map(channels);
    const size_t heads = net->params.look_heads, ld_look = wi_ld(heads);
    float *weights = m->look + places * ld_look, *seen = m->seen + picture * seen_ld(net);
    float *first = x + picture * places * ld;
    const wi_input in = wi_prepare(run, &net->look_query, places, first, ld);
    wi_linear(run, &net->look_query, places, &in, m->look, ld_look, (wi_epilogue){0});
    memset(seen, 0, seen_ld(net) * sizeof *seen);
    for (size_t h = 0; h < heads; h++) {
        for (size_t i = 0; i < places; i++)
            weights[i] = m->look[i * ld_look + h] + net->look_place[h * places + i];
        run->kern->softmax(places, 1.0f, weights);
        for (size_t i = 0; i < places; i++)
            for (size_t c = 0; c < channels; c++)
                seen[h * channels + c] += weights[i] * first[i * ld + c];
    }
}

/* projected[n] += O r. */
static void add_seen(const mbconv *net, wi_run *run, memory *m, size_t n)
{
    const size_t ld = wi_ld(net->embedding_dim);
    if (!net->params.look_heads)
        return;
    const wi_input in = wi_prepare(run, &net->look_out, n, m->seen, seen_ld(net));
    wi_linear(run, &net->look_out, n, &in, m->projected, ld,
              (wi_epilogue){.after = m->projected, .ld_after = ld});
}

/* projected[n] = W f + b + V act(U f + c) + O r. */
static void project(const mbconv *net, wi_run *run, memory *m, size_t n)
{
    static const wi_act acts[] = {WI_GELU, WI_RELU, WI_NO_ACT};
    const wi_mbconv_params *p = &net->params;
    const size_t ld = wi_ld(net->embedding_dim), ld_branch = wi_ld(p->branch_width);
    wi_input in = wi_prepare(run, &net->projection, n, m->pooled, head_ld(net));
    wi_linear(run, &net->projection, n, &in, m->projected, ld, (wi_epilogue){0});
    add_seen(net, run, m, n);
    if (!p->branch_width)
        return;
    in = wi_prepare(run, &net->branch1, n, m->pooled, head_ld(net));
    wi_linear(run, &net->branch1, n, &in, m->branch, ld_branch,
              (wi_epilogue){.act = acts[p->branch_act]});
    for (size_t i = 0; p->branch_act == WI_BRANCH_SOFTMAX && i < n; i++)
        run->kern->softmax(p->branch_width, 1.0f, m->branch + i * ld_branch);
    in = wi_prepare(run, &net->branch2, n, m->branch, ld_branch);
    wi_linear(run, &net->branch2, n, &in, m->projected, ld,
              (wi_epilogue){.after = m->projected, .ld_after = ld});
}

static void forward(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    size_t n, float *out)
{
    const mbconv *net = tower;
    memory *m = of_session;
    const size_t dim = net->embedding_dim;
    float *x = NULL;
    for (uint32_t i = 0; i < net->n_blocks; i++) {
        const block *b = &net->blocks[i];
        float *y = m->maps[i % 2];
        run_block(net, run, m, i, pixels, n, x, y);
        wi_tap(run, "vision/block", (int)i, y, (size_t)b->side_out * b->side_out, b->out,
               ld_map(b->out));
        x = y;
    }
    for (size_t i = 0; i < n; i++)
        pool_head(net, run, m, i, x);
    for (size_t i = 0; net->params.look_heads && i < n; i++)
        look(net, run, m, i, x);
    if (net->params.has_projection)
        project(net, run, m, n);
    const float *from = net->params.has_projection ? m->projected : m->pooled;
    const size_t ld = net->params.has_projection ? wi_ld(dim) : head_ld(net);
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * dim, from + i * ld, dim * sizeof *out);
}

/* --- looking into it --- */

static uint32_t grid(const void *tower)
{
    return last_block(tower)->side_out;
}

/* What the looking heads see when they look at place i alone. */
static void look_at(const mbconv *net, memory *m, size_t i)
{
    const uint32_t channels = last_block(net)->out;
    const float *x = m->maps[(net->n_blocks - 1) % 2] + i * ld_map(channels);
    for (size_t h = 0; h < net->params.look_heads; h++)
        memcpy(m->seen + h * channels, x, channels * sizeof *x);
}

/* The pooled features are the mean of the positions': here each position speaks for itself. */
static void regions(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    const mbconv *net = tower;
    memory *m = of_session;
    const size_t dim = net->embedding_dim, width = net->params.head_width;
    const float *from = net->params.has_projection ? m->projected : m->pooled;
    (void)hidden;
    (void)rows;
    forward(tower, run, of_session, pixels, 1, embedding);
    for (size_t i = 0; i < last_pixels(net); i++) {
        memcpy(m->pooled, m->head + i * head_ld(net), width * sizeof *m->pooled);
        look_at(net, m, i);
        if (net->params.has_projection)
            project(net, run, m, 1);
        memcpy(out + i * dim, from, dim * sizeof *out);
    }
}

static wi_unit_plan plan(const void *tower)
{
    const mbconv *net = tower;
    return (wi_unit_plan){1, net->n_blocks, net->params.head_width};
}

/* What a feature adds by the projection; what the branch makes of it, which is not linear, and what the
 * looking heads see are left out. */
static void units(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation, float *direction)
{
    const mbconv *net = tower;
    memory *m = of_session;
    const size_t dim = net->embedding_dim, width = net->params.head_width;
    (void)hidden;
    forward(tower, run, of_session, pixels, 1, embedding);
    memcpy(activation, m->pooled, width * sizeof *activation);
    for (size_t u = 0; u < width; u++) {
        wi_one_hot(m->pooled, 1, width, head_ld(net), u);
        if (net->params.has_projection)
            wi_turn(run, &net->projection, 1, m->pooled, head_ld(net), rows, wi_ld(dim));
        memcpy(direction + u * dim, net->params.has_projection ? rows : m->pooled,
               dim * sizeof *direction);
    }
}

/* --- what a decoder sees: the last block's output and what the head made of it --- */

static wi_sight_shape sight_shape(const void *tower)
{
    const mbconv *net = tower;
    return (wi_sight_shape){(uint32_t)last_pixels(net), last_block(net)->out,
                            net->params.head_width};
}

static void copy_sight(const void *tower, const void *of_session, size_t picture, float *places,
                       float *pooled)
{
    const mbconv *net = tower;
    const memory *m = of_session;
    const size_t channels = last_block(net)->out, ld = ld_map(last_block(net)->out),
                 n = last_pixels(net);
    const float *map = m->maps[(net->n_blocks - 1) % 2] + picture * n * ld;
    for (size_t i = 0; i < n; i++)
        memcpy(places + i * channels, map + i * ld, channels * sizeof *places);
    memcpy(pooled, m->pooled + picture * head_ld(net), net->params.head_width * sizeof *pooled);
}

static bool shows(const char *name)
{
    return (name[2] >= '0' && name[2] <= '9') || !strncmp(name, "v.stem", 6) ||
           !strncmp(name, "v.head", 6);
}

static const wi_tower_sight sight = {.shape = sight_shape, .copy = copy_sight, .shows = shows};

static const wi_tower_explain explain = {
    .grid = grid, .regions = regions, .plan = plan, .units = units};

const wi_tower_kind wi_mbconv_kind = {.name = "mbconv",
                                      .role = WI_ROLE_IMAGE,
                                      .fields = fields,
                                      .values_bytes = sizeof(wi_mbconv_params),
                                      .check = check,
                                      .describe = describe,
                                      .bytes = bytes,
                                      .open = open_mbconv,
                                      .walk = walk,
                                      .bound = bound,
                                      .foresee = foresee,
                                      .macs = macs,
                                      .memory_bytes = sizeof(memory),
                                      .need = need_mbconv,
                                      .take = take,
                                      .prepare = prepare,
                                      .images = forward,
                                      .explain = &explain,
                                      .sight = &sight};
_Static_assert(sizeof(wi_mbconv_params) <= WI_TOWER_VALUES, "parameters fit");
