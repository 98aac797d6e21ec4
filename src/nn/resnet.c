#include "nn/resnet.h"

#include "nn/pixels.h"

#include <math.h>
#include <string.h>

/* A batch of square maps, channels last: row (b, y, x) holds the channels. */
typedef struct map {
    float *x;
    size_t n, side, channels, ld;
} map;

static size_t map_rows(const map *m)
{
    return m->n * m->side * m->side;
}

/* Maps need no cache-set padding: their rows are few channels wide. */
static size_t ld_map(size_t channels)
{
    return wi_div_up(channels, WI_PANEL) * WI_PANEL;
}

static size_t out_side(const wi_conv *conv, size_t side)
{
    return (side + conv->stride - 1) / conv->stride;
}

/* --- sizes --- */

/* Calls back with every convolution and its input side; the walk that memory and MACs are counted
 * by. */
typedef void conv_visitor(void *context, const wi_conv *conv, size_t side_in);

static size_t walk(const wi_resnet *net, conv_visitor *visit, void *context)
{
    size_t side = net->image_px;
    for (int i = 0; i < 3; i++) {
        visit(context, &net->stem[i], side);
        side = out_side(&net->stem[i], side);
    }
    side /= 2;
    for (uint32_t i = 0; i < net->n_bottlenecks; i++) {
        const wi_bottleneck *b = &net->bottlenecks[i];
        visit(context, &b->conv1, side);
        visit(context, &b->conv2, side);
        if (b->stride == 2)
            side /= 2;
        visit(context, &b->conv3, side);
        if (b->has_down)
            visit(context, &b->down, side);
    }
    return side;
}

typedef struct sizes {
    size_t map_floats; /* the largest map of one image */
    uint64_t macs;
    wi_run_need *need;
    size_t max_images;
} sizes;

/* Rows of im2col and their quantised form live in each thread's scratch. */
enum { ROWS_AT_ONCE = 32 };

static size_t ld_columns(const wi_mat *mat)
{
    return wi_ld(mat->k);
}

static size_t ld_quantised(const wi_mat *mat)
{
    return wi_round_up(mat->k, 64) + 64;
}

static size_t conv_scratch(const wi_mat *mat)
{
    const size_t widened = (size_t)mat->k * 2 * WI_PANEL;
    const size_t quantised = ROWS_AT_ONCE * (ld_quantised(mat) / 4 + 2 + WI_MAX_APART);
    return widened + ROWS_AT_ONCE * ld_columns(mat) + quantised;
}

static void measure_conv(void *context, const wi_conv *conv, size_t side_in)
{
    sizes *s = context;
    const size_t side = out_side(conv, side_in), floats = side * side * ld_map(conv->mat.n);
    s->map_floats = floats > s->map_floats ? floats : s->map_floats;
    s->macs += (uint64_t)side * side * conv->mat.n * conv->mat.k;
    if (s->need) {
        wi_need_mat(s->need, &conv->mat, ROWS_AT_ONCE);
        wi_need_scratch(s->need, conv_scratch(&conv->mat));
    }
}

static size_t channels_out(const wi_resnet *net)
{
    return net->k.k;
}

static size_t n_tokens(const wi_resnet *net)
{
    const size_t side = net->image_px / 32;
    return side * side + 1;
}

void wi_resnet_need(const wi_resnet *net, size_t max_images, wi_run_need *need)
{
    sizes s = {.need = need, .max_images = max_images};
    walk(net, measure_conv, &s);
    const size_t rows = max_images * n_tokens(net);
    wi_need_mat(need, &net->k, rows);
    wi_need_mat(need, &net->v, rows);
    wi_need_mat(need, &net->q, rows);
    wi_need_mat(need, &net->c, rows);
    wi_need_scratch(need, n_tokens(net));
}

