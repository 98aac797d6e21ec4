#include "nn/stack.h"

#include "nn/attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NODES_PER_JOB = 16, ROWS_PER_JOB = 16 };

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t head_dim(const wi_stack *s)
{
    return s->params.width / s->params.n_heads;
}

/* --- what it is made of --- */

size_t wi_stack_bytes(const wi_block_params *params)
{
    return params->n_layers * sizeof(wi_block);
}

void wi_stack_open(const wi_block_params *p, wi_block *room, wi_stack *out)
{
    const wi_norm over_width = {.eps = p->ln_eps, .n = p->width};
    const wi_norm over_head = {.eps = p->ln_eps, .n = p->width / p->n_heads};
    const wi_norm over_mlp = {.eps = p->ln_eps, .n = p->mlp_width}, none = {0};
    *out = (wi_stack){*p, wi_act_of(p->activation), room};
    for (uint32_t i = 0; i < p->n_layers; i++)
        room[i] = (wi_block){.ln1 = over_width,
                             .ln2 = over_width,
                             .q_norm = p->qk_norm ? over_head : none,
                             .k_norm = p->qk_norm ? over_head : none,
                             .inner_norm = p->inner_norm ? over_width : none,
                             .attention_norm = p->attention_norm ? over_width : none,
                             .mlp_norm = p->mlp_norm ? over_mlp : none};
}

static void walk_optional(wi_walker *w, const char *prefix, const char *name, wi_norm *norm)
{
    if (norm->n)
        wi_walk_norm(w, prefix, name, norm);
}

static void walk_block(const wi_block_params *p, wi_block *b, bool first_text, const char *prefix,
                       wi_walker *w)
{
    wi_walk_norm(w, prefix, "ln1", &b->ln1);
    wi_part qkv = {
        .kind = WI_PART_QKV,
        .mat = &b->qkv,
        .n = 3 * p->width,
        .k = p->width,
        .has_bias = true,
        /* Tokens differ most from each other before the first attention: a quarter of the
                    * text tower's int8 error comes from here. */
        .keep_float = first_text};
    wi_walk_part(w, &qkv, prefix, "qkv");
    walk_optional(w, prefix, "q_norm", &b->q_norm);
    walk_optional(w, prefix, "k_norm", &b->k_norm);
    if (p->head_scale)
        wi_walk_vector(w, prefix, "head_scale", &b->head_scale, 1, p->n_heads);
    walk_optional(w, prefix, "inner_norm", &b->inner_norm);
    wi_walk_linear(w, prefix, "o", &b->out, p->width, p->width, true);
    walk_optional(w, prefix, "attention_norm", &b->attention_norm);
    if (p->layer_scale)
        wi_walk_vector(w, prefix, "ls1", &b->scale1, 1, p->width);
    wi_walk_norm(w, prefix, "ln2", &b->ln2);
    wi_walk_linear(w, prefix, "fc1", &b->fc1, p->mlp_width, p->width, true);
    if (p->gated)
        wi_walk_linear(w, prefix, "gate", &b->gate, p->mlp_width, p->width, true);
    walk_optional(w, prefix, "mlp_norm", &b->mlp_norm);
    wi_walk_linear(w, prefix, "fc2", &b->fc2, p->width, p->mlp_width, true);
    if (p->layer_scale)
        wi_walk_vector(w, prefix, "ls2", &b->scale2, 1, p->width);
}

void wi_stack_walk(const wi_stack *stack, const char *tower, wi_walker *walker)
{
    for (uint32_t i = 0; i < stack->params.n_layers; i++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "%s.%u.", tower, i);
        walk_block(&stack->params, &stack->blocks[i], i == 0 && *tower == 't', prefix, walker);
    }
}

uint64_t wi_stack_macs(const wi_stack *stack)
{
    const uint64_t w = stack->params.width;
    const uint64_t n_hidden = stack->params.gated ? 3 : 2;
    return stack->params.n_layers * w * (4 * w + n_hidden * stack->params.mlp_width);
}

/* --- memory --- */

void wi_stack_need(const wi_stack *s, size_t rows, size_t longest, bool is_tree, wi_run_need *need)
{
    for (uint32_t i = 0; i < s->params.n_layers; i++) {
        const wi_block *block = &s->blocks[i];
        wi_need_mat(need, &block->qkv, rows);
        wi_need_mat(need, &block->out, rows);
        wi_need_mat(need, &block->fc1, rows);
        wi_need_mat(need, &block->fc2, rows);
        if (s->params.gated)
            wi_need_mat(need, &block->gate, rows);
    }
    wi_need_scratch(need, is_tree ? longest : wi_attention_scratch(longest, head_dim(s)));
}

