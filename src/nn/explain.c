#include "nn/explain.h"

#include <string.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* y = W x without the bias: directions have none. */
static void turn(wi_run *run, const wi_mat *mat, size_t m, float *x, size_t ld, float *y,
                 size_t ld_y)
{
    const wi_input in = wi_prepare(run, mat, m, x, ld);
    wi_linear_part(run, mat, 0, wi_mat_panels(mat), m, &in, y, ld_y, (wi_epilogue){0});
}

/* Rows of the identity: x[m, width] says unit first + row. */
static void one_hot(float *x, size_t m, size_t width, size_t ld, size_t first)
{
    for (size_t i = 0; i < m; i++) {
        memset(x + i * ld, 0, width * sizeof *x);
        x[i * ld + first + i] = 1.0f;
    }
}

static void copy_rows(float *to, size_t ld_to, const float *from, size_t ld, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * ld_to, from + i * ld, width * sizeof *to);
}

/* ---- ViT ---- */

uint32_t wi_vit_grid(const wi_vit *vit)
{
    return vit->image_px / vit->patch_px;
}

static size_t vit_tokens(const wi_vit *vit)
{
    return (size_t)wi_vit_grid(vit) * wi_vit_grid(vit) + 1;
}

static size_t vit_ld_mlp(const wi_vit *vit)
{
    const size_t a = wi_ld(vit->stack.mlp_width), b = wi_ld(vit->patch.k);
    return a > b ? a : b;
}

size_t wi_vit_hidden_floats(const wi_vit *vit)
{
    return vit_tokens(vit) * wi_ld(vit->stack.width);
}

typedef struct capture {
    int layer; /* of the tap that is wanted */
    const char *name;
    float *to;
    const wi_block *first; /* of the watched blocks */
    uint32_t n_watched, mlp_width;
    float *activation; /* [n_watched, mlp_width] */
} capture;

static void keep_hidden(void *context, const char *name, int layer, const float *x, size_t rows,
                        size_t width, size_t ld)
{
    const capture *c = context;
    if (layer == c->layer && !strcmp(name, c->name))
        copy_rows(c->to, ld, x, ld, rows, width);
}

/* The last block with each token attending to itself alone: x + out(v(ln1 x)), then the MLP. */
void wi_vit_regions(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    const wi_stack *s = &vit->stack;
    const wi_block *block = &s->blocks[s->n_layers - 1];
    const size_t ld = wi_ld(s->width), ld_qkv = wi_ld(3 * s->width), wide = vit_ld_mlp(vit),
                 m = vit_tokens(vit), ld_rows = wi_ld(vit->embedding_dim);
    capture c = {.layer = (int)s->n_layers - 1, .name = "vision/hidden", .to = hidden};
    run->tap = keep_hidden;
    run->tap_context = &c;
    wi_vit_forward(vit, run, memory, pixels, 1, embedding);
    run->tap = NULL;
    run->tap_context = NULL;
    copy_rows(memory->x, ld, hidden, ld, m, s->width);
    wi_input in = wi_norm_prepare(run, &block->ln1, m, memory->x, ld, &block->qkv, memory->h, ld);
    wi_linear(run, &block->qkv, m, &in, memory->qkv, ld_qkv, (wi_epilogue){0});
    copy_rows(memory->h, ld, memory->qkv + 2 * s->width, ld_qkv, m, s->width);
    in = wi_prepare(run, &block->out, m, memory->h, ld);
    wi_linear(run, &block->out, m, &in, memory->x, ld,
              (wi_epilogue){.after = memory->x, .ld_after = ld});
    in = wi_norm_prepare(run, &block->ln2, m, memory->x, ld, &block->fc1, memory->h, ld);
    wi_linear(run, &block->fc1, m, &in, memory->mlp, wide, (wi_epilogue){.act = s->act});
    in = wi_prepare(run, &block->fc2, m, memory->mlp, wide);
    wi_linear(run, &block->fc2, m, &in, memory->x, ld,
              (wi_epilogue){.after = memory->x, .ld_after = ld});
    in = wi_norm_prepare(run, &vit->post_norm, m, memory->x, ld, &vit->projection, memory->h, ld);
    wi_linear(run, &vit->projection, m, &in, rows, ld_rows, (wi_epilogue){0});
    copy_rows(out, vit->embedding_dim, rows + ld_rows, ld_rows, m - 1, vit->embedding_dim);
}

wi_unit_plan wi_vit_units_plan(const wi_vit *vit)
{
    const uint32_t n = vit->stack.n_layers < 2 ? vit->stack.n_layers : 2;
    return (wi_unit_plan){n, vit->stack.n_layers - n, vit->stack.mlp_width};
}

/* The class token is the first row. */
static void keep_activations(void *context, const wi_mat *mat, const float *x, size_t rows,
                             size_t ld)
{
    const capture *c = context;
    (void)rows;
    (void)ld;
    for (uint32_t i = 0; i < c->n_watched; i++)
        if (mat == &c->first[i].fc2)
            memcpy(c->activation + (size_t)i * c->mlp_width, x, c->mlp_width * sizeof *x);
}

/* The last norm is linear but for its common factor: it takes the mean out and weighs. */
static void through_norm(const wi_norm *norm, float *x, size_t m, size_t ld)
{
    for (size_t i = 0; i < m; i++) {
        float *row = x + i * ld;
        double sum = 0.0;
        for (size_t j = 0; j < norm->n; j++)
            sum += (double)row[j];
        const float mean = (float)(sum / norm->n);
        for (size_t j = 0; j < norm->n; j++)
            row[j] = (row[j] - mean) * norm->w[j];
    }
}

