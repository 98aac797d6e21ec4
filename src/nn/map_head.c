#include "nn/map_head.h"

#include "nn/attention.h"

#include <string.h>

void wi_map_head_open(uint32_t width, uint32_t n_heads, uint32_t mlp_width,
                      wi_activation activation, float eps, wi_map_head *out)
{
    *out = (wi_map_head){.width = width,
                         .n_heads = n_heads,
                         .mlp_width = mlp_width,
                         .act = wi_act_of(activation),
                         .norm = {.eps = eps, .n = width}};
}

/* One row a picture goes through q, out and the MLP, so they are as good as a projection; keys and
 * values of all tokens are the work. */
void wi_map_head_walk(wi_map_head *head, wi_walker *w)
{
    const uint32_t width = head->width;
    wi_walk_vector(w, "v.pool.", "probe", &head->probe, 1, width);
    wi_walk_projection(w, "v.pool.", "q", &head->q, width, width, true);
    wi_walk_linear(w, "v.pool.", "k", &head->k, width, width, true);
    wi_walk_linear(w, "v.pool.", "v", &head->v, width, width, true);
    wi_walk_linear(w, "v.pool.", "o", &head->out, width, width, true);
    wi_walk_norm(w, "v.pool.", "ln", &head->norm);
    wi_walk_linear(w, "v.pool.", "fc1", &head->fc1, head->mlp_width, width, true);
    wi_walk_linear(w, "v.pool.", "fc2", &head->fc2, width, head->mlp_width, true);
}

uint64_t wi_map_head_macs(const wi_map_head *head, uint64_t n_tokens)
{
    const uint64_t w = head->width;
    return n_tokens * 2 * w * (w + 1) + 2 * w * w + 2 * w * head->mlp_width;
}

void wi_map_head_need(const wi_map_head *head, size_t max_images, size_t n_tokens,
                      wi_run_need *need)
{
    wi_need_mat(need, &head->q, 1);
    wi_need_mat(need, &head->k, max_images * n_tokens);
    wi_need_mat(need, &head->v, max_images * n_tokens);
    wi_need_mat(need, &head->out, max_images);
    wi_need_mat(need, &head->fc1, max_images);
    wi_need_mat(need, &head->fc2, max_images);
    wi_need_scratch(need, wi_attention_scratch(n_tokens, head->width / head->n_heads));
}

void wi_map_head_take(const wi_map_head *head, size_t max_images, size_t n_tokens,
                      wi_map_head_memory *memory, wi_arena *arena)
{
    const size_t ld = wi_ld(head->width);
    size_t rows = 0;
    if (!wi_size_mul(max_images, n_tokens, &rows))
        arena->overflow = true;
    memory->kv = wi_arena_take(arena, rows, wi_ld(2 * (size_t)head->width) * sizeof(float));
    memory->q = wi_arena_take(arena, 2, ld * sizeof(float));
    memory->seen = wi_arena_take(arena, max_images, ld * sizeof(float));
    memory->h = wi_arena_take(arena, max_images, ld * sizeof(float));
    memory->mlp = wi_arena_take(arena, max_images, wi_ld(head->mlp_width) * sizeof(float));
}

/* seen[n] = what the query finds among each picture's tokens. The query is the same for all. */
static void look(const wi_map_head *head, wi_run *run, wi_map_head_memory *m, float *x, size_t n,
                 size_t n_tokens)
{
    const size_t width = head->width, ld = wi_ld(width), ld_kv = wi_ld(2 * width),
                 rows = n * n_tokens;
    float *probe = m->q + ld;
    memcpy(probe, head->probe, width * sizeof *probe);
    wi_input in = wi_prepare(run, &head->q, 1, probe, ld);
    wi_linear(run, &head->q, 1, &in, m->q, ld, (wi_epilogue){0});
    in = wi_prepare(run, &head->k, rows, x, ld);
    wi_keys_values(run, &head->k, &head->v, rows, &in, x, ld, width, m->kv);
    const wi_attention attention = {.q = m->q,
                                    .kv = m->kv,
                                    .ld_q = ld,
                                    .q_rows = 0,
                                    .ld_kv = ld_kv,
                                    .batch = n,
                                    .n_tokens = n_tokens,
                                    .n_queries = 1,
                                    .n_heads = head->n_heads,
                                    .width = width,
                                    .out = m->h,
                                    .ld_out = ld};
    wi_attend(run, &attention);
    in = wi_prepare(run, &head->out, n, m->h, ld);
    wi_linear(run, &head->out, n, &in, m->seen, ld, (wi_epilogue){0});
    wi_tap(run, "vision/probe_attention", 0, m->seen, n, width, ld);
}

void wi_map_head_run(const wi_map_head *head, wi_run *run, wi_map_head_memory *m, float *x,
                     size_t n, size_t n_tokens, float *out, size_t ld_out)
{
    const size_t ld = wi_ld(head->width), wide = wi_ld(head->mlp_width);
    look(head, run, m, x, n, n_tokens);
    wi_input in = wi_norm_prepare(run, &head->norm, n, m->seen, ld, &head->fc1, m->h, ld);
    wi_linear(run, &head->fc1, n, &in, m->mlp, wide, (wi_epilogue){.act = head->act});
    in = wi_prepare(run, &head->fc2, n, m->mlp, wide);
    wi_linear(run, &head->fc2, n, &in, out, ld_out,
              (wi_epilogue){.after = m->seen, .ld_after = ld});
}
