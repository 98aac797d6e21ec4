#include "nn/text.h"

#include "base/error.h"

#include <string.h>

typedef wi_text_tower text_tower;

enum { CLASS = -1 }; /* as a token */

typedef struct text_memory {
    wi_stack_memory stack;
    size_t max_nodes; /* >= the longest prompt */
    size_t max_prompts;
    int32_t *token; /* of each node */
    uint32_t *parent, *depth;
    bool *hidden;        /* NULL without a class token */
    uint32_t *end;       /* the node where each prompt of the batch ends */
    uint32_t *end_nodes; /* distinct ends */
    uint32_t *row;       /* of each prompt among the rows of the last layer */
    uint32_t *n_keys;    /* of each prompt: its tokens without padding */
    uint32_t **path;     /* per thread: [context_length] */
    float *rows;         /* [max_nodes, table_width], what enters `widen` */
    float *projected;
} text_memory;

/* --- parameters --- */

#define KEY(name) "whatsit.text." name
static const wi_field fields[] = {
    WI_BLOCK_FIELDS(KEY(), wi_text_params, blocks),
    WI_BLOCK_MORE_FIELDS(KEY(), wi_text_params, blocks),
    WI_U32(KEY("context_length"), wi_text_params, context_length, WI_MAX_CONTEXT,
           WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0),
    WI_U32(KEY("vocabulary_size"), wi_text_params, vocabulary_size, WI_MAX_VOCABULARY,
           WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0),
    WI_U32(KEY("end_token"), wi_text_params, end_token, WI_MAX_VOCABULARY,
           WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0),
    WI_BOOL(KEY("sees_all"), wi_text_params, sees_all, 0, false),
    WI_BOOL(KEY("bert"), wi_text_params, bert, 0, false),
    WI_U32(KEY("pool"), wi_text_params, pool, WI_N_TEXT_POOLS - 1, 0, WI_TEXT_END),
    WI_U32(KEY("projection"), wi_text_params, projection, WI_N_TEXT_PROJECTIONS - 1, 0,
           WI_TEXT_LINEAR),
    WI_U32(KEY("table_width"), wi_text_params, table_width, WI_MAX_WIDTH, 0, 0),
    WI_BOOL(KEY("class_token"), wi_text_params, class_token, 0, false),
    WI_U32(KEY("pad_token"), wi_text_params, pad_token, WI_MAX_VOCABULARY, 0, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_text_params *p = values;
    if (wi_out_of_range(p->context_length, WI_MAX_CONTEXT) || p->context_length < 3)
        return wi_fail(error, WI_ERR_FORMAT, "context length: %u is not supported",
                       p->context_length);
    if (wi_out_of_range(p->vocabulary_size, WI_MAX_VOCABULARY))
        return wi_fail(error, WI_ERR_FORMAT, "vocabulary size: %u is not supported",
                       p->vocabulary_size);
    if (p->end_token >= p->vocabulary_size)
        return wi_fail(error, WI_ERR_FORMAT, "end token: %u lies outside the vocabulary of %u",
                       p->end_token, p->vocabulary_size);
    if (p->bert && p->sees_all)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "text tower: BERT's does not see padding");
    if (p->class_token && (p->bert || p->sees_all || p->table_width || p->pool != WI_TEXT_END))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "text tower: a class token where attention is not causal, or with a pool");
    return wi_block_params_check(&p->blocks, "text tower", error);
}

static void describe(const void *values, wi_tower_facts *out)
{
    const wi_text_params *p = values;
    *out = (wi_tower_facts){.context_length = p->context_length,
                            .vocabulary_size = p->vocabulary_size,
                            .end_token = (int32_t)p->end_token,
                            .width = p->blocks.width,
                            .n_layers = p->blocks.n_layers,
                            .n_heads = p->blocks.n_heads,
                            .mlp_width = p->blocks.mlp_width,
                            .activation = wi_activation_name(p->blocks.activation)};
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    return sizeof(text_tower) + wi_stack_bytes(&((const wi_text_params *)values)->blocks);
}

