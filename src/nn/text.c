#include "nn/text.h"

#include <math.h>
#include <string.h>

enum { NODES_PER_JOB = 16 };

/* The buffer of the MLP's hidden rows also takes the last layer's queries. */
static size_t ld_mlp(const wi_text_net *net)
{
    const wi_stack *s = &net->stack;
    return wi_ld(s->mlp_width > s->width ? s->mlp_width : s->width);
}

void wi_text_need(const wi_text_net *net, size_t max_nodes, wi_run_need *need)
{
    for (uint32_t i = 0; i < net->stack.n_layers; i++) {
        const wi_block *block = &net->stack.blocks[i];
        wi_need_mat(need, &block->qkv, max_nodes);
        wi_need_mat(need, &block->out, max_nodes);
        wi_need_mat(need, &block->fc1, max_nodes);
        wi_need_mat(need, &block->fc2, max_nodes);
    }
    wi_need_mat(need, &net->projection, max_nodes);
    wi_need_scratch(need, net->context_length);
}

void wi_text_take(const wi_text_net *net, size_t max_nodes, size_t n_threads,
                  wi_text_memory *memory, wi_arena *arena)
{
    const size_t width = net->stack.width;
    memory->max_nodes = max_nodes;
    memory->nodes_run = 0;
    memory->token = wi_arena_take(arena, max_nodes, sizeof *memory->token);
    memory->parent = wi_arena_take(arena, max_nodes, sizeof *memory->parent);
    memory->depth = wi_arena_take(arena, max_nodes, sizeof *memory->depth);
    memory->end = wi_arena_take(arena, max_nodes, sizeof *memory->end);
    memory->row = wi_arena_take(arena, max_nodes, sizeof *memory->row);
    memory->end_nodes = wi_arena_take(arena, max_nodes, sizeof *memory->end_nodes);
    memory->path = wi_arena_take(arena, n_threads, sizeof *memory->path);
    for (size_t i = 0; i < n_threads; i++) {
        uint32_t *mine = wi_arena_take(arena, net->context_length, sizeof **memory->path);
        if (memory->path)
            memory->path[i] = mine;
    }
    memory->x = wi_arena_take(arena, max_nodes, wi_ld(width) * sizeof(float));
    memory->h = wi_arena_take(arena, max_nodes, wi_ld(width) * sizeof(float));
    memory->ends = wi_arena_take(arena, max_nodes, wi_ld(width) * sizeof(float));
    memory->qkv = wi_arena_take(arena, max_nodes, wi_ld(3 * width) * sizeof(float));
    memory->mlp = wi_arena_take(arena, max_nodes, ld_mlp(net) * sizeof(float));
    memory->projected = wi_arena_take(arena, max_nodes, wi_ld(net->embedding_dim) * sizeof(float));
}

/* --- the tree --- */

typedef struct tree {
    size_t n_nodes, n_prompts;
} tree;

/* The longest beginning that a prompt shares with the one before it; their last common node is
 * found by walking up from that one's end. Sorted prompts share only with their neighbour. */
static size_t shared_length(const wi_prompt *a, const wi_prompt *b)
{
    const size_t most = a->n_ids < b->n_ids ? a->n_ids : b->n_ids;
    size_t n = 0;
    while (n < most && a->ids[n] == b->ids[n])
        n++;
    return n;
}

static tree grow(wi_text_memory *memory, const wi_prompt *prompts, size_t n)
{
    tree t = {0, 0};
    while (t.n_prompts < n && t.n_prompts < memory->max_nodes) {
        const wi_prompt *p = &prompts[t.n_prompts];
        size_t shared = 0;
        uint32_t node = 0;
        if (t.n_prompts > 0) {
            shared = shared_length(p - 1, p);
            node = memory->end[t.n_prompts - 1];
            while (shared > 0 && memory->depth[node] + 1 > shared)
                node = memory->parent[node];
        }
        if (p->n_ids - shared > memory->max_nodes - t.n_nodes)
            break;
        for (size_t i = shared; i < p->n_ids; i++) {
            const uint32_t fresh = (uint32_t)t.n_nodes++;
            memory->token[fresh] = p->ids[i];
            memory->depth[fresh] = (uint32_t)i;
            memory->parent[fresh] = i ? node : fresh;
            node = fresh;
        }
        memory->end[t.n_prompts++] = node;
    }
    return t;
}

/* --- steps over nodes --- */