void wi_resnet_take(const wi_resnet *net, size_t max_images, wi_resnet_memory *memory,
                    wi_arena *arena)
{
    sizes s = {0};
    walk(net, measure_conv, &s);
    const size_t input = (size_t)net->image_px * net->image_px * WI_PANEL;
    const size_t map_floats = s.map_floats > input ? s.map_floats : input;
    const size_t ld = wi_ld(channels_out(net));
    size_t rows = 0;
    if (!wi_size_mul(max_images, n_tokens(net), &rows))
        arena->overflow = true;
    memory->max_images = max_images;
    for (int i = 0; i < 4; i++)
        memory->maps[i] = wi_arena_take(arena, max_images, map_floats * sizeof(float));
    memory->tokens = wi_arena_take(arena, rows, ld * sizeof(float));
    memory->kv = wi_arena_take(arena, rows, 2 * ld * sizeof(float));
    memory->q = wi_arena_take(arena, max_images, ld * sizeof(float));
    memory->pooled = wi_arena_take(arena, max_images, ld * sizeof(float));
    memory->projected = wi_arena_take(arena, max_images, wi_ld(net->embedding_dim) * sizeof(float));
    memory->index = wi_arena_take(arena, n_tokens(net), sizeof *memory->index);
    memory->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
}

void wi_resnet_prepare(const wi_resnet *net, wi_resnet_memory *memory)
{
    wi_pixel_values(net->mean, net->std, memory->pixel_values);
    for (size_t i = 0; i < n_tokens(net); i++)
        memory->index[i] = (uint32_t)i;
}

/* --- convolutions --- */

typedef struct conv_job {
    wi_run *run;
    const wi_conv *conv;
    const map *in;
    map out;
    wi_epilogue epilogue;
    size_t panels_per_job, n_panel_jobs;
} conv_job;

/* columns[m, size*size*channels]: the neighbourhood of each output pixel, zero outside the picture.
 */
static void gather_columns(const conv_job *job, size_t first, size_t m, float *columns, size_t ld)
{
    const wi_conv *conv = job->conv;
    const map *in = job->in;
    const size_t side = job->out.side, pad = (conv->size - 1) / 2, c = in->channels;
    for (size_t i = 0; i < m; i++) {
        const size_t at = first + i, b = at / (side * side), y = at / side % side, x = at % side;
        for (size_t ky = 0; ky < conv->size; ky++)
            for (size_t kx = 0; kx < conv->size; kx++) {
                float *to = columns + i * ld + (ky * conv->size + kx) * c;
                const size_t sy = y * conv->stride + ky - pad, sx = x * conv->stride + kx - pad;
                if (sy < in->side && sx < in->side) /* also false after wrapping below zero */
                    memcpy(to, in->x + ((b * in->side + sy) * in->side + sx) * in->ld,
                           c * sizeof *to);
                else
                    memset(to, 0, c * sizeof *to);
            }
    }
}

/* The job's own quantised rows, in its thread's scratch: rows of one image must not wait for the
 * others. */
static void quantise_columns(const conv_job *job, float *columns, size_t ld, size_t m,
                             float *scratch, wi_input *in)
{
    const wi_mat *mat = &job->conv->mat;
    const size_t ld_q = ld_quantised(mat);
    wi_row_scale *scale = (wi_row_scale *)scratch;
    float *apart = scratch + 2 * ROWS_AT_ONCE;
    uint8_t *q = (uint8_t *)(apart + ROWS_AT_ONCE * WI_MAX_APART);
    for (size_t i = 0; i < m; i++)
        scale[i] = wi_quantise_apart(job->run->kern, mat, columns + i * ld, q + i * ld_q,
                                     apart + i * WI_MAX_APART);
    *in = (wi_input){.x = columns, .ld = ld, .q = q, .ld_q = ld_q, .scale = scale, .apart = apart};
}

static void conv_run(void *context, size_t index, int worker)
{
    const conv_job *job = context;
    const wi_mat *mat = &job->conv->mat;
    const size_t first_panel = index % job->n_panel_jobs * job->panels_per_job;
    const size_t first = index / job->n_panel_jobs * ROWS_AT_ONCE;
    const size_t all_rows = map_rows(&job->out), all_panels = wi_mat_panels(mat);
    const size_t m = all_rows - first < ROWS_AT_ONCE ? all_rows - first : ROWS_AT_ONCE;
    const size_t n = all_panels - first_panel < job->panels_per_job ? all_panels - first_panel
                                                                    : job->panels_per_job;
    /* The first part of the scratch is for widened panels (wi_linear_here). */
    float *columns = job->run->scratch[worker] + (size_t)mat->k * 2 * WI_PANEL;
    const size_t ld = ld_columns(mat), column = first_panel * WI_PANEL;
    wi_input in = {.x = columns, .ld = ld};
    if (job->conv->size == 1 && mat->type != WI_MAT_S8 && !job->run->watch) {
        in.x = job->in->x + first * job->in->ld;
        in.ld = job->in->ld;
    } else {
        gather_columns(job, first, m, columns, ld);
        if (job->run->watch)
            job->run->watch(job->run->tap_context, mat, columns, m, ld);
        if (mat->type == WI_MAT_S8)
            quantise_columns(job, columns, ld, m, columns + ROWS_AT_ONCE * ld, &in);
    }
    wi_epilogue e = job->epilogue;
    e.bias = e.bias ? e.bias + column : NULL;
    e.before = e.before ? e.before + first * e.ld_before + column : NULL;
    wi_linear_here(job->run, worker, mat, first_panel, n, m, &in,
                   job->out.x + first * job->out.ld + column, job->out.ld, &e);
}