void wi_stack_take(const wi_stack *s, size_t rows, size_t max_picked, size_t least_mlp,
                   wi_stack_memory *memory, wi_arena *arena)
{
    const size_t width = s->params.width, ld = wi_ld(width);
    memory->ld_mlp = wi_ld(max_size(max_size(s->params.mlp_width, width), least_mlp));
    memory->x = wi_arena_take(arena, rows, ld * sizeof(float));
    memory->h = wi_arena_take(arena, rows, ld * sizeof(float));
    memory->qkv = wi_arena_take(arena, rows, wi_ld(3 * width) * sizeof(float));
    memory->mlp = wi_arena_take(arena, rows, memory->ld_mlp * sizeof(float));
    memory->gate =
        s->params.gated ? wi_arena_take(arena, rows, memory->ld_mlp * sizeof(float)) : NULL;
    memory->picked = wi_arena_take(arena, max_picked, ld * sizeof(float));
}

/* --- steps over rows --- */

typedef struct rows_job {
    const wi_stack *stack;
    wi_run *run;
    const wi_norm *norm; /* over each head */
    const float *scale;
    float *x, *to;
    size_t n, ld_x, ld_to;
    const wi_reach *reach; /* rope */
    const uint32_t *rows;  /* which rows of all x has; NULL: all */
} rows_job;

static void run_rows(wi_run *run, wi_pool_job *step, rows_job *job)
{
    wi_pool_run(run->pool, wi_div_up(job->n, ROWS_PER_JOB), step, job);
}

#define FOR_ROWS(job, index, i)                                                                    \
    for (size_t i = (index) * ROWS_PER_JOB, end_ = i + ROWS_PER_JOB; i < end_ && i < (job)->n; i++)

static void norm_heads(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *job = context;
    FOR_ROWS(job, index, i)
    for (size_t h = 0; h < job->stack->params.n_heads; h++) {
        float *x = job->x + i * job->ld_x + h * job->norm->n;
        job->run->kern->layer_norm(job->norm->n, x, job->norm->w, job->norm->b, job->norm->eps, x);
    }
}

/* Queries and keys are normalised per head where the network does so. */
static void norm_per_head(const wi_stack *s, wi_run *run, const wi_norm *norm, float *x, size_t n,
                          size_t ld)
{
    rows_job job = {.stack = s, .run = run, .norm = norm, .x = x, .n = n, .ld_x = ld};
    if (norm->n)
        run_rows(run, norm_heads, &job);
}

static void scale_heads(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *job = context;
    const size_t d = head_dim(job->stack);
    FOR_ROWS(job, index, i)
    for (size_t h = 0; h < job->stack->params.n_heads; h++)
        for (size_t j = 0; j < d; j++)
            job->x[i * job->ld_x + h * d + j] *= job->scale[h];
}

static void turn_heads(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *job = context;
    const size_t d = head_dim(job->stack);
    FOR_ROWS(job, index, i)
    {
        const size_t row = job->rows ? job->rows[i] : i;
        const float *turn = job->reach->rope + row % job->reach->n_tokens * d;
        float *x = job->x + i * job->ld_x;
        for (size_t h = 0; h < job->stack->params.n_heads; h++, x += d)
            for (size_t j = 0; j + 1 < d; j += 2) {
                const float a = x[j], b = x[j + 1];
                x[j] = a * turn[j] - b * turn[j + 1];
                x[j + 1] = b * turn[j] + a * turn[j + 1];
            }
    }
}

/* Queries or keys turned by their positions, where the network does so (rope). */
static void turn(const wi_stack *s, wi_run *run, const wi_reach *reach, const uint32_t *rows,
                 float *x, size_t n, size_t ld)
{
    rows_job job = {
        .stack = s, .run = run, .x = x, .n = n, .ld_x = ld, .reach = reach, .rows = rows};
    if (reach->rope)
        run_rows(run, turn_heads, &job);
}

/* x = x * SiLU(to), which is to * sigmoid(to). */
static void gate_rows(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *job = context;
    FOR_ROWS(job, index, i)
    for (size_t j = 0; j < job->stack->params.mlp_width; j++) {
        const float g = job->to[i * job->ld_to + j];
        job->x[i * job->ld_x + j] *= g / (1.0f + expf(-g));
    }
}

