#include "nn/resnet.h"

#include "base/error.h"
#include "nn/pixels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- parameters --- */

#define KEY(name) "whatsit.image." name
enum { SIZE = WI_FIELD_REQUIRED | WI_FIELD_FIRST };
/* The fields of transformers stand in the first files of every ResNet, and in its fingerprint. */
static const wi_field fields[] = {
    WI_U32(KEY("size_px"), wi_resnet_params, image_px, WI_MAX_IMAGE_PX, SIZE, 0),
    WI_U32(KEY("width"), wi_resnet_params, width, WI_MAX_WIDTH / 32, SIZE, 0),
    WI_U32(KEY("heads"), wi_resnet_params, n_heads, WI_MAX_HEADS, SIZE, 0),
    WI_U32(KEY("activation"), wi_resnet_params, activation, WI_N_ACTIVATIONS - 1, WI_FIELD_FIRST,
           WI_ACT_RELU),
    WI_F32(KEY("ln_eps"), wi_resnet_params, eps, WI_FIELD_FIRST, 1e-5f),
    WI_U32(KEY("stage1"), wi_resnet_params, stage_blocks[0], WI_MAX_LAYERS, SIZE, 0),
    WI_U32(KEY("stage2"), wi_resnet_params, stage_blocks[1], WI_MAX_LAYERS, SIZE, 0),
    WI_U32(KEY("stage3"), wi_resnet_params, stage_blocks[2], WI_MAX_LAYERS, SIZE, 0),
    WI_U32(KEY("stage4"), wi_resnet_params, stage_blocks[3], WI_MAX_LAYERS, SIZE, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_resnet_params *p = values;
    if (wi_out_of_range(p->image_px, WI_MAX_IMAGE_PX))
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px is not supported", p->image_px);
    if (wi_out_of_range(p->width, WI_MAX_WIDTH / 32) || p->width % 2 != 0)
        return wi_fail(error, WI_ERR_FORMAT, "ResNet width: %u is not supported", p->width);
    if (p->image_px % 32 != 0)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "ResNet image size: %u px is no multiple of 32",
                       p->image_px);
    if (wi_out_of_range(p->n_heads, WI_MAX_HEADS) || p->width * 32 % p->n_heads != 0)
        return wi_fail(error, WI_ERR_FORMAT, "attention pool: %u heads do not divide %u channels",
                       p->n_heads, p->width * 32);
    for (int i = 0; i < 4; i++)
        if (wi_out_of_range(p->stage_blocks[i], WI_MAX_LAYERS))
            return wi_fail(error, WI_ERR_FORMAT, "ResNet stage %d: %u blocks", i + 1,
                           p->stage_blocks[i]);
    return WI_OK;
}

static uint32_t count_blocks(const wi_resnet_params *p)
{
    return p->stage_blocks[0] + p->stage_blocks[1] + p->stage_blocks[2] + p->stage_blocks[3];
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_resnet_params *p = values;
    *out = (wi_tower_facts){.image_px = p->image_px,
                            .width = p->width,
                            .n_layers = count_blocks(p),
                            .n_heads = p->n_heads,
                            .activation = wi_activation_name(WI_ACT_RELU)};
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    return sizeof(wi_resnet) + count_blocks(values) * sizeof(wi_bottleneck);
}

static void open_resnet(const void *values, const wi_tower_setting *setting, void *tower)
{
    wi_resnet *net = tower;
    net->params = *(const wi_resnet_params *)values;
    net->embedding_dim = setting->embedding_dim;
    memcpy(net->mean, setting->mean, sizeof net->mean);
    memcpy(net->std, setting->std, sizeof net->std);
    for (int i = 0; i < 3; i++)
        net->stem[i] = (wi_conv){.size = 3, .stride = i == 0 ? 2 : 1};
    for (uint32_t s = 0; s < 4; s++)
        for (uint32_t j = 0; j < net->params.stage_blocks[s]; j++)
            net->bottlenecks[net->n_bottlenecks++] =
                (wi_bottleneck){.stage = s + 1,
                                .conv1 = {.size = 1, .stride = 1},
                                .conv2 = {.size = 3, .stride = 1},
                                .conv3 = {.size = 1, .stride = 1},
                                .down = {.size = 1, .stride = 1},
                                .has_down = j == 0,
                                .stride = j == 0 && s > 0 ? 2 : 1};
}

enum { OUT_CHANNELS = 32 }; /* times the width */

static uint32_t channels_out(const wi_resnet *net)
{
    return OUT_CHANNELS * net->params.width;
}

static void conv(wi_walker *w, const char *prefix, const char *name, wi_conv *c, uint32_t n,
                 uint32_t channels)
{
    wi_walk_conv(w, prefix, name, c, n, channels, 1e-5);
}

