#include "nn/decoder.h"

#include "base/error.h"
#include "kern/half.h"
#include "nn/attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct block {
    wi_norm ln1, ln2, ln3;
    wi_mat qkv, out;                     /* self-attention: q rows, k rows, v rows */
    wi_mat cross_q, cross_kv, cross_out; /* cross_kv: k rows, v rows */
    wi_mat fc1, fc2;
} block;

typedef struct decoder {
    wi_decoder_params params;
    const float *ids;      /* [vocabulary] */
    const float *hedges;   /* [n_hedges, 3] */
    wi_mat tokens;         /* [vocabulary, width] */
    const float *position; /* [context, width] */
    wi_mat grid, pooled;
    const float *place; /* [n_places, width] */
    wi_norm memory_norm, final_norm;
    block blocks[];
} decoder;

typedef struct memory {
    size_t max_pictures, max_rows, max_nodes, n_nodes, n_pictures;
    float *seen;              /* [max_pictures, memory rows, ld(width)]: while looking */
    float *grid;              /* [n_places, ld(channels)] of one picture */
    float *pooled;            /* [ld(pooled)] */
    float *wide;              /* [ld(pooled rows * width)]: what is made of it */
    float *cross;             /* [layer][max_pictures, memory rows, ld(2 width)]: keys, values */
    float *self;              /* [layer][max_nodes, ld(3 width)]: queries, keys, values */
    float *x, *h, *q;         /* [max_rows, ld(width)] */
    float *mlp;               /* [max_rows, ld(mlp)] */
    float *logits;            /* [max_rows, ld(vocabulary)] */
    uint32_t *before, *depth; /* of each node */
    uint32_t *all;            /* 0, 1, 2, ...: every row of a picture */
    uint32_t **path;          /* one for each thread: [context] */
} memory;

/* --- parameters --- */