/* out = act(conv(in) + before). */
static map convolve(wi_run *run, const wi_conv *conv, const map *in, float *memory,
                    const map *before, wi_act act)
{
    map out = {memory, in->n, out_side(conv, in->side), conv->mat.n, ld_map(conv->mat.n)};
    conv_job job = {.run = run, .conv = conv, .in = in, .out = out};
    job.epilogue = (wi_epilogue){.bias = conv->mat.bias, .act = act};
    if (before) {
        job.epilogue.before = before->x;
        job.epilogue.ld_before = before->ld;
    }
    const size_t row_jobs = wi_div_up(map_rows(&out), ROWS_AT_ONCE),
                 panels = wi_mat_panels(&conv->mat);
    const size_t n_threads = (size_t)wi_pool_threads(run->pool);
    job.n_panel_jobs = row_jobs >= 2 * n_threads || n_threads == 1 ? 1 : n_threads;
    job.panels_per_job = wi_div_up(panels, job.n_panel_jobs);
    job.n_panel_jobs = wi_div_up(panels, job.panels_per_job);
    if (run->watch) { /* a watcher is not asked to be thread-safe, and sees each row once */
        job.panels_per_job = panels;
        job.n_panel_jobs = 1;
        for (size_t i = 0; i < row_jobs; i++)
            conv_run(&job, i, 0);
    } else {
        wi_pool_run(run->pool, row_jobs * job.n_panel_jobs, conv_run, &job);
    }
    return out;
}

/* 2x2 average, stride 2. */
static map average(const map *in, float *memory)
{
    map out = {memory, in->n, in->side / 2, in->channels, in->ld};
    for (size_t b = 0; b < in->n; b++)
        for (size_t y = 0; y < out.side; y++)
            for (size_t x = 0; x < out.side; x++) {
                const float *a = in->x + ((b * in->side + 2 * y) * in->side + 2 * x) * in->ld;
                const float *c = a + in->side * in->ld;
                float *to = out.x + ((b * out.side + y) * out.side + x) * out.ld;
                for (size_t i = 0; i < in->ld; i++)
                    to[i] = ((a[i] + a[in->ld + i]) + (c[i] + c[in->ld + i])) * 0.25f;
            }
    return out;
}

/* --- the network --- */

static void tap_map(const wi_run *run, const char *name, int layer, const map *m)
{
    wi_tap(run, name, layer, m->x, m->side * m->side, m->channels, m->ld);
}

static map load_pixels(const wi_resnet *net, const wi_resnet_memory *memory, const uint8_t *pixels,
                       size_t n)
{
    map in = {memory->maps[0], n, net->image_px, 3, WI_PANEL};
    for (size_t i = 0; i < map_rows(&in); i++)
        for (size_t c = 0; c < 3; c++)
            in.x[i * in.ld + c] = memory->pixel_values[c * 256 + pixels[3 * i + c]];
    return in;
}

/* x lives in maps[0]; the other three are free. */
static map bottleneck(wi_run *run, const wi_resnet_memory *memory, const wi_bottleneck *b, map x)
{
    map y = convolve(run, &b->conv1, &x, memory->maps[1], NULL, WI_RELU);
    y = convolve(run, &b->conv2, &y, memory->maps[2], NULL, WI_RELU);
    if (b->stride == 2)
        y = average(&y, memory->maps[1]);
    map shortcut = x;
    if (b->has_down) {
        if (b->stride == 2)
            x = average(&x, memory->maps[3]);
        /* With no stride, x is still in maps[0] and maps[3] is free; with one, x moved out of
         * maps[0]. */
        shortcut =
            convolve(run, &b->down, &x, memory->maps[b->stride == 2 ? 0 : 3], NULL, WI_NO_ACT);
    }
    /* In place over the shortcut: each output is added to its own element. */
    return convolve(run, &b->conv3, &y, shortcut.x, &shortcut, WI_RELU);
}