/* Channels: stem w/2, w/2, w; stage s has planes w * 2^(s-1) and gives four times as many. */
static void walk(void *tower, wi_walker *w)
{
    wi_resnet *r = tower;
    const uint32_t width = r->params.width, last = channels_out(r);
    conv(w, "v.", "stem.1", &r->stem[0], width / 2, 3);
    conv(w, "v.", "stem.2", &r->stem[1], width / 2, width / 2);
    conv(w, "v.", "stem.3", &r->stem[2], width, width / 2);
    uint32_t channels = width;
    for (uint32_t i = 0, j = 0; i < r->n_bottlenecks; i++) {
        wi_bottleneck *b = &r->bottlenecks[i];
        const uint32_t planes = width << (b->stage - 1);
        char prefix[32];
        j = i && b->stage == b[-1].stage ? j + 1 : 0;
        snprintf(prefix, sizeof prefix, "v.%u.%u.", b->stage, j);
        conv(w, prefix, "conv1", &b->conv1, planes, channels);
        conv(w, prefix, "conv2", &b->conv2, planes, planes);
        conv(w, prefix, "conv3", &b->conv3, 4 * planes, planes);
        if (b->has_down)
            conv(w, prefix, "down", &b->down, 4 * planes, channels);
        channels = 4 * planes;
    }
    wi_walk_vector(w, "v.", "pool.pos", &r->position, (uint32_t)wi_resnet_tokens(r), last);
    wi_walk_linear(w, "v.", "pool.q", &r->q, last, last, true);
    wi_walk_linear(w, "v.", "pool.k", &r->k, last, last, true);
    wi_walk_linear(w, "v.", "pool.v", &r->v, last, last, true);
    wi_walk_linear(w, "v.", "pool.c", &r->c, r->embedding_dim, last, true);
}

/* --- sizes --- */

/* Calls back with every convolution and its input side; the walk that memory and MACs are counted
 * by. */
typedef void conv_visitor(void *context, const wi_conv *conv, size_t side_in);