static void add_scaled(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *job = context;
    FOR_ROWS(job, index, i)
    for (size_t j = 0; j < job->stack->params.width; j++)
        job->to[i * job->ld_to + j] +=
            job->scale ? job->scale[j] * job->x[i * job->ld_x + j] : job->x[i * job->ld_x + j];
}

/* x[m] += scale * norm(mat in): in the product's epilogue where there is neither. room takes the
 * product otherwise. */
static void add_product(const wi_stack *s, wi_run *run, const wi_mat *mat, size_t m,
                        const wi_input *in, const wi_norm *norm, const float *scale, float *room,
                        size_t ld_room, float *x)
{
    const size_t ld = wi_ld(s->params.width);
    if (!scale && !(norm && norm->n)) {
        wi_linear(run, mat, m, in, x, ld, (wi_epilogue){.after = x, .ld_after = ld});
        return;
    }
    wi_linear(run, mat, m, in, room, ld_room, (wi_epilogue){0});
    if (norm && norm->n)
        wi_norm_rows(run, norm, m, room, ld_room, room, ld_room);
    rows_job job = {.stack = s,
                    .run = run,
                    .scale = scale,
                    .x = room,
                    .to = x,
                    .n = m,
                    .ld_x = ld_room,
                    .ld_to = ld};
    run_rows(run, add_scaled, &job);
}

/* What enters a step: x normalised, or x itself where norms come behind. */
static wi_input enter(const wi_stack *s, wi_run *run, const wi_norm *norm, size_t m, float *x,
                      const wi_mat *mat, float *h)
{
    const size_t ld = wi_ld(s->params.width);
    return s->params.post_norm ? wi_prepare(run, mat, m, x, ld)
                               : wi_norm_prepare(run, norm, m, x, ld, mat, h, ld);
}

static void leave(const wi_stack *s, wi_run *run, const wi_norm *norm, size_t m, float *x)
{
    const size_t ld = wi_ld(s->params.width);
    if (s->params.post_norm)
        wi_norm_rows(run, norm, m, x, ld, x, ld);
}

/* x[m] += mlp(ln2(x)). */
static void mlp_step(const wi_stack *s, wi_run *run, wi_stack_memory *memory, const wi_block *block,
                     size_t m, float *x)
{
    const size_t ld = wi_ld(s->params.width), wide = memory->ld_mlp;
    wi_input in = enter(s, run, &block->ln2, m, x, &block->fc1, memory->h);
    wi_linear(run, &block->fc1, m, &in, memory->mlp, wide,
              (wi_epilogue){.act = s->params.gated ? WI_NO_ACT : s->act});
    if (s->params.gated) {
        in = wi_prepare(run, &block->gate, m, memory->h, ld);
        wi_linear(run, &block->gate, m, &in, memory->gate, wide, (wi_epilogue){0});
        rows_job job = {.stack = s,
                        .run = run,
                        .x = memory->mlp,
                        .to = memory->gate,
                        .n = m,
                        .ld_x = wide,
                        .ld_to = wide};
        run_rows(run, gate_rows, &job);
    }
    in = block->mlp_norm.n ? wi_norm_prepare(run, &block->mlp_norm, m, memory->mlp, wide,
                                             &block->fc2, memory->mlp, wide)
                           : wi_prepare(run, &block->fc2, m, memory->mlp, wide);
    add_product(s, run, &block->fc2, m, &in, NULL, block->scale2, memory->h, ld, x);
    leave(s, run, &block->ln2, m, x);
}

/* x[m] += what the heads found, which stands in h. */
static void output_step(const wi_stack *s, wi_run *run, wi_stack_memory *memory,
                        const wi_block *block, size_t m, float *x)
{
    const size_t ld = wi_ld(s->params.width);
    if (block->head_scale) {
        rows_job job = {
            .stack = s, .run = run, .scale = block->head_scale, .x = memory->h, .n = m, .ld_x = ld};
        run_rows(run, scale_heads, &job);
    }
    wi_input in = block->inner_norm.n ? wi_norm_prepare(run, &block->inner_norm, m, memory->h, ld,
                                                        &block->out, memory->h, ld)
                                      : wi_prepare(run, &block->out, m, memory->h, ld);
    add_product(s, run, &block->out, m, &in, &block->attention_norm, block->scale1, memory->qkv,
                wi_ld(3 * s->params.width), x);
    leave(s, run, &block->ln1, m, x);
}

/* --- attention --- */

