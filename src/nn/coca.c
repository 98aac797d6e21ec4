#include "nn/coca.h"

#include "base/error.h"
#include "nn/attention.h"
#include "nn/text.h"

#include <stdio.h>
#include <string.h>

typedef struct crossing { /* of a layer: what attends to the picture */
    wi_norm ln1, ln_kv, ln2;
    wi_mat q, k, v, out, fc1, fc2;
} crossing;

typedef struct coca {
    wi_coca_params params;
    const wi_text_tower *text; /* of the same model */
    wi_stack stack;
    wi_norm final_norm;
    wi_mat logits;
    crossing *crossings; /* [n_layers], behind the blocks */
    wi_block blocks[];
} coca;

typedef struct memory {
    size_t max_pictures, max_nodes, n_nodes;
    wi_stack_memory stack; /* of a step's rows */
    float *grid, *seen;    /* [n_places, ld(width)]: while looking */
    float *cross;          /* [layer][max_pictures, n_places, ld(2 width)]: keys, values */
    float *self;           /* [text layers, then own][max_nodes, ld(3 width)] */
    float *q;              /* [max_rows, ld(width)] */
    float *logits;         /* [max_rows, ld(vocabulary)] */
    int32_t *token;        /* these four: of each node */
    uint32_t *parent, *depth;
    bool *hidden;
    uint32_t *all;   /* 0, 1, 2, ...: every place */
    uint32_t **path; /* one for each thread: [context] */
} memory;

/* --- parameters --- */

static const wi_field fields[] = {WI_SAYER_FIELDS(wi_coca_params, say),
                                  {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    return wi_sayer_check(&((const wi_coca_params *)values)->say, error);
}

static void describe(const void *values, wi_tower_facts *out)
{
    *out = wi_sayer_facts(&((const wi_coca_params *)values)->say);
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    const wi_coca_params *p = values;
    const wi_block_params blocks = wi_sayer_blocks(&p->say);
    return sizeof(coca) + wi_stack_bytes(&blocks) + p->say.n_layers * sizeof(crossing);
}

static void open_coca(const void *values, const wi_tower_setting *setting, void *tower)
{
    (void)setting;
    coca *net = tower;
    net->params = *(const wi_coca_params *)values;
    const wi_block_params blocks = wi_sayer_blocks(&net->params.say);
    const wi_norm norm = {.eps = blocks.ln_eps, .n = blocks.width};
    wi_stack_open(&blocks, net->blocks, &net->stack);
    net->crossings = (crossing *)(void *)(net->blocks + blocks.n_layers);
    for (uint32_t i = 0; i < blocks.n_layers; i++)
        net->crossings[i] = (crossing){.ln1 = norm, .ln_kv = norm, .ln2 = norm};
    net->final_norm = norm;
}

static wi_status join(void *tower, const wi_tower *towers, wi_error *error)
{
    coca *net = tower;
    const wi_coca_params *p = &net->params;
    const wi_tower *text = &towers[WI_ROLE_TEXT];
    if (text->kind != &wi_text_kind)
        return wi_fail(error, WI_ERR_FORMAT, "decoder: 'coca' speaks by its model's text tower");
    net->text = text->self;
    const wi_text_params *t = &net->text->params;
    if (t->bert || t->sees_all || t->table_width || t->blocks.post_norm)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "decoder: 'coca' behind a text tower that is not CLIP's causal one");
    if (t->blocks.width != p->say.width || t->context_length < p->say.context_length ||
        t->vocabulary_size < p->say.vocabulary_size)
        return wi_fail(error, WI_ERR_FORMAT,
                       "decoder: %u tokens of width %u, context of %u; its text tower's are %u of "
                       "width %u, context of %u",
                       p->say.vocabulary_size, p->say.width, p->say.context_length,
                       t->vocabulary_size, t->blocks.width, t->context_length);
    return WI_OK;
}