/* Token 0 is the mean over the map; positions are added; token 0 asks, all answer. */
static void attention_pool(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                           const map *x, float *out)
{
    const size_t c = x->channels, tokens = n_tokens(net), ld = wi_ld(c), d = c / net->n_heads;
    const size_t ld_out = wi_ld(net->embedding_dim);
    for (size_t b = 0; b < x->n; b++) {
        float *rows = memory->tokens + b * tokens * ld;
        for (size_t i = 0; i < c; i++) {
            float sum = 0.0f;
            for (size_t t = 1; t < tokens; t++) {
                const float v = x->x[(b * (tokens - 1) + t - 1) * x->ld + i];
                sum += v;
                rows[t * ld + i] = v + net->position[t * c + i];
            }
            rows[i] = sum / (float)(tokens - 1) + net->position[i];
        }
    }
    wi_input in = wi_prepare(run, &net->q, x->n * tokens, memory->tokens, ld);
    in = wi_input_every(run, &in, &net->q, tokens, x->n);
    wi_linear(run, &net->q, x->n, &in, memory->q, ld, (wi_epilogue){0});
    in = wi_prepare(run, &net->k, x->n * tokens, memory->tokens, ld);
    wi_linear(run, &net->k, x->n * tokens, &in, memory->kv, 2 * ld, (wi_epilogue){0});
    in = wi_prepare(run, &net->v, x->n * tokens, memory->tokens, ld);
    wi_linear(run, &net->v, x->n * tokens, &in, memory->kv + ld, 2 * ld, (wi_epilogue){0});
    for (size_t b = 0; b < x->n; b++)
        for (size_t h = 0; h < net->n_heads; h++) {
            const float *kv = memory->kv + b * tokens * 2 * ld + h * d;
            run->kern->attend(tokens, d, 1.0f / sqrtf((float)d), memory->q + b * ld + h * d, kv,
                              kv + ld, 2 * ld, memory->index, run->scratch[0],
                              memory->pooled + b * ld + h * d);
        }
    in = wi_prepare(run, &net->c, x->n, memory->pooled, ld);
    wi_linear(run, &net->c, x->n, &in, memory->projected, ld_out, (wi_epilogue){0});
    for (size_t b = 0; b < x->n; b++)
        memcpy(out + b * net->embedding_dim, memory->projected + b * ld_out,
               net->embedding_dim * sizeof *out);
}

static void swap_to_front(wi_resnet_memory *memory, const float *x)
{
    for (int i = 1; i < 4; i++)
        if (memory->maps[i] == x) {
            memory->maps[i] = memory->maps[0];
            memory->maps[0] = (float *)(uintptr_t)x;
        }
}

void wi_resnet_forward(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                       const uint8_t *pixels, size_t n, float *out)
{
    map x = load_pixels(net, memory, pixels, n);
    x = convolve(run, &net->stem[0], &x, memory->maps[1], NULL, WI_RELU);
    x = convolve(run, &net->stem[1], &x, memory->maps[0], NULL, WI_RELU);
    x = convolve(run, &net->stem[2], &x, memory->maps[1], NULL, WI_RELU);
    x = average(&x, memory->maps[0]);
    tap_map(run, "vision/avgpool", 0, &x);
    for (uint32_t i = 0; i < net->n_bottlenecks; i++) {
        x = bottleneck(run, memory, &net->bottlenecks[i], x);
        swap_to_front(memory, x.x);
        if (i + 1 == net->n_bottlenecks || net->stage_of[i + 1] != net->stage_of[i])
            tap_map(run, "vision/layer", net->stage_of[i], &x);
    }
    attention_pool(net, run, memory, &x, out);
}

uint64_t wi_resnet_macs(const wi_resnet *net)
{
    sizes s = {0};
    walk(net, measure_conv, &s);
    const uint64_t c = channels_out(net), t = n_tokens(net);
    return s.macs + 2 * t * c * c + c * c + c * net->embedding_dim + 2 * t * c;
}