typedef struct asking {
    const wi_stack *stack;
    wi_run *run;
    const wi_stack_memory *memory;
    const wi_reach *reach;
    const uint32_t *rows; /* who asks; NULL: all */
    const float *q;       /* one row for each who asks */
    const float *qkv;     /* of all */
    size_t n, ld_q;
    uint32_t first; /* who asks first, where rows is NULL */
} asking;

/* A node's path from the root on: who is seen, at the end of room. Returns how many. */
static size_t find_path(const wi_reach *reach, uint32_t node, uint32_t *room)
{
    const size_t longest = reach->depth[node] + 1;
    size_t n = 0;
    for (size_t k = 0; k < longest; k++, node = reach->parent[node])
        if (!reach->hidden || !reach->hidden[node])
            room[longest - ++n] = node;
    return n;
}

static void attend_nodes(void *context, size_t index, int worker)
{
    const asking *a = context;
    const wi_stack *s = a->stack;
    const size_t width = s->params.width, ld = wi_ld(width), ld_qkv = wi_ld(3 * width);
    const size_t end = (index + 1) * NODES_PER_JOB < a->n ? (index + 1) * NODES_PER_JOB : a->n;
    for (size_t i = index * NODES_PER_JOB; i < end; i++) {
        const uint32_t node = a->rows ? a->rows[i] : a->first + (uint32_t)i;
        uint32_t *room = a->reach->path[worker];
        const size_t n_keys = find_path(a->reach, node, room);
        wi_attend_row(a->run, worker, s->params.n_heads, width, a->q + i * a->ld_q, a->qkv + width,
                      a->qkv + 2 * width, ld_qkv, room + a->reach->depth[node] + 1 - n_keys, n_keys,
                      a->memory->h + i * ld);
    }
}

static void attend_sequences(const asking *a)
{
    const size_t width = a->stack->params.width, n_tokens = a->reach->n_tokens;
    const wi_attention attention = {.q = a->q,
                                    .kv = a->memory->qkv + width,
                                    .ld_q = a->ld_q,
                                    .q_rows = a->rows ? 1 : n_tokens,
                                    .ld_kv = wi_ld(3 * width),
                                    .batch = a->reach->n_rows / n_tokens,
                                    .n_tokens = n_tokens,
                                    .n_keys = a->reach->n_keys,
                                    .n_queries = a->rows ? 1 : n_tokens,
                                    .n_heads = a->stack->params.n_heads,
                                    .width = width,
                                    .out = a->memory->h,
                                    .ld_out = wi_ld(width)};
    wi_attend(a->run, &attention);
}

static void attend(asking *a)
{
    if (a->reach->n_tokens)
        attend_sequences(a);
    else
        wi_pool_run(a->run->pool, wi_div_up(a->n, NODES_PER_JOB), attend_nodes, a);
}

/* --- blocks --- */

static void block_step(const wi_stack *s, wi_run *run, wi_stack_memory *memory,
                       const wi_reach *reach, const wi_block *block)
{
    const size_t width = s->params.width, ld_qkv = wi_ld(3 * width), m = reach->n_rows;
    wi_input in = enter(s, run, &block->ln1, m, memory->x, &block->qkv, memory->h);
    wi_linear(run, &block->qkv, m, &in, memory->qkv, ld_qkv, (wi_epilogue){0});
    norm_per_head(s, run, &block->q_norm, memory->qkv, m, ld_qkv);
    norm_per_head(s, run, &block->k_norm, memory->qkv + width, m, ld_qkv);
    turn(s, run, reach, NULL, memory->qkv, m, ld_qkv);
    turn(s, run, reach, NULL, memory->qkv + width, m, ld_qkv);
    asking a = {.stack = s,
                .run = run,
                .memory = memory,
                .reach = reach,
                .q = memory->qkv,
                .qkv = memory->qkv,
                .n = m,
                .ld_q = ld_qkv};
    attend(&a);
    output_step(s, run, memory, block, m, memory->x);
    mlp_step(s, run, memory, block, m, memory->x);
}

void wi_stack_run(const wi_stack *s, wi_run *run, wi_stack_memory *memory, const wi_reach *reach,
                  uint32_t first, uint32_t end, const char *tap)
{
    const size_t width = s->params.width, ld = wi_ld(width);
    wi_tap(run, tap, (int)first, memory->x, reach->n_rows, width, ld);
    for (uint32_t i = first; i < end; i++) {
        block_step(s, run, memory, reach, &s->blocks[i]);
        wi_tap(run, tap, (int)i + 1, memory->x, reach->n_rows, width, ld);
    }
}