static void walk_crossing(const wi_coca_params *p, crossing *c, const char *prefix, wi_walker *w)
{
    wi_walk_norm(w, prefix, "cross_ln1", &c->ln1);
    wi_walk_norm(w, prefix, "cross_ln_kv", &c->ln_kv);
    wi_walk_linear(w, prefix, "cross_q", &c->q, p->say.width, p->say.width, true);
    wi_walk_linear(w, prefix, "cross_k", &c->k, p->say.width, p->say.width, true);
    wi_walk_linear(w, prefix, "cross_v", &c->v, p->say.width, p->say.width, true);
    wi_walk_linear(w, prefix, "cross_o", &c->out, p->say.width, p->say.width, true);
    wi_walk_norm(w, prefix, "cross_ln2", &c->ln2);
    wi_walk_linear(w, prefix, "cross_fc1", &c->fc1, p->say.mlp_width, p->say.width, true);
    wi_walk_linear(w, prefix, "cross_fc2", &c->fc2, p->say.width, p->say.mlp_width, true);
}

static void walk(void *tower, wi_walker *w)
{
    coca *net = tower;
    const wi_coca_params *p = &net->params;
    wi_stack_walk(&net->stack, "d", w);
    for (uint32_t i = 0; i < p->say.n_layers; i++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "d.%u.", i);
        walk_crossing(p, &net->crossings[i], prefix, w);
    }
    wi_walk_norm(w, "d.", "ln_final", &net->final_norm);
    wi_walk_linear(w, "d.", "logits", &net->logits, p->say.vocabulary_size, p->say.width, false);
}

static uint64_t macs(const void *tower)
{
    const coca *net = tower;
    const uint64_t w = net->params.say.width,
                   crossing_macs = 2 * w * (w + net->params.say.mlp_width);
    return wi_stack_macs(&net->text->stack) + wi_stack_macs(&net->stack) +
           net->params.say.n_layers * crossing_macs + w * net->params.say.vocabulary_size;
}

/* --- memory --- */

static void need_coca(const void *tower, size_t max_pictures, wi_run_need *need)
{
    const coca *net = tower;
    const wi_coca_params *p = &net->params;
    const size_t rows = max_pictures * WI_DECODE_ROWS;
    wi_stack_need(&net->text->stack, rows, p->say.context_length, true, need);
    wi_stack_need(&net->stack, rows, p->say.context_length, true, need);
    for (uint32_t i = 0; i < p->say.n_layers; i++) {
        const crossing *c = &net->crossings[i];
        const wi_mat *mats[] = {&c->q, &c->out, &c->fc1, &c->fc2};
        for (size_t j = 0; j < sizeof mats / sizeof *mats; j++)
            wi_need_mat(need, mats[j], rows);
        wi_need_mat(need, &c->k, p->say.n_places);
        wi_need_mat(need, &c->v, p->say.n_places);
    }
    wi_need_mat(need, &net->logits, rows);
    wi_need_scratch(need, p->say.n_places);
}

static size_t n_selves(const coca *net)
{
    return (size_t)net->text->params.blocks.n_layers + net->params.say.n_layers;
}

static void take(const void *tower, size_t max_pictures, size_t n_threads, void *to,
                 wi_arena *arena)
{
    const coca *net = tower;
    const wi_coca_params *p = &net->params;
    memory *m = to;
    const size_t width = p->say.width, rows = max_pictures * WI_DECODE_ROWS;
    m->max_pictures = max_pictures;
    m->max_nodes = rows * p->say.context_length;
    wi_stack_take(&net->stack, rows, 1, net->text->params.blocks.mlp_width, &m->stack, arena);
    m->grid = wi_arena_take_floats(arena, p->say.n_places, 1, wi_ld(width));
    m->seen = wi_arena_take_floats(arena, p->say.n_places, 1, wi_ld(width));
    m->cross = wi_arena_take_floats(arena, p->say.n_layers * max_pictures, p->say.n_places,
                                    wi_ld(2 * width));
    m->self = wi_arena_take_floats(arena, n_selves(net), m->max_nodes, wi_ld(3 * width));
    m->q = wi_arena_take_floats(arena, rows, 1, wi_ld(width));
    m->logits = wi_arena_take_floats(arena, rows, 1, wi_ld(p->say.vocabulary_size));
    m->token = wi_arena_take(arena, m->max_nodes, sizeof *m->token);
    m->parent = wi_arena_take(arena, m->max_nodes, sizeof *m->parent);
    m->depth = wi_arena_take(arena, m->max_nodes, sizeof *m->depth);
    m->hidden = wi_arena_take(arena, m->max_nodes, sizeof *m->hidden);
    m->all = wi_arena_take(arena, p->say.n_places, sizeof *m->all);
    m->path = wi_arena_take(arena, n_threads, sizeof *m->path);
    for (size_t i = 0; i < n_threads; i++) {
        uint32_t *mine = wi_arena_take(arena, p->say.context_length, sizeof *mine);
        if (m->path)
            m->path[i] = mine;
    }
}