#define KEY(name) WI_SAYER_KEY(name)
enum { MAX_POOLED_ROWS = 64, MAX_HEDGES = 64 };
static const wi_field fields[] = {
    WI_SAYER_FIELDS(wi_decoder_params, say),
    WI_SAYER_SIZE("channels", wi_decoder_params, channels, WI_MAX_WIDTH),
    WI_U32(KEY("pooled"), wi_decoder_params, pooled, WI_MAX_WIDTH, 0, 0),
    WI_U32(KEY("pooled_rows"), wi_decoder_params, pooled_rows, MAX_POOLED_ROWS, 0, 0),
    WI_U32(KEY("hedges"), wi_decoder_params, n_hedges, MAX_HEDGES, 0, 0),
    WI_F32(KEY("hedge"), wi_decoder_params, hedge, 0, 0.75f),
    WI_F32(KEY("least_mean"), wi_decoder_params, least_mean, 0, 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status check(const void *values, wi_error *error)
{
    const wi_decoder_params *p = values;
    const wi_status status = wi_sayer_check(&p->say, error);
    if (status != WI_OK)
        return status;
    if (wi_out_of_range(p->channels, WI_MAX_WIDTH))
        return wi_sayer_bad(error, "channels", p->channels);
    if (p->pooled > WI_MAX_WIDTH || p->pooled_rows > MAX_POOLED_ROWS ||
        !p->pooled != !p->pooled_rows)
        return wi_sayer_bad(error, "rows of pooled features", p->pooled_rows);
    if (p->n_hedges > MAX_HEDGES)
        return wi_sayer_bad(error, "hedges", p->n_hedges);
    if (!(p->hedge >= 0 && p->hedge <= 1) || !(p->least_mean >= 0 && p->least_mean <= 1))
        return wi_fail(error, WI_ERR_FORMAT, "decoder: hedge or least_mean lies outside 0..1");
    return WI_OK;
}

static void describe(const void *values, wi_tower_facts *out)
{
    *out = wi_sayer_facts(&((const wi_decoder_params *)values)->say);
}

/* --- what it is made of --- */

static size_t bytes(const void *values)
{
    return sizeof(decoder) + ((const wi_decoder_params *)values)->say.n_layers * sizeof(block);
}

static void open_decoder(const void *values, const wi_tower_setting *setting, void *tower)
{
    (void)setting;
    decoder *net = tower;
    net->params = *(const wi_decoder_params *)values;
    const wi_norm norm = {.eps = net->params.say.ln_eps, .n = net->params.say.width};
    net->memory_norm = net->final_norm = norm;
    for (uint32_t i = 0; i < net->params.say.n_layers; i++)
        net->blocks[i] = (block){.ln1 = norm, .ln2 = norm, .ln3 = norm};
}

static void walk_block(const wi_decoder_params *p, block *b, const char *prefix, wi_walker *w)
{
    wi_walk_norm(w, prefix, "ln1", &b->ln1);
    wi_walk_linear(w, prefix, "self", &b->qkv, 3 * p->say.width, p->say.width, true);
    wi_walk_linear(w, prefix, "o", &b->out, p->say.width, p->say.width, true);
    wi_walk_norm(w, prefix, "ln2", &b->ln2);
    wi_walk_linear(w, prefix, "cross_q", &b->cross_q, p->say.width, p->say.width, true);
    wi_walk_linear(w, prefix, "cross_kv", &b->cross_kv, 2 * p->say.width, p->say.width, true);
    wi_walk_linear(w, prefix, "cross_o", &b->cross_out, p->say.width, p->say.width, true);
    wi_walk_norm(w, prefix, "ln3", &b->ln3);
    wi_walk_linear(w, prefix, "fc1", &b->fc1, p->say.mlp_width, p->say.width, true);
    wi_walk_linear(w, prefix, "fc2", &b->fc2, p->say.width, p->say.mlp_width, true);
}

static void walk(void *tower, wi_walker *w)
{
    decoder *net = tower;
    const wi_decoder_params *p = &net->params;
    wi_walk_vector(w, "d.", "ids", &net->ids, 1, p->say.vocabulary_size);
    if (p->n_hedges)
        wi_walk_vector(w, "d.", "hedges", &net->hedges, p->n_hedges, 3);
    wi_walk_linear(w, "d.", "tok", &net->tokens, p->say.vocabulary_size, p->say.width, true);
    wi_walk_vector(w, "d.", "pos", &net->position, p->say.context_length, p->say.width);
    wi_walk_projection(w, "d.", "grid", &net->grid, p->say.width, p->channels, true);
    wi_walk_vector(w, "d.", "place", &net->place, p->say.n_places, p->say.width);
    if (p->pooled)
        wi_walk_linear(w, "d.", "pooled", &net->pooled, p->pooled_rows * p->say.width, p->pooled,
                       true);
    wi_walk_norm(w, "d.", "ln_memory", &net->memory_norm);
    for (uint32_t i = 0; i < p->say.n_layers; i++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "d.%u.", i);
        walk_block(p, &net->blocks[i], prefix, w);
    }
    wi_walk_norm(w, "d.", "ln_final", &net->final_norm);
}

static bool is_below(float number, uint32_t end)
{
    return number >= 0 && number < (float)end && floorf(number) == number;
}

/* Ids are looked up by halving, and hedges index logits. */
static wi_status bound(const void *tower, wi_error *error)
{
    const decoder *net = tower;
    const wi_decoder_params *p = &net->params;
    for (uint32_t i = 0; i < p->say.vocabulary_size; i++)
        if (!is_below(net->ids[i], WI_MAX_VOCABULARY) || (i && net->ids[i] <= net->ids[i - 1]))
            return wi_fail(error, WI_ERR_FORMAT,
                           "d.ids is not an ascending list of tokens: get the model again");
    for (uint32_t i = 0; i < 3 * p->n_hedges; i++)
        if (!is_below(net->hedges[i], p->say.vocabulary_size))
            return wi_fail(error, WI_ERR_FORMAT,
                           "d.hedges names a token that is none: get the model again");
    return WI_OK;
}

static uint64_t macs(const void *tower)
{
    const wi_decoder_params *p = &((const decoder *)tower)->params;
    const uint64_t w = p->say.width;
    return p->say.n_layers * w * (6 * w + 2 * p->say.mlp_width) + w * p->say.vocabulary_size;
}

/* --- memory --- */

static size_t memory_rows(const wi_decoder_params *p)
{
    return (size_t)p->say.n_places + p->pooled_rows;
}

static void need_decoder(const void *tower, size_t max_pictures, wi_run_need *need)
{
    const decoder *net = tower;
    const wi_decoder_params *p = &net->params;
    const size_t rows = max_pictures * WI_DECODE_ROWS;
    wi_need_mat(need, &net->grid, p->say.n_places);
    if (p->pooled)
        wi_need_mat(need, &net->pooled, 1);
    wi_need_mat(need, &net->tokens, rows);
    for (uint32_t i = 0; i < p->say.n_layers; i++) {
        const block *b = &net->blocks[i];
        const wi_mat *mats[] = {&b->qkv, &b->out, &b->cross_q, &b->cross_out, &b->fc1, &b->fc2};
        for (size_t j = 0; j < sizeof mats / sizeof *mats; j++)
            wi_need_mat(need, mats[j], rows);
        wi_need_mat(need, &b->cross_kv, memory_rows(p));
    }
    wi_need_scratch(need, memory_rows(p) > p->say.context_length ? memory_rows(p)
                                                                 : p->say.context_length);
}

static void take(const void *tower, size_t max_pictures, size_t n_threads, void *to,
                 wi_arena *arena)
{
    const wi_decoder_params *p = &((const decoder *)tower)->params;
    memory *m = to;
    const size_t ld = wi_ld(p->say.width), rows = max_pictures * WI_DECODE_ROWS;
    m->max_pictures = max_pictures;
    m->max_rows = rows;
    m->max_nodes = rows * p->say.context_length;
    m->seen = wi_arena_take_floats(arena, memory_rows(p), 1, ld);
    m->grid = wi_arena_take_floats(arena, p->say.n_places, 1, wi_ld(p->channels));
    m->pooled = wi_arena_take_floats(arena, 1, 1, wi_ld(p->pooled));
    m->wide = wi_arena_take_floats(arena, 1, 1, wi_ld((size_t)p->pooled_rows * p->say.width));
    m->cross = wi_arena_take_floats(arena, p->say.n_layers * max_pictures, memory_rows(p),
                                    wi_ld(2 * (size_t)p->say.width));
    m->self =
        wi_arena_take_floats(arena, p->say.n_layers, m->max_nodes, wi_ld(3 * (size_t)p->say.width));
    m->x = wi_arena_take_floats(arena, rows, 1, ld);
    m->h = wi_arena_take_floats(arena, rows, 1, ld);
    m->q = wi_arena_take_floats(arena, rows, 1, ld);
    m->mlp = wi_arena_take_floats(arena, rows, 1, wi_ld(p->say.mlp_width));
    m->logits = wi_arena_take_floats(arena, rows, 1, wi_ld(p->say.vocabulary_size));
    m->before = wi_arena_take(arena, m->max_nodes, sizeof *m->before);
    m->depth = wi_arena_take(arena, m->max_nodes, sizeof *m->depth);
    m->all = wi_arena_take(arena, memory_rows(p), sizeof *m->all);
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
    for (size_t i = 0; i < memory_rows(&((const decoder *)tower)->params); i++)
        m->all[i] = (uint32_t)i;
}

static float *cross_of(const decoder *net, const memory *m, uint32_t layer, size_t picture)
{
    const wi_decoder_params *p = &net->params;
    return m->cross +
           (layer * m->max_pictures + picture) * memory_rows(p) * wi_ld(2 * (size_t)p->say.width);
}

static float *self_of(const decoder *net, const memory *m, uint32_t layer)
{
    return m->self + layer * m->max_nodes * wi_ld(3 * (size_t)net->params.say.width);
}

/* --- looking --- */

/* seen[memory rows] of one picture: its places, then what is made of the whole. */
static void see(const decoder *net, wi_run *run, memory *m, const float *grid, const float *pooled)
{
    const wi_decoder_params *p = &net->params;
    const size_t ld = wi_ld(p->say.width), ld_grid = wi_ld(p->channels), n = p->say.n_places;
    for (size_t i = 0; i < n; i++)
        memcpy(m->grid + i * ld_grid, grid + i * p->channels, p->channels * sizeof *grid);
    wi_input in = wi_prepare(run, &net->grid, n, m->grid, ld_grid);
    wi_linear(run, &net->grid, n, &in, m->seen, ld, (wi_epilogue){0});
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p->say.width; j++)
            m->seen[i * ld + j] += net->place[i * p->say.width + j];
    if (p->pooled) {
        memcpy(m->pooled, pooled, p->pooled * sizeof *pooled);
        in = wi_prepare(run, &net->pooled, 1, m->pooled, wi_ld(p->pooled));
        wi_linear(run, &net->pooled, 1, &in, m->wide, wi_ld((size_t)p->pooled_rows * p->say.width),
                  (wi_epilogue){0});
        for (size_t i = 0; i < p->pooled_rows; i++)
            memcpy(m->seen + (n + i) * ld, m->wide + i * p->say.width,
                   p->say.width * sizeof *m->wide);
    }
    wi_norm_rows(run, &net->memory_norm, memory_rows(p), m->seen, ld, m->seen, ld);
}