static void visit_convs(const wi_resnet *net, conv_visitor *visit, void *context)
{
    size_t side = net->params.image_px;
    for (int i = 0; i < 3; i++) {
        visit(context, &net->stem[i], side);
        side = wi_conv_out_side(&net->stem[i], side);
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
}

typedef struct sizes {
    size_t map_floats; /* the largest map of one image */
    uint64_t macs;
    wi_run_need *need;
} sizes;

static void measure_conv(void *context, const wi_conv *c, size_t side_in)
{
    sizes *s = context;
    const size_t side = wi_conv_out_side(c, side_in),
                 floats = side * side * wi_ld_features(c->mat.n);
    s->map_floats = floats > s->map_floats ? floats : s->map_floats;
    s->macs += (uint64_t)side * side * c->mat.n * c->mat.k;
    if (s->need)
        wi_conv_need(c, s->need);
}

static void need_resnet(const void *tower, size_t max_images, wi_run_need *need)
{
    const wi_resnet *net = tower;
    sizes s = {.need = need};
    visit_convs(net, measure_conv, &s);
    const size_t rows = max_images * wi_resnet_tokens(net);
    wi_need_mat(need, &net->k, rows);
    wi_need_mat(need, &net->v, rows);
    wi_need_mat(need, &net->q, rows);
    wi_need_mat(need, &net->c, rows);
    wi_need_scratch(need, wi_resnet_tokens(net));
}

static void take(const void *tower, size_t max_images, size_t n_threads, void *to, wi_arena *arena)
{
    (void)n_threads;
    const wi_resnet *net = tower;
    wi_resnet_memory *memory = to;
    sizes s = {0};
    visit_convs(net, measure_conv, &s);
    const size_t input = (size_t)net->params.image_px * net->params.image_px * WI_PANEL;
    const size_t map_floats = s.map_floats > input ? s.map_floats : input;
    const size_t ld = wi_ld(channels_out(net));
    size_t rows = 0;
    if (!wi_size_mul(max_images, wi_resnet_tokens(net), &rows))
        arena->overflow = true;
    for (int i = 0; i < 4; i++)
        memory->maps[i] = wi_arena_take(arena, max_images, map_floats * sizeof(float));
    memory->tokens = wi_arena_take(arena, rows, ld * sizeof(float));
    memory->kv = wi_arena_take(arena, rows, 2 * ld * sizeof(float));
    memory->q = wi_arena_take(arena, max_images, ld * sizeof(float));
    memory->pooled = wi_arena_take(arena, max_images, ld * sizeof(float));
    memory->projected = wi_arena_take(arena, max_images, wi_ld(net->embedding_dim) * sizeof(float));
    memory->index = wi_arena_take(arena, wi_resnet_tokens(net), sizeof *memory->index);
    memory->pixel_values = wi_arena_take(arena, 3 * 256, sizeof(float));
}

static void prepare(const void *tower, void *of_session)
{
    const wi_resnet *net = tower;
    wi_resnet_memory *memory = of_session;
    wi_pixel_values(net->mean, net->std, memory->pixel_values);
    for (size_t i = 0; i < wi_resnet_tokens(net); i++)
        memory->index[i] = (uint32_t)i;
}

/* --- the network --- */

static void tap_map(const wi_run *run, const char *name, int layer, const wi_features *m)
{
    wi_tap(run, name, layer, m->x, m->side * m->side, m->channels, m->ld);
}

/* x lives in maps[0]; the other three are free. */
static wi_features bottleneck(wi_run *run, const wi_resnet_memory *memory, const wi_bottleneck *b,
                              wi_features x)
{
    wi_features y = wi_convolve(run, &b->conv1, &x, memory->maps[1], NULL, WI_RELU);
    y = wi_convolve(run, &b->conv2, &y, memory->maps[2], NULL, WI_RELU);
    if (b->stride == 2)
        y = wi_features_average(&y, memory->maps[1]);
    wi_features shortcut = x;
    if (b->has_down) {
        if (b->stride == 2)
            x = wi_features_average(&x, memory->maps[3]);
        /* With no stride, x is still in maps[0] and maps[3] is free; with one, x moved out of
         * maps[0]. */
        shortcut =
            wi_convolve(run, &b->down, &x, memory->maps[b->stride == 2 ? 0 : 3], NULL, WI_NO_ACT);
    }
    /* In place over the shortcut: each output is added to its own element. */
    return wi_convolve(run, &b->conv3, &y, shortcut.x, &shortcut, WI_RELU);
}

/* Token 0 is the mean over the map; positions are added; token 0 asks, all answer. */
static void attention_pool(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                           const wi_features *x, float *out)
{
    const size_t c = x->channels, tokens = wi_resnet_tokens(net), ld = wi_ld(c),
                 d = c / net->params.n_heads;
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
        for (size_t h = 0; h < net->params.n_heads; h++) {
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

void wi_resnet_forward(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                       size_t n, float *out)
{
    const wi_resnet *net = tower;
    wi_resnet_memory *memory = of_session;
    wi_features x = wi_features_of_pixels(memory->pixel_values, pixels, n, net->params.image_px,
                                          memory->maps[0]);
    x = wi_convolve(run, &net->stem[0], &x, memory->maps[1], NULL, WI_RELU);
    x = wi_convolve(run, &net->stem[1], &x, memory->maps[0], NULL, WI_RELU);
    x = wi_convolve(run, &net->stem[2], &x, memory->maps[1], NULL, WI_RELU);
    x = wi_features_average(&x, memory->maps[0]);
    tap_map(run, "vision/avgpool", 0, &x);
    for (uint32_t i = 0; i < net->n_bottlenecks; i++) {
        x = bottleneck(run, memory, &net->bottlenecks[i], x);
        swap_to_front(memory, x.x);
        if (i + 1 == net->n_bottlenecks ||
            net->bottlenecks[i + 1].stage != net->bottlenecks[i].stage)
            tap_map(run, "vision/layer", (int)net->bottlenecks[i].stage, &x);
    }
    attention_pool(net, run, memory, &x, out);
}

static uint64_t macs(const void *tower)
{
    const wi_resnet *net = tower;
    sizes s = {0};
    visit_convs(net, measure_conv, &s);
    const uint64_t c = channels_out(net), t = wi_resnet_tokens(net);
    return s.macs + 2 * t * c * c + c * c + c * net->embedding_dim + 2 * t * c;
}

const wi_tower_kind wi_resnet_kind = {.name = "resnet",
                                      .role = WI_ROLE_IMAGE,
                                      .number = 2,
                                      .fields = fields,
                                      .values_bytes = sizeof(wi_resnet_params),
                                      .check = check,
                                      .describe = describe,
                                      .bytes = bytes,
                                      .open = open_resnet,
                                      .walk = walk,
                                      .macs = macs,
                                      .memory_bytes = sizeof(wi_resnet_memory),
                                      .need = need_resnet,
                                      .take = take,
                                      .prepare = prepare,
                                      .images = wi_resnet_forward,
                                      .explain = &wi_resnet_explain};
_Static_assert(sizeof(wi_resnet_params) <= WI_TOWER_VALUES, "parameters fit");