static void prepare(const void *tower, void *of_session)
{
    memory *m = of_session;
    for (uint32_t i = 0; i < ((const coca *)tower)->params.say.n_places; i++)
        m->all[i] = i;
}

static float *cross_of(const coca *net, const memory *m, size_t layer, size_t picture)
{
    return m->cross + (layer * m->max_pictures + picture) * net->params.say.n_places *
                          wi_ld(2 * (size_t)net->params.say.width);
}

static float *self_of(const coca *net, const memory *m, size_t layer)
{
    return m->self + layer * m->max_nodes * wi_ld(3 * (size_t)net->params.say.width);
}

/* --- looking --- */

static void look(const void *tower, wi_run *run, void *of_session, const float *grid,
                 const float *pooled, size_t n)
{
    (void)pooled;
    const coca *net = tower;
    memory *m = of_session;
    const size_t width = net->params.say.width, places = net->params.say.n_places,
                 ld = wi_ld(width);
    m->n_nodes = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < places; j++)
            memcpy(m->grid + j * ld, grid + (i * places + j) * width, width * sizeof *grid);
        for (size_t layer = 0; layer < net->params.say.n_layers; layer++) {
            const crossing *c = &net->crossings[layer];
            float *kv = cross_of(net, m, layer, i);
            const wi_input in =
                wi_norm_prepare(run, &c->ln_kv, places, m->grid, ld, &c->k, m->seen, ld);
            wi_keys_values(run, &c->k, &c->v, places, &in, m->seen, ld, width, kv);
        }
    }
}

/* --- one step --- */

/* New nodes for the rows; x = token + position. */
static uint32_t grow(const coca *net, wi_run *run, memory *m, const wi_decode_row *rows, size_t n)
{
    const size_t width = net->params.say.width, ld = wi_ld(width);
    const uint32_t first = (uint32_t)m->n_nodes;
    for (size_t i = 0; i < n; i++) {
        const uint32_t node = first + (uint32_t)i, before = rows[i].before;
        const bool root = before == WI_DECODE_FIRST;
        m->token[node] = rows[i].token;
        m->parent[node] = root ? node : before;
        m->depth[node] = root ? 0 : m->depth[before] + 1;
        m->hidden[node] = wi_text_hides(&net->text->params, root ? -1 : m->token[before]);
        const float *position = net->text->position + m->depth[node] * width;
        float *x = m->stack.x + i * ld;
        wi_text_row(net->text, run, (size_t)rows[i].token, x);
        wi_at_position(width, x, position, x);
    }
    m->n_nodes += n;
    return first;
}

typedef struct asking {
    const coca *net;
    const wi_run *run;
    const memory *m;
    const wi_decode_row *rows;
    size_t layer;
} asking;

/* h = what a row's heads find in its picture. */
static void attend_picture(void *context, size_t i, int worker)
{
    const asking *a = context;
    const wi_coca_params *p = &a->net->params;
    const size_t width = p->say.width, ld_kv = wi_ld(2 * width);
    const float *kv = cross_of(a->net, a->m, a->layer, a->rows[i].picture);
    wi_attend_row(a->run, worker, p->say.n_heads, width, a->m->q + i * wi_ld(width), kv, kv + width,
                  ld_kv, a->m->all, p->say.n_places, a->m->stack.h + i * wi_ld(width));
}

