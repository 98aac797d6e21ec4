#include "nn/pooler.h"

#include "nn/attention.h"

#include <string.h>

void wi_pooler_open(uint32_t width, uint32_t dim, uint32_t n_queries, uint32_t n_heads, float eps,
                    wi_pooler *out)
{
    *out = (wi_pooler){.width = width,
                       .dim = dim,
                       .n_queries = n_queries,
                       .n_heads = n_heads,
                       .query_norm = {.eps = eps, .n = dim},
                       .token_norm = {.eps = eps, .n = width}};
}

void wi_pooler_walk(wi_pooler *p, wi_walker *w)
{
    wi_walk_vector(w, "v.pool.", "queries", &p->queries, p->n_queries, p->dim);
    wi_walk_norm(w, "v.pool.", "ln_q", &p->query_norm);
    wi_walk_norm(w, "v.pool.", "ln_k", &p->token_norm);
    wi_walk_linear(w, "v.pool.", "q", &p->q, p->dim, p->dim, true);
    wi_walk_linear(w, "v.pool.", "k", &p->k, p->dim, p->width, true);
    wi_walk_linear(w, "v.pool.", "v", &p->v, p->dim, p->width, true);
    wi_walk_linear(w, "v.pool.", "o", &p->out, p->dim, p->dim, true);
}

uint64_t wi_pooler_macs(const wi_pooler *p, uint64_t n_tokens)
{
    const uint64_t dim = p->dim, queries = p->n_queries;
    return 2 * queries * dim * dim + 2 * n_tokens * dim * p->width + 2 * queries * n_tokens * dim;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

void wi_pooler_need(const wi_pooler *p, size_t max_images, size_t n_tokens, wi_run_need *need)
{
    wi_need_mat(need, &p->q, p->n_queries);
    wi_need_mat(need, &p->k, max_images * n_tokens);
    wi_need_mat(need, &p->v, max_images * n_tokens);
    wi_need_mat(need, &p->out, max_images * p->n_queries);
    wi_need_scratch(need,
                    wi_attention_scratch(max_size(n_tokens, p->n_queries), p->dim / p->n_heads));
}

void wi_pooler_take(const wi_pooler *p, size_t max_images, size_t n_tokens,
                    wi_pooler_memory *memory, wi_arena *arena)
{
    const size_t ld = wi_ld(p->dim);
    memory->queries = wi_arena_take_floats(arena, p->n_queries, 1, ld);
    memory->kv = wi_arena_take_floats(arena, max_images, n_tokens, wi_ld(2 * (size_t)p->dim));
    memory->h = wi_arena_take_floats(arena, max_images, p->n_queries, ld);
    memory->out = wi_arena_take_floats(arena, max_images, p->n_queries, ld);
}

/* The queries are the same for every picture. */
static void ask(const wi_pooler *p, wi_run *run, wi_pooler_memory *m)
{
    const size_t dim = p->dim, ld = wi_ld(dim);
    for (size_t i = 0; i < p->n_queries; i++)
        memcpy(m->h + i * ld, p->queries + i * dim, dim * sizeof(float));
    const wi_input in =
        wi_norm_prepare(run, &p->query_norm, p->n_queries, m->h, ld, &p->q, m->h, ld);
    wi_linear(run, &p->q, p->n_queries, &in, m->queries, ld, (wi_epilogue){0});
}

void wi_pooler_run(const wi_pooler *p, wi_run *run, wi_pooler_memory *m, const float *x, size_t n,
                   size_t n_tokens, float *h)
{
    const size_t ld_x = wi_ld(p->width), ld = wi_ld(p->dim), ld_kv = wi_ld(2 * (size_t)p->dim),
                 rows = n * n_tokens;
    ask(p, run, m);
    wi_input in = wi_norm_prepare(run, &p->token_norm, rows, x, ld_x, &p->k, h, ld_x);
    wi_keys_values(run, &p->k, &p->v, rows, &in, h, ld_x, p->dim, m->kv);
    const wi_attention attention = {.q = m->queries,
                                    .kv = m->kv,
                                    .ld_q = ld,
                                    .q_rows = 0,
                                    .ld_kv = ld_kv,
                                    .batch = n,
                                    .n_tokens = n_tokens,
                                    .n_queries = p->n_queries,
                                    .n_heads = p->n_heads,
                                    .width = p->dim,
                                    .out = m->h,
                                    .ld_out = ld};
    wi_attend(run, &attention);
    in = wi_prepare(run, &p->out, n * p->n_queries, m->h, ld);
    wi_linear(run, &p->out, n * p->n_queries, &in, m->out, ld, (wi_epilogue){0});
}