static void look(const void *tower, wi_run *run, void *of_session, const float *grid,
                 const float *pooled, size_t n)
{
    const decoder *net = tower;
    memory *m = of_session;
    const wi_decoder_params *p = &net->params;
    const size_t rows = memory_rows(p), ld = wi_ld(p->say.width),
                 ld_kv = wi_ld(2 * (size_t)p->say.width);
    m->n_nodes = 0;
    m->n_pictures = n;
    for (size_t i = 0; i < n; i++) {
        see(net, run, m, grid + i * p->say.n_places * p->channels,
            pooled ? pooled + i * p->pooled : NULL);
        wi_tap(run, "decoder/memory", 0, m->seen, rows, p->say.width, ld);
        for (uint32_t l = 0; l < p->say.n_layers; l++) {
            const wi_mat *kv = &net->blocks[l].cross_kv;
            const wi_input in = wi_prepare(run, kv, rows, m->seen, ld);
            wi_linear(run, kv, rows, &in, cross_of(net, m, l, i), ld_kv, (wi_epilogue){0});
        }
    }
}

/* --- one step --- */

/* Row r of a matrix, as it is multiplied. */
static void matrix_row(const wi_mat *mat, size_t r, float *out)
{
    const size_t panel = r / WI_PANEL, lane = r % WI_PANEL;
    if (mat->type == WI_MAT_S8) {
        const size_t k4 = (mat->k + 3) / 4;
        const int8_t *q = (const int8_t *)mat->panels + panel * k4 * 4 * WI_PANEL;
        for (size_t i = 0; i < mat->k; i++)
            out[i] = mat->scale[r] * (float)q[(i / 4 * WI_PANEL + lane) * 4 + i % 4];
        for (uint32_t i = 0; i < mat->n_apart; i++)
            out[mat->apart[i]] = mat->apart_panels[(panel * mat->n_apart + i) * WI_PANEL + lane];
        return;
    }
    const size_t first = panel * mat->k * WI_PANEL + lane;
    for (size_t i = 0; i < mat->k; i++) {
        const size_t at = first + i * WI_PANEL;
        if (mat->type == WI_MAT_F32)
            out[i] = ((const float *)mat->panels)[at];
        else
            out[i] = mat->type == WI_MAT_F16 ? wi_f16_to_f32(((const uint16_t *)mat->panels)[at])
                                             : wi_bf16_to_f32(((const uint16_t *)mat->panels)[at]);
    }
}