/* x[node] = token embedding + positional embedding. */
static void embed(const wi_text_net *net, const wi_run *run, wi_text_memory *memory, size_t n_nodes)
{
    const size_t width = net->stack.width, ld = wi_ld(width);
    for (size_t i = 0; i < n_nodes; i++) {
        const size_t token = (size_t)memory->token[i];
        const float *position = net->position + memory->depth[i] * width;
        float *x = memory->x + i * ld;
        switch (net->token_type) {
        case WI_MAT_F32:
            memcpy(x, (const float *)net->tokens + token * width, width * sizeof *x);
            break;
        case WI_MAT_F16:
            run->kern->widen_f16(width, (const uint16_t *)net->tokens + token * width, x);
            break;
        case WI_MAT_BF16:
            run->kern->widen_bf16(width, (const uint16_t *)net->tokens + token * width, x);
            break;
        case WI_MAT_S8:
            for (size_t j = 0; j < width; j++)
                x[j] = net->token_scale[token] *
                       (float)((const int8_t *)net->tokens)[token * width + j];
            break;
        }
        for (size_t j = 0; j < width; j++)
            x[j] += position[j];
    }
}

typedef struct attend_job {
    const wi_text_net *net;
    wi_run *run;
    wi_text_memory *memory;
    const uint32_t *nodes; /* who asks; NULL: all */
    const float *q;
    size_t n, ld_q;
    bool q_by_node; /* rows of q are numbered as the nodes are, not from 0 */
    float *out;
} attend_job;

static void attend_run(void *context, size_t index, int worker)
{
    const attend_job *job = context;
    const wi_stack *s = &job->net->stack;
    const size_t d = s->width / s->n_heads, ld = wi_ld(s->width), ld_qkv = wi_ld(3 * s->width);
    const float scale = 1.0f / sqrtf((float)d);
    uint32_t *path = job->memory->path[worker];
    const size_t end = (index + 1) * NODES_PER_JOB < job->n ? (index + 1) * NODES_PER_JOB : job->n;
    for (size_t i = index * NODES_PER_JOB; i < end; i++) {
        uint32_t node = job->nodes ? job->nodes[i] : (uint32_t)i;
        const size_t n_keys = job->memory->depth[node] + 1;
        const float *q = job->q + (job->q_by_node ? node : i) * job->ld_q;
        for (size_t k = n_keys; k-- > 0; node = job->memory->parent[node])
            path[k] = node;
        for (size_t h = 0; h < s->n_heads; h++)
            job->run->kern->attend(n_keys, d, scale, q + h * d, job->memory->qkv + s->width + h * d,
                                   job->memory->qkv + 2 * s->width + h * d, ld_qkv, path,
                                   job->run->scratch[worker], job->out + i * ld + h * d);
    }
}

static void mlp_step(const wi_text_net *net, wi_run *run, wi_text_memory *memory,
                     const wi_block *block, size_t m, float *x)
{
    const size_t ld = wi_ld(net->stack.width), wide = ld_mlp(net);
    wi_input in = wi_norm_prepare(run, &block->ln2, m, x, ld, &block->fc1, memory->h, ld);
    wi_linear(run, &block->fc1, m, &in, memory->mlp, wide, (wi_epilogue){.act = net->stack.act});
    in = wi_prepare(run, &block->fc2, m, memory->mlp, wide);
    wi_linear(run, &block->fc2, m, &in, x, ld, (wi_epilogue){.after = x, .ld_after = ld});
}

static void attention_output(const wi_text_net *net, wi_run *run, wi_text_memory *memory,
                             const wi_block *block, size_t m, float *x)
{
    const size_t ld = wi_ld(net->stack.width);
    wi_input in = wi_prepare(run, &block->out, m, memory->h, ld);
    wi_linear(run, &block->out, m, &in, x, ld, (wi_epilogue){.after = x, .ld_after = ld});
}

static void block_step(const wi_text_net *net, wi_run *run, wi_text_memory *memory,
                       const wi_block *block, size_t m)
{
    const size_t width = net->stack.width, ld = wi_ld(width), ld_qkv = wi_ld(3 * width);
    wi_input in = wi_norm_prepare(run, &block->ln1, m, memory->x, ld, &block->qkv, memory->h, ld);
    wi_linear(run, &block->qkv, m, &in, memory->qkv, ld_qkv, (wi_epilogue){0});
    attend_job job = {net, run, memory, NULL, memory->qkv, m, ld_qkv, true, memory->h};
    wi_pool_run(run->pool, wi_div_up(m, NODES_PER_JOB), attend_run, &job);
    attention_output(net, run, memory, block, m, memory->x);
    mlp_step(net, run, memory, block, m, memory->x);
}

