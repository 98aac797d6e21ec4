#include "nn/attention.h"

#include <math.h>
#include <string.h>

/* Both products run on the f32 panel kernel: keys are transposed into panels of 16 tokens, values
 * into panels of 16 dimensions. Queries go in blocks, so that the scores stay in the cache. */
enum { QUERIES_AT_ONCE = 56 };

static size_t panels(size_t n)
{
    return (n + WI_PANEL - 1) / WI_PANEL;
}

size_t wi_attention_scratch(size_t n_tokens, size_t d)
{
    const size_t keys = panels(n_tokens) * WI_PANEL * d, values = panels(d) * WI_PANEL * n_tokens;
    const size_t scores = QUERIES_AT_ONCE * wi_ld(n_tokens), results = QUERIES_AT_ONCE * wi_ld(d);
    return keys + values + scores + results;
}

static void pack_keys(const float *k, size_t ld, size_t n_tokens, size_t d, float *out)
{
    for (size_t p = 0; p < panels(n_tokens); p++, out += d * WI_PANEL)
        for (size_t t = 0; t < WI_PANEL; t++) {
            const size_t token = p * WI_PANEL + t;
            const float *row = k + token * ld;
            for (size_t i = 0; i < d; i++)
                out[i * WI_PANEL + t] = token < n_tokens ? row[i] : 0.0f;
        }
}

static void pack_values(const float *v, size_t ld, size_t n_tokens, size_t d, float *out)
{
    for (size_t p = 0; p < panels(d); p++, out += n_tokens * WI_PANEL) {
        const size_t n = d - p * WI_PANEL < WI_PANEL ? d - p * WI_PANEL : WI_PANEL;
        for (size_t t = 0; t < n_tokens; t++) {
            memcpy(out + t * WI_PANEL, v + t * ld + p * WI_PANEL, n * sizeof *out);
            memset(out + t * WI_PANEL + n, 0, (WI_PANEL - n) * sizeof *out);
        }
    }
}

typedef struct job {
    wi_run *run;
    const wi_attention *a;
} job;

static void one_head(void *context, size_t index, int worker)
{
    const job *j = context;
    const wi_attention *a = j->a;
    const wi_kern *kern = j->run->kern;
    const size_t b = index / a->n_heads, h = index % a->n_heads, d = a->width / a->n_heads;
    const size_t n = a->n_keys ? a->n_keys[b] : a->n_tokens;
    const size_t ld_scores = wi_ld(n), ld_results = wi_ld(d);
    const float scale = 1.0f / sqrtf((float)d);
    float *keys = j->run->scratch[worker];
    float *values = keys + panels(n) * WI_PANEL * d;
    float *scores = values + panels(d) * WI_PANEL * n;
    float *results = scores + QUERIES_AT_ONCE * ld_scores;
    const float *kv = a->kv + b * a->n_tokens * a->ld_kv + h * d;
    const wi_epilogue plain = {0};

    pack_keys(kv, a->ld_kv, n, d, keys);
    pack_values(kv + a->width, a->ld_kv, n, d, values);
    for (size_t first = 0; first < a->n_queries; first += QUERIES_AT_ONCE) {
        const size_t m =
            a->n_queries - first < QUERIES_AT_ONCE ? a->n_queries - first : QUERIES_AT_ONCE;
        const float *q = a->q + (b * a->q_rows + first) * a->ld_q + h * d;
        float *out = a->out + (b * a->n_queries + first) * a->ld_out + h * d;
        kern->gemm_f32(m, panels(n), d, q, a->ld_q, keys, scores, ld_scores, &plain);
        for (size_t i = 0; i < m; i++)
            kern->softmax(n, scale, scores + i * ld_scores);
        kern->gemm_f32(m, panels(d), n, scores, ld_scores, values, results, ld_results, &plain);
        for (size_t i = 0; i < m; i++)
            memcpy(out + i * a->ld_out, results + i * ld_results, d * sizeof *out);
    }
}

void wi_attend(wi_run *run, const wi_attention *attention)
{
    job j = {run, attention};
    wi_pool_run(run->pool, attention->batch * attention->n_heads, one_head, &j);
}

void wi_attend_row(const wi_run *run, int worker, size_t n_heads, size_t width, const float *q,
                   const float *keys, const float *values, size_t ld, const uint32_t *rows,
                   size_t n_keys, float *out)
{
    const size_t d = width / n_heads;
    const float scale = 1.0f / sqrtf((float)d);
    for (size_t h = 0; h < n_heads; h++)
        run->kern->attend(n_keys, d, scale, q + h * d, keys + h * d, values + h * d, ld, rows,
                          run->scratch[worker], out + h * d);
}