/* New nodes for the rows; x = token + position. */
static uint32_t grow(const decoder *net, memory *m, const wi_decode_row *rows, size_t n)
{
    const size_t width = net->params.say.width, ld = wi_ld(width);
    const uint32_t first = (uint32_t)m->n_nodes;
    for (size_t i = 0; i < n; i++) {
        const uint32_t node = first + (uint32_t)i, before = rows[i].before;
        m->before[node] = before;
        m->depth[node] = before == WI_DECODE_FIRST ? 0 : m->depth[before] + 1;
        const float *position = net->position + m->depth[node] * width;
        float *x = m->x + i * ld;
        matrix_row(&net->tokens, (size_t)rows[i].token, x);
        wi_at_position(width, x, position, x);
    }
    m->n_nodes += n;
    return first;
}

typedef struct asking {
    const decoder *net;
    const wi_run *run;
    memory *m;
    const wi_decode_row *rows;
    uint32_t layer, first;
} asking;

/* h = what a row's heads find among its own sentence. */
static void attend_self(void *context, size_t i, int worker)
{
    const asking *a = context;
    const wi_decoder_params *p = &a->net->params;
    const size_t width = p->say.width, ld = wi_ld(3 * width);
    const float *qkv = self_of(a->net, a->m, a->layer);
    uint32_t node = a->first + (uint32_t)i, *path = a->m->path[worker];
    const float *q = qkv + node * ld;
    const size_t n_keys = a->m->depth[node] + 1;
    for (size_t k = n_keys; k-- > 0; node = a->m->before[node])
        path[k] = node;
    wi_attend_row(a->run, worker, p->say.n_heads, width, q, qkv + width, qkv + 2 * width, ld, path,
                  n_keys, a->m->h + i * wi_ld(width));
}