static void crossing_step(wi_run *run, asking *a, size_t n)
{
    const crossing *c = &a->net->crossings[a->layer];
    const wi_stack_memory *m = &a->m->stack;
    const size_t ld = wi_ld(a->net->params.say.width);
    const wi_epilogue add = {.after = m->x, .ld_after = ld};
    wi_input in = wi_norm_prepare(run, &c->ln1, n, m->x, ld, &c->q, m->h, ld);
    wi_linear(run, &c->q, n, &in, a->m->q, ld, (wi_epilogue){0});
    wi_pool_run(run->pool, n, attend_picture, a);
    in = wi_prepare(run, &c->out, n, m->h, ld);
    wi_linear(run, &c->out, n, &in, m->x, ld, add);
    in = wi_norm_prepare(run, &c->ln2, n, m->x, ld, &c->fc1, m->h, ld);
    wi_linear(run, &c->fc1, n, &in, m->mlp, m->ld_mlp, (wi_epilogue){.act = a->net->stack.act});
    in = wi_prepare(run, &c->fc2, n, m->mlp, m->ld_mlp);
    wi_linear(run, &c->fc2, n, &in, m->x, ld, add);
}

static float *step(const void *tower, wi_run *run, void *of_session, const wi_decode_row *rows,
                   size_t n, uint32_t *first)
{
    const coca *net = tower;
    memory *m = of_session;
    const size_t width = net->params.say.width, ld = wi_ld(width);
    const uint32_t n_text = net->text->params.blocks.n_layers;
    wi_reach reach = {.parent = m->parent, .depth = m->depth, .hidden = m->hidden, .path = m->path};
    *first = grow(net, run, m, rows, n);
    for (uint32_t i = 0; i < n_text; i++)
        wi_stack_step(&net->text->stack, i, run, &m->stack, &reach, self_of(net, m, i), *first, n);
    wi_tap(run, "decoder/text", 0, m->stack.x, n, width, ld);
    reach.hidden = NULL;
    asking a = {net, run, m, rows, 0};
    for (; a.layer < net->params.say.n_layers; a.layer++) {
        wi_stack_step(&net->stack, (uint32_t)a.layer, run, &m->stack, &reach,
                      self_of(net, m, n_text + a.layer), *first, n);
        crossing_step(run, &a, n);
        wi_tap(run, "decoder/hidden", (int)a.layer + 1, m->stack.x, n, width, ld);
    }
    const wi_input in =
        wi_norm_prepare(run, &net->final_norm, n, m->stack.x, ld, &net->logits, m->stack.h, ld);
    wi_linear(run, &net->logits, n, &in, m->logits, wi_ld(net->params.say.vocabulary_size),
              (wi_epilogue){0});
    return m->logits;
}

/* --- the kind --- */

static wi_sight_shape sees(const void *tower)
{
    const wi_coca_params *p = &((const coca *)tower)->params;
    return (wi_sight_shape){.n_places = p->say.n_places, .channels = p->say.width};
}

/* Its tokens are the tokenizer's. */
static const float *ids(const void *tower)
{
    (void)tower;
    return NULL;
}

static const float *hedges(const void *tower, size_t *n)
{
    (void)tower;
    *n = 0;
    return NULL;
}

/* open_clip's six beams in three groups are three times the same two: no penalty tells groups apart. */
static const wi_decode_rules rules = {.width = 2, .min_tokens = 5, .max_tokens = 30};

static const wi_tower_decode decode = {
    .sees = sees, .look = look, .step = step, .ids = ids, .hedges = hedges, .rules = &rules};

const wi_tower_kind wi_coca_kind = {.name = "coca",
                                    .role = WI_ROLE_DECODER,
                                    .fields = fields,
                                    .values_bytes = sizeof(wi_coca_params),
                                    .check = check,
                                    .describe = describe,
                                    .bytes = bytes,
                                    .open = open_coca,
                                    .join = join,
                                    .walk = walk,
                                    .macs = macs,
                                    .memory_bytes = sizeof(memory),
                                    .need = need_coca,
                                    .take = take,
                                    .prepare = prepare,
                                    .decode = &decode};
_Static_assert(sizeof(wi_coca_params) <= WI_TOWER_VALUES, "parameters fit");
