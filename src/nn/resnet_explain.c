/* Looking into a ResNet. */
#include "nn/explain.h"
#include "nn/resnet.h"

static uint32_t grid(const void *tower)
{
    return (uint32_t)wi_resnet_grid(tower);
}

static uint32_t channels(const wi_resnet *net)
{
    return net->v.k;
}

static size_t hidden_floats(const void *tower)
{
    const wi_resnet *net = tower;
    return wi_resnet_tokens(net) * (wi_ld(channels(net)) + WI_PANEL);
}

/* hidden[positions, channels] packed. */
static void last_map(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                     const uint8_t *pixels, float *hidden, float *embedding)
{
    wi_capture c = {"vision/layer", (int)net->bottlenecks[net->n_bottlenecks - 1].stage, hidden,
                    channels(net)};
    run->tap = wi_capture_tap;
    run->tap_context = &c;
    wi_resnet_forward(net, run, memory, pixels, 1, embedding);
    run->tap = NULL;
    run->tap_context = NULL;
}

/* Attention pooling gives a weighted mean of c(v(x + position)) over the positions: here it is for
 * each position alone. */
static void regions(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    const wi_resnet *net = tower;
    wi_resnet_memory *memory = of_session;
    const size_t n = channels(net), ld = wi_ld(n), m = wi_resnet_tokens(net) - 1,
                 ld_rows = wi_ld(net->embedding_dim);
    last_map(net, run, memory, pixels, hidden, embedding);
    for (size_t t = 0; t < m; t++)
        for (size_t i = 0; i < n; i++)
            memory->tokens[t * ld + i] = hidden[t * n + i] + net->position[(t + 1) * n + i];
    wi_input in = wi_prepare(run, &net->v, m, memory->tokens, ld);
    wi_linear(run, &net->v, m, &in, memory->kv, ld, (wi_epilogue){0});
    in = wi_prepare(run, &net->c, m, memory->kv, ld);
    wi_linear(run, &net->c, m, &in, rows, ld_rows, (wi_epilogue){0});
    wi_copy_rows(out, net->embedding_dim, rows, ld_rows, m, net->embedding_dim);
}

static wi_unit_plan plan(const void *tower)
{
    const wi_resnet *net = tower;
    return (wi_unit_plan){1, net->bottlenecks[net->n_bottlenecks - 1].stage - 1, channels(net)};
}

static void units(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation, float *direction)
{
    const wi_resnet *net = tower;
    wi_resnet_memory *memory = of_session;
    const size_t n = channels(net), ld = wi_ld(n), dim = net->embedding_dim, ld_rows = wi_ld(dim),
                 batch = wi_resnet_tokens(net);
    last_map(net, run, memory, pixels, hidden, embedding);
    for (size_t i = 0; i < n; i++) {
        float sum = 0.0f;
        for (size_t t = 0; t + 1 < batch; t++)
            sum += hidden[t * n + i];
        activation[i] = sum / (float)(batch - 1);
    }
    for (size_t u = 0; u < n; u += batch) {
        const size_t m = n - u < batch ? n - u : batch;
        wi_one_hot(memory->tokens, m, n, ld, u);
        wi_turn(run, &net->v, m, memory->tokens, ld, memory->kv, ld);
        wi_turn(run, &net->c, m, memory->kv, ld, rows, ld_rows);
        wi_copy_rows(direction + u * dim, dim, rows, ld_rows, m, dim);
    }
}

const wi_tower_explain wi_resnet_explain = {
    .grid = grid, .hidden_floats = hidden_floats, .regions = regions, .plan = plan, .units = units};