static void open_text(const void *values, const wi_tower_setting *setting, void *tower)
{
    text_tower *net = tower;
    net->params = *(const wi_text_params *)values;
    net->embedding_dim = setting->embedding_dim;
    const wi_block_params *p = &net->params.blocks;
    const wi_norm norm = {.eps = p->ln_eps, .n = p->width}, none = {0};
    net->token_norm = net->params.bert ? norm : none;
    net->final_norm = net->params.bert ? none : norm;
    wi_stack_open(p, net->blocks, &net->stack);
}

/* Numbers of a row of the token table. */
static uint32_t row_width(const text_tower *net)
{
    return net->params.table_width ? net->params.table_width : net->params.blocks.width;
}

static void walk(void *tower, wi_walker *w)
{
    text_tower *net = tower;
    const wi_text_params *p = &net->params;
    const uint32_t width = p->blocks.width;
    wi_walk_table(w, "t.", "tok", &net->tokens, p->vocabulary_size, row_width(net));
    if (p->table_width)
        wi_walk_projection(w, "t.", "widen", &net->widen, width, p->table_width, false);
    wi_walk_vector(w, "t.", "pos", &net->position, p->context_length + p->class_token, width);
    if (p->class_token)
        wi_walk_vector(w, "t.", "class", &net->class_token, 1, width);
    if (p->bert) {
        wi_walk_vector(w, "t.", "type", &net->type, 1, width);
        wi_walk_norm(w, "t.", "ln_tokens", &net->token_norm);
    }
    wi_stack_walk(&net->stack, "t", w);
    if (!p->bert)
        wi_walk_norm(w, "t.", "ln_final", &net->final_norm);
    if (p->projection != WI_TEXT_NO_PROJECTION)
        wi_walk_projection(w, "t.", "proj", &net->projection, net->embedding_dim, width,
                           p->projection == WI_TEXT_LINEAR_BIAS);
}

static uint64_t macs(const void *tower)
{
    return wi_stack_macs(&((const text_tower *)tower)->stack);
}

/* --- memory --- */

/* A prompt that fills its context has its class token beyond. */
static void need_text(const void *tower, size_t max_tokens, wi_run_need *need)
{
    const text_tower *net = tower;
    const size_t more = net->params.class_token, max_nodes = max_tokens + more;
    const bool is_tree = !net->params.sees_all && !net->params.bert;
    wi_stack_need(&net->stack, max_nodes, net->params.context_length + more, is_tree, need);
    if (net->params.projection != WI_TEXT_NO_PROJECTION)
        wi_need_mat(need, &net->projection, max_nodes);
    if (net->params.table_width)
        wi_need_mat(need, &net->widen, max_nodes);
}

static void take(const void *tower, size_t max_tokens, size_t n_threads, void *to, wi_arena *arena)
{
    const text_tower *net = tower;
    text_memory *memory = to;
    const size_t more = net->params.class_token, max_nodes = max_tokens + more;
    memory->max_nodes = max_nodes;
    memory->max_prompts = max_tokens;
    memory->token = wi_arena_take(arena, max_nodes, sizeof *memory->token);
    memory->parent = wi_arena_take(arena, max_nodes, sizeof *memory->parent);
    memory->depth = wi_arena_take(arena, max_nodes, sizeof *memory->depth);
    if (more)
        memory->hidden = wi_arena_take(arena, max_nodes, sizeof *memory->hidden);
    memory->end = wi_arena_take(arena, max_nodes, sizeof *memory->end);
    memory->row = wi_arena_take(arena, max_nodes, sizeof *memory->row);
    memory->n_keys = wi_arena_take(arena, max_nodes, sizeof *memory->n_keys);
    memory->end_nodes = wi_arena_take(arena, max_nodes, sizeof *memory->end_nodes);
    memory->path = wi_arena_take(arena, n_threads, sizeof *memory->path);
    for (size_t i = 0; i < n_threads; i++) {
        uint32_t *mine =
            wi_arena_take(arena, net->params.context_length + more, sizeof **memory->path);
        if (memory->path)
            memory->path[i] = mine;
    }
    wi_stack_take(&net->stack, max_nodes, max_nodes, 0, &memory->stack, arena);
    memory->projected = wi_arena_take(arena, max_nodes, wi_ld(net->embedding_dim) * sizeof(float));
    if (net->params.table_width)
        memory->rows =
            wi_arena_take(arena, max_nodes, wi_ld(net->params.table_width) * sizeof(float));
}