/* The last block, of which only the nodes where prompts end are wanted: keys and values for all
 * nodes, the rest for `ends`, whose rows go to memory->ends. Queries of all nodes are computed only
 * where they cannot be told from keys by whole panels. */
static void last_block_step(const wi_text_net *net, wi_run *run, wi_text_memory *memory,
                            const wi_block *block, size_t m, const uint32_t *ends, size_t n_ends)
{
    const size_t width = net->stack.width, ld = wi_ld(width), ld_qkv = wi_ld(3 * width);
    const size_t q_panels = width % WI_PANEL ? 0 : width / WI_PANEL, skipped = q_panels * WI_PANEL;
    const float *bias = block->qkv.bias;
    attend_job job = {net, run, memory, ends, memory->qkv, n_ends, ld_qkv, true, memory->h};
    wi_input in = wi_norm_prepare(run, &block->ln1, m, memory->x, ld, &block->qkv, memory->h, ld);
    wi_linear_part(run, &block->qkv, q_panels, wi_mat_panels(&block->qkv) - q_panels, m, &in,
                   memory->qkv + skipped, ld_qkv,
                   (wi_epilogue){.bias = bias ? bias + skipped : NULL});
    for (size_t i = 0; i < n_ends; i++)
        memcpy(memory->ends + i * ld, memory->x + ends[i] * ld, width * sizeof(float));
    if (q_panels) {
        in =
            wi_norm_prepare(run, &block->ln1, n_ends, memory->ends, ld, &block->qkv, memory->h, ld);
        wi_linear_part(run, &block->qkv, 0, q_panels, n_ends, &in, memory->mlp, ld_mlp(net),
                       (wi_epilogue){.bias = bias});
        job.q = memory->mlp;
        job.ld_q = ld_mlp(net);
        job.q_by_node = false;
    }
    wi_pool_run(run->pool, wi_div_up(n_ends, NODES_PER_JOB), attend_run, &job);
    attention_output(net, run, memory, block, n_ends, memory->ends);
    mlp_step(net, run, memory, block, n_ends, memory->ends);
}

/* Fills row[prompt] and the list of distinct end nodes. */
static size_t list_ends(wi_text_memory *memory, size_t n_prompts, uint32_t *ends)
{
    size_t n_ends = 0;
    for (size_t i = 0; i < n_prompts; i++) {
        /* Equal prompts are neighbours and end in the same node. */
        if (i == 0 || memory->end[i] != memory->end[i - 1])
            ends[n_ends++] = memory->end[i];
        memory->row[i] = (uint32_t)(n_ends - 1);
    }
    return n_ends;
}

size_t wi_text_forward(const wi_text_net *net, wi_run *run, wi_text_memory *memory,
                       const wi_prompt *prompts, size_t n, float *out)
{
    const wi_stack *s = &net->stack;
    const size_t ld = wi_ld(s->width), ld_out = wi_ld(net->embedding_dim);
    const tree t = grow(memory, prompts, n);
    const size_t n_ends = list_ends(memory, t.n_prompts, memory->end_nodes);
    memory->nodes_run += t.n_nodes;
    embed(net, run, memory, t.n_nodes);
    wi_tap(run, "text/hidden", 0, memory->x, t.n_nodes, s->width, ld);
    for (uint32_t i = 0; i + 1 < s->n_layers; i++) {
        block_step(net, run, memory, &s->blocks[i], t.n_nodes);
        wi_tap(run, "text/hidden", (int)i + 1, memory->x, t.n_nodes, s->width, ld);
    }
    last_block_step(net, run, memory, &s->blocks[s->n_layers - 1], t.n_nodes, memory->end_nodes,
                    n_ends);
    wi_input in = wi_norm_prepare(run, &net->final_norm, n_ends, memory->ends, ld, &net->projection,
                                  memory->h, ld);
    wi_tap(run, "text/pooled", 0, memory->h, n_ends, s->width, ld);
    wi_linear(run, &net->projection, n_ends, &in, memory->projected, ld_out, (wi_epilogue){0});
    for (size_t i = 0; i < t.n_prompts; i++)
        memcpy(out + i * net->embedding_dim, memory->projected + memory->row[i] * ld_out,
               net->embedding_dim * sizeof *out);
    return t.n_prompts;
}

uint64_t wi_text_macs(const wi_text_net *net)
{
    const uint64_t w = net->stack.width;
    return net->stack.n_layers * w * (4 * w + 2 * (uint64_t)net->stack.mlp_width);
}