void wi_vit_units(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                  float *rows, float *embedding, float *activation, float *direction)
{
    const wi_unit_plan plan = wi_vit_units_plan(vit);
    const size_t ld = wi_ld(vit->stack.width), wide = vit_ld_mlp(vit), dim = vit->embedding_dim,
                 ld_rows = wi_ld(dim), batch = vit_tokens(vit);
    capture c = {.first = vit->stack.blocks + plan.first_layer,
                 .n_watched = plan.n_layers,
                 .mlp_width = plan.n_units,
                 .activation = activation};
    run->watch = keep_activations;
    run->tap_context = &c;
    wi_vit_forward(vit, run, memory, pixels, 1, embedding);
    run->watch = NULL;
    run->tap_context = NULL;
    for (uint32_t i = 0; i < plan.n_layers; i++) {
        const wi_block *block = &c.first[i];
        for (size_t u = 0; u < plan.n_units; u += batch) {
            const size_t m = min_size(batch, plan.n_units - u);
            one_hot(memory->mlp, m, plan.n_units, wide, u);
            turn(run, &block->fc2, m, memory->mlp, wide, memory->h, ld);
            through_norm(&vit->post_norm, memory->h, m, ld);
            turn(run, &vit->projection, m, memory->h, ld, rows, ld_rows);
            copy_rows(direction + ((size_t)i * plan.n_units + u) * dim, dim, rows, ld_rows, m, dim);
        }
    }
}

/* ---- ResNet ---- */

static uint32_t channels(const wi_resnet *net)
{
    return net->v.k;
}

uint32_t wi_resnet_grid(const wi_resnet *net)
{
    uint32_t side = net->image_px / 4;
    for (uint32_t i = 0; i < net->n_bottlenecks; i++)
        side /= net->bottlenecks[i].stride;
    return side;
}

static size_t resnet_tokens(const wi_resnet *net)
{
    return (size_t)wi_resnet_grid(net) * wi_resnet_grid(net) + 1;
}

size_t wi_resnet_hidden_floats(const wi_resnet *net)
{
    return resnet_tokens(net) * (wi_ld(channels(net)) + WI_PANEL);
}

/* hidden[positions, channels] packed, the last map. */
static void keep_map(void *context, const char *name, int layer, const float *x, size_t rows,
                     size_t width, size_t ld)
{
    const capture *c = context;
    if (layer == c->layer && !strcmp(name, c->name))
        copy_rows(c->to, width, x, ld, rows, width);
}

static void last_map(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                     const uint8_t *pixels, float *hidden, float *embedding)
{
    capture c = {
        .layer = net->stage_of[net->n_bottlenecks - 1], .name = "vision/layer", .to = hidden};
    run->tap = keep_map;
    run->tap_context = &c;
    wi_resnet_forward(net, run, memory, pixels, 1, embedding);
    run->tap = NULL;
    run->tap_context = NULL;
}

/* Attention pooling gives a weighted mean of c(v(x + position)) over the positions: here it is for
 * each position alone. */
void wi_resnet_regions(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                       const uint8_t *pixels, float *hidden, float *rows, float *embedding,
                       float *out)
{
    const size_t n = channels(net), ld = wi_ld(n), m = resnet_tokens(net) - 1,
                 ld_rows = wi_ld(net->embedding_dim);
    last_map(net, run, memory, pixels, hidden, embedding);
    for (size_t t = 0; t < m; t++)
        for (size_t i = 0; i < n; i++)
            memory->tokens[t * ld + i] = hidden[t * n + i] + net->position[(t + 1) * n + i];
    wi_input in = wi_prepare(run, &net->v, m, memory->tokens, ld);
    wi_linear(run, &net->v, m, &in, memory->kv, ld, (wi_epilogue){0});
    in = wi_prepare(run, &net->c, m, memory->kv, ld);
    wi_linear(run, &net->c, m, &in, rows, ld_rows, (wi_epilogue){0});
    copy_rows(out, net->embedding_dim, rows, ld_rows, m, net->embedding_dim);
}

wi_unit_plan wi_resnet_units_plan(const wi_resnet *net)
{
    return (wi_unit_plan){1, net->stage_of[net->n_bottlenecks - 1] - 1U, channels(net)};
}

void wi_resnet_units(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                     const uint8_t *pixels, float *hidden, float *rows, float *embedding,
                     float *activation, float *direction)
{
    const size_t n = channels(net), ld = wi_ld(n), dim = net->embedding_dim, ld_rows = wi_ld(dim),
                 batch = resnet_tokens(net);
    last_map(net, run, memory, pixels, hidden, embedding);
    for (size_t i = 0; i < n; i++) {
        float sum = 0.0f;
        for (size_t t = 0; t + 1 < batch; t++)
            sum += hidden[t * n + i];
        activation[i] = sum / (float)(batch - 1);
    }
    for (size_t u = 0; u < n; u += batch) {
        const size_t m = min_size(batch, n - u);
        one_hot(memory->tokens, m, n, ld, u);
        turn(run, &net->v, m, memory->tokens, ld, memory->kv, ld);
        turn(run, &net->c, m, memory->kv, ld, rows, ld_rows);
        copy_rows(direction + u * dim, dim, rows, ld_rows, m, dim);
    }
}