/* --- which tokens --- */

/* Where the first end token stands, or the last of n. */
static size_t find_end(const wi_text_params *p, const int32_t *ids, size_t n)
{
    size_t at = 0;
    while (at + 1 < n && ids[at] != (int32_t)p->end_token)
        at++;
    return at;
}

/* What stands behind the pooled position has no influence where attention is causal. */
static size_t used(const void *tower, const int32_t *ids, size_t n_ids)
{
    const wi_text_params *p = &((const text_tower *)tower)->params;
    if (p->bert)
        return n_ids ? n_ids : 1;
    if (p->class_token) /* and the first padding, which its mask forgets */
        return n_ids < p->context_length ? n_ids + 1 : n_ids;
    if (p->sees_all || p->pool == WI_TEXT_LAST)
        return p->context_length;
    return p->pool == WI_TEXT_FIRST ? 1 : find_end(p, ids, n_ids) + 1;
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

bool wi_text_hides(const wi_text_params *p, int32_t before)
{
    return p->class_token && before == (int32_t)p->pad_token;
}

static uint32_t add_node(const wi_text_params *p, text_memory *memory, tree *t, int32_t token,
                         uint32_t parent, size_t depth)
{
    const uint32_t fresh = (uint32_t)t->n_nodes++;
    memory->token[fresh] = token;
    memory->depth[fresh] = (uint32_t)depth;
    memory->parent[fresh] = depth ? parent : fresh;
    if (memory->hidden)
        memory->hidden[fresh] = wi_text_hides(p, depth ? memory->token[parent] : CLASS);
    return fresh;
}

/* Equal prompts share it, too. In a text that does not fill its context padding stands before it. */
static uint32_t add_class(const wi_text_params *p, text_memory *memory, tree *t,
                          const wi_prompt *prompt, uint32_t node)
{
    const uint32_t fresh = add_node(p, memory, t, CLASS, node, prompt->n_ids);
    const bool full = prompt->n_ids == p->context_length;
    memory->hidden[fresh] = !full || wi_text_hides(p, prompt->ids[prompt->n_ids - 1]);
    return fresh;
}

static tree grow(const wi_text_params *p, text_memory *memory, const wi_prompt *prompts, size_t n)
{
    tree t = {0, 0};
    while (t.n_prompts < n && t.n_prompts < memory->max_prompts) {
        const wi_prompt *prompt = &prompts[t.n_prompts];
        size_t shared = 0;
        uint32_t node = 0;
        if (t.n_prompts > 0) {
            shared = shared_length(prompt - 1, prompt);
            node = memory->end[t.n_prompts - 1];
            if (shared == prompt->n_ids && shared == prompt[-1].n_ids) {
                memory->end[t.n_prompts++] = node;
                continue;
            }
            while (shared > 0 && memory->depth[node] + 1 > shared)
                node = memory->parent[node];
        }
        if (prompt->n_ids - shared + p->class_token > memory->max_nodes - t.n_nodes)
            break;
        for (size_t i = shared; i < prompt->n_ids; i++)
            node = add_node(p, memory, &t, prompt->ids[i], node, i);
        memory->end[t.n_prompts++] = p->class_token ? add_class(p, memory, &t, prompt, node) : node;
    }
    return t;
}

/* Fills row[prompt] and the list of distinct end nodes. */
static size_t list_ends(text_memory *memory, size_t n_prompts, uint32_t *ends)
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

/* Every text as a row of whole contexts; row i of the last layer belongs to prompt i. */
static tree line_up(const text_tower *net, text_memory *memory, const wi_prompt *prompts, size_t n)
{
    const wi_text_params *p = &net->params;
    const size_t context = p->context_length, most = memory->max_nodes / context;
    tree t = {0, n < most ? n : most};
    for (size_t i = 0; i < t.n_prompts; i++) {
        const int32_t *ids = prompts[i].ids;
        const size_t pooled = p->pool == WI_TEXT_FIRST  ? 0
                              : p->pool == WI_TEXT_LAST ? context - 1
                                                        : find_end(p, ids, context);
        memory->end[i] = (uint32_t)(t.n_nodes + pooled);
        for (size_t j = 0; j < context; j++, t.n_nodes++) {
            memory->token[t.n_nodes] = ids[j];
            memory->depth[t.n_nodes] = (uint32_t)j;
        }
    }
    return t;
}

static size_t pooled_position(const wi_text_params *p, const wi_prompt *prompt)
{
    return p->pool == WI_TEXT_FIRST  ? 0
           : p->pool == WI_TEXT_LAST ? prompt->n_ids - 1
                                     : find_end(p, prompt->ids, prompt->n_ids);
}

/* BERT's: every text as a row as long as the longest of them, as many as the memory takes. What
 * stands behind a text's end is seen by nobody. */
static tree line_up_masked(const wi_text_params *p, text_memory *memory, const wi_prompt *prompts,
                           size_t n, size_t *n_tokens)
{
    tree t = {0, 0};
    *n_tokens = 0;
    for (; t.n_prompts < n; t.n_prompts++) {
        const size_t longest =
            prompts[t.n_prompts].n_ids > *n_tokens ? prompts[t.n_prompts].n_ids : *n_tokens;
        if (t.n_prompts && longest * (t.n_prompts + 1) > memory->max_nodes)
            break;
        *n_tokens = longest;
    }
    for (size_t i = 0; i < t.n_prompts; i++) {
        memory->end[i] = (uint32_t)(t.n_nodes + pooled_position(p, &prompts[i]));
        memory->n_keys[i] = (uint32_t)prompts[i].n_ids;
        for (size_t j = 0; j < *n_tokens; j++, t.n_nodes++) {
            memory->token[t.n_nodes] = j < prompts[i].n_ids ? prompts[i].ids[j] : 0;
            memory->depth[t.n_nodes] = (uint32_t)j;
        }
    }
    return t;
}

/* --- running --- */

void wi_text_row(const wi_text_tower *net, const wi_run *run, size_t token, float *x)
{
    const wi_table *table = &net->tokens;
    const size_t n = row_width(net);
    switch (table->type) {
    case WI_MAT_F32:
        memcpy(x, (const float *)table->rows + token * n, n * sizeof *x);
        break;
    case WI_MAT_F16:
        run->kern->widen_f16(n, (const uint16_t *)table->rows + token * n, x);
        break;
    case WI_MAT_BF16:
        run->kern->widen_bf16(n, (const uint16_t *)table->rows + token * n, x);
        break;
    case WI_MAT_S8:
        for (size_t j = 0; j < n; j++)
            x[j] = table->scale[token] * (float)((const int8_t *)table->rows)[token * n + j];
        break;
    }
}

/* x[node] = token embedding + positional embedding. */
static void embed(const text_tower *net, wi_run *run, text_memory *memory, size_t n_nodes)
{
    const size_t width = net->params.blocks.width, ld = wi_ld(width);
    const size_t ld_row = wi_ld(row_width(net));
    float *rows = net->params.table_width ? memory->rows : memory->stack.x;
    for (size_t i = 0; i < n_nodes; i++)
        if (memory->token[i] == CLASS)
            memcpy(rows + i * ld_row, net->class_token, width * sizeof *rows);
        else
            wi_text_row(net, run, (size_t)memory->token[i], rows + i * ld_row);
    if (net->params.table_width) {
        const wi_input in = wi_prepare(run, &net->widen, n_nodes, rows, ld_row);
        wi_linear(run, &net->widen, n_nodes, &in, memory->stack.x, ld, (wi_epilogue){0});
    }
    for (size_t i = 0; i < n_nodes; i++) {
        const size_t at = memory->token[i] == CLASS ? net->params.context_length : memory->depth[i];
        const float *position = net->position + at * width;
        float *x = memory->stack.x + i * ld;
        for (size_t j = 0; net->type && j < width; j++)
            x[j] += net->type[j];
        wi_at_position(width, x, position, x);
    }
}

/* projected[n] of picked[n]. */
static void project(const text_tower *net, wi_run *run, text_memory *memory, size_t n)
{
    const wi_stack_memory *m = &memory->stack;
    const size_t width = net->params.blocks.width, ld = wi_ld(width),
                 ld_out = wi_ld(net->embedding_dim);
    if (!net->final_norm.n && net->params.projection == WI_TEXT_NO_PROJECTION) {
        for (size_t i = 0; i < n; i++)
            memcpy(memory->projected + i * ld_out, m->picked + i * ld, width * sizeof(float));
        return;
    }
    if (!net->final_norm.n) {
        wi_input in = wi_prepare(run, &net->projection, n, m->picked, ld);
        wi_tap(run, "text/pooled", 0, m->picked, n, width, ld);
        wi_linear(run, &net->projection, n, &in, memory->projected, ld_out, (wi_epilogue){0});
        return;
    }
    if (net->params.projection == WI_TEXT_NO_PROJECTION) {
        wi_norm_rows(run, &net->final_norm, n, m->picked, ld, memory->projected, ld_out);
        wi_tap(run, "text/pooled", 0, memory->projected, n, width, ld_out);
        return;
    }
    wi_input in =
        wi_norm_prepare(run, &net->final_norm, n, m->picked, ld, &net->projection, m->h, ld);
    wi_tap(run, "text/pooled", 0, m->h, n, width, ld);
    wi_linear(run, &net->projection, n, &in, memory->projected, ld_out, (wi_epilogue){0});
}

static size_t texts(const void *tower, wi_run *run, void *of_session, const wi_prompt *prompts,
                    size_t n, float *out)
{
    const text_tower *net = tower;
    text_memory *memory = of_session;
    const wi_text_params *p = &net->params;
    const size_t dim = net->embedding_dim;
    size_t n_tokens = p->sees_all ? p->context_length : 0;
    const tree t = p->bert       ? line_up_masked(p, memory, prompts, n, &n_tokens)
                   : p->sees_all ? line_up(net, memory, prompts, n)
                                 : grow(p, memory, prompts, n);
    const wi_reach reach = {.n_rows = t.n_nodes,
                            .n_tokens = n_tokens,
                            .n_keys = p->bert ? memory->n_keys : NULL,
                            .parent = memory->parent,
                            .hidden = memory->hidden,
                            .depth = memory->depth,
                            .path = memory->path};
    const size_t n_ends = list_ends(memory, t.n_prompts, memory->end_nodes);
    embed(net, run, memory, t.n_nodes);
    if (net->token_norm.n)
        wi_norm_rows(run, &net->token_norm, t.n_nodes, memory->stack.x, wi_ld(p->blocks.width),
                     memory->stack.x, wi_ld(p->blocks.width));
    wi_stack_run(&net->stack, run, &memory->stack, &reach, 0, p->blocks.n_layers - 1,
                 "text/hidden");
    wi_stack_last(&net->stack, run, &memory->stack, &reach, memory->end_nodes, n_ends);
    project(net, run, memory, n_ends);
    for (size_t i = 0; i < t.n_prompts; i++)
        memcpy(out + i * dim, memory->projected + memory->row[i] * wi_ld(dim), dim * sizeof *out);
    return t.n_prompts;
}

const wi_tower_kind wi_text_kind = {.name = "text",
                                    .role = WI_ROLE_TEXT,
                                    .number = 1,
                                    .fields = fields,
                                    .values_bytes = sizeof(wi_text_params),
                                    .check = check,
                                    .describe = describe,
                                    .bytes = bytes,
                                    .open = open_text,
                                    .walk = walk,
                                    .macs = macs,
                                    .memory_bytes = sizeof(text_memory),
                                    .need = need_text,
                                    .take = take,
                                    .used = used,
                                    .texts = texts};
_Static_assert(sizeof(wi_text_params) <= WI_TOWER_VALUES, "parameters fit");