static void copy_rows(float *to, size_t ld_to, const float *from, size_t ld, const uint32_t *rows,
                      size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * ld_to, from + rows[i] * ld, width * sizeof *to);
}

void wi_stack_last(const wi_stack *s, wi_run *run, wi_stack_memory *memory, const wi_reach *reach,
                   const uint32_t *rows, size_t n)
{
    const wi_block *block = &s->blocks[s->params.n_layers - 1];
    const size_t width = s->params.width, ld = wi_ld(width), ld_qkv = wi_ld(3 * width),
                 m = reach->n_rows;
    /* Queries can be told from keys by whole panels only; else those of all rows are computed. */
    const size_t q_panels = width % WI_PANEL ? 0 : width / WI_PANEL, skipped = q_panels * WI_PANEL;
    const float *bias = block->qkv.bias;
    wi_input in = enter(s, run, &block->ln1, m, memory->x, &block->qkv, memory->h);
    wi_linear_part(run, &block->qkv, q_panels, wi_mat_panels(&block->qkv) - q_panels, m, &in,
                   memory->qkv + skipped, ld_qkv,
                   (wi_epilogue){.bias = bias ? bias + skipped : NULL});
    copy_rows(memory->picked, ld, memory->x, ld, rows, n, width);
    if (q_panels) {
        in = enter(s, run, &block->ln1, n, memory->picked, &block->qkv, memory->h);
        wi_linear_part(run, &block->qkv, 0, q_panels, n, &in, memory->mlp, memory->ld_mlp,
                       (wi_epilogue){.bias = bias});
    } else {
        copy_rows(memory->mlp, memory->ld_mlp, memory->qkv, ld_qkv, rows, n, width);
    }
    norm_per_head(s, run, &block->q_norm, memory->mlp, n, memory->ld_mlp);
    norm_per_head(s, run, &block->k_norm, memory->qkv + width, m, ld_qkv);
    turn(s, run, reach, rows, memory->mlp, n, memory->ld_mlp);
    turn(s, run, reach, NULL, memory->qkv + width, m, ld_qkv);
    asking a = {.stack = s,
                .run = run,
                .memory = memory,
                .reach = reach,
                .rows = rows,
                .q = memory->mlp,
                .qkv = memory->qkv,
                .n = n,
                .ld_q = memory->ld_mlp};
    attend(&a);
    output_step(s, run, memory, block, n, memory->picked);
    mlp_step(s, run, memory, block, n, memory->picked);
}

void wi_stack_step(const wi_stack *s, uint32_t layer, wi_run *run, wi_stack_memory *memory,
                   const wi_reach *reach, float *qkv, uint32_t first, size_t n)
{
    const wi_block *block = &s->blocks[layer];
    const size_t width = s->params.width, ld_qkv = wi_ld(3 * width);
    float *fresh = qkv + first * ld_qkv;
    wi_input in = enter(s, run, &block->ln1, n, memory->x, &block->qkv, memory->h);
    wi_linear(run, &block->qkv, n, &in, fresh, ld_qkv, (wi_epilogue){0});
    norm_per_head(s, run, &block->q_norm, fresh, n, ld_qkv);
    norm_per_head(s, run, &block->k_norm, fresh + width, n, ld_qkv);
    asking a = {.stack = s,
                .run = run,
                .memory = memory,
                .reach = reach,
                .q = fresh,
                .qkv = qkv,
                .n = n,
                .ld_q = ld_qkv,
                .first = first};
    wi_pool_run(run->pool, wi_div_up(n, NODES_PER_JOB), attend_nodes, &a);
    output_step(s, run, memory, block, n, memory->x);
    mlp_step(s, run, memory, block, n, memory->x);
}

void wi_stack_alone(const wi_stack *s, wi_run *run, wi_stack_memory *memory, size_t m)
{
    const wi_block *block = &s->blocks[s->params.n_layers - 1];
    const size_t width = s->params.width, ld = wi_ld(width), ld_qkv = wi_ld(3 * width);
    wi_input in = wi_norm_prepare(run, &block->ln1, m, memory->x, ld, &block->qkv, memory->h, ld);
    wi_linear(run, &block->qkv, m, &in, memory->qkv, ld_qkv, (wi_epilogue){0});
    for (size_t i = 0; i < m; i++)
        memcpy(memory->h + i * ld, memory->qkv + i * ld_qkv + 2 * width, width * sizeof(float));
    output_step(s, run, memory, block, m, memory->x);
    mlp_step(s, run, memory, block, m, memory->x);
}