/* h = what they find in the picture. */
static void attend_picture(void *context, size_t i, int worker)
{
    const asking *a = context;
    const wi_decoder_params *p = &a->net->params;
    const size_t width = p->say.width, ld = wi_ld(2 * width);
    const float *kv = cross_of(a->net, a->m, a->layer, a->rows[i].picture);
    wi_attend_row(a->run, worker, p->say.n_heads, width, a->m->q + i * wi_ld(width), kv, kv + width,
                  ld, a->m->all, memory_rows(p), a->m->h + i * wi_ld(width));
}

static void block_step(wi_run *run, asking *a, size_t n)
{
    const decoder *net = a->net;
    memory *m = a->m;
    const block *b = &net->blocks[a->layer];
    const size_t width = net->params.say.width, ld = wi_ld(width), ld_qkv = wi_ld(3 * width);
    const size_t wide = wi_ld(net->params.say.mlp_width);
    const wi_epilogue add = {.after = m->x, .ld_after = ld};
    wi_input in = wi_norm_prepare(run, &b->ln1, n, m->x, ld, &b->qkv, m->h, ld);
    wi_linear(run, &b->qkv, n, &in, self_of(net, m, a->layer) + a->first * ld_qkv, ld_qkv,
              (wi_epilogue){0});
    wi_pool_run(run->pool, n, attend_self, a);
    in = wi_prepare(run, &b->out, n, m->h, ld);
    wi_linear(run, &b->out, n, &in, m->x, ld, add);
    in = wi_norm_prepare(run, &b->ln2, n, m->x, ld, &b->cross_q, m->h, ld);
    wi_linear(run, &b->cross_q, n, &in, m->q, ld, (wi_epilogue){0});
    wi_pool_run(run->pool, n, attend_picture, a);
    in = wi_prepare(run, &b->cross_out, n, m->h, ld);
    wi_linear(run, &b->cross_out, n, &in, m->x, ld, add);
    in = wi_norm_prepare(run, &b->ln3, n, m->x, ld, &b->fc1, m->h, ld);
    wi_linear(run, &b->fc1, n, &in, m->mlp, wide,
              (wi_epilogue){.act = wi_act_of(net->params.say.activation)});
    in = wi_prepare(run, &b->fc2, n, m->mlp, wide);
    wi_linear(run, &b->fc2, n, &in, m->x, ld, add);
    wi_tap(run, "decoder/hidden", (int)a->layer + 1, m->x, n, width, ld);
}

static float *step(const void *tower, wi_run *run, void *of_session, const wi_decode_row *rows,
                   size_t n, uint32_t *first)
{
    const decoder *net = tower;
    memory *m = of_session;
    const size_t ld = wi_ld(net->params.say.width);
    asking a = {net, run, m, rows, 0, grow(net, m, rows, n)};
    wi_tap(run, "decoder/hidden", 0, m->x, n, net->params.say.width, ld);
    for (; a.layer < net->params.say.n_layers; a.layer++)
        block_step(run, &a, n);
    const wi_input in = wi_norm_prepare(run, &net->final_norm, n, m->x, ld, &net->tokens, m->h, ld);
    wi_linear(run, &net->tokens, n, &in, m->logits, wi_ld(net->params.say.vocabulary_size),
              (wi_epilogue){0});
    *first = a.first;
    return m->logits;
}

/* --- the kind --- */

static wi_sight_shape sees(const void *tower)
{
    const wi_decoder_params *p = &((const decoder *)tower)->params;
    return (wi_sight_shape){p->say.n_places, p->channels, p->pooled};
}

static const float *ids(const void *tower)
{
    return ((const decoder *)tower)->ids;
}

static const float *hedges(const void *tower, size_t *n)
{
    *n = ((const decoder *)tower)->params.n_hedges;
    return ((const decoder *)tower)->hedges;
}

static const wi_tower_decode decode = {
    .sees = sees, .look = look, .step = step, .ids = ids, .hedges = hedges};

const wi_tower_kind wi_decoder_kind = {.name = "decoder",
                                       .role = WI_ROLE_DECODER,
                                       .fields = fields,
                                       .values_bytes = sizeof(wi_decoder_params),
                                       .check = check,
                                       .describe = describe,
                                       .bytes = bytes,
                                       .open = open_decoder,
                                       .walk = walk,
                                       .bound = bound,
                                       .macs = macs,
                                       .memory_bytes = sizeof(memory),
                                       .need = need_decoder,
                                       .take = take,
                                       .prepare = prepare,
                                       .decode = &decode};
_Static_assert(sizeof(wi_decoder_params) <= WI_TOWER_VALUES, "parameters fit");
