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

typedef float four __attribute__((vector_size(4 * sizeof(float))));

static four load_four(const float *p)
{
    four x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* out[4][16] = the first four numbers of sixteen rows. */
static void turn_four(const float *rows, size_t ld, float *out)
{
    for (size_t t = 0; t < WI_PANEL; t += 4, rows += 4 * ld) {
        const four a = load_four(rows), b = load_four(rows + ld), c = load_four(rows + 2 * ld),
                   d = load_four(rows + 3 * ld);
        const four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                   cd = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                   ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7),
                   cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        const four turned[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5),
                                __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                                __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5),
                                __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7)};
        for (size_t i = 0; i < 4; i++)
            memcpy(out + i * WI_PANEL + t, &turned[i], sizeof turned[i]);
    }
}

static void pack_keys(const float *k, size_t ld, size_t n_tokens, size_t d, float *out)
{
    for (size_t first = 0; first < n_tokens; first += WI_PANEL, out += d * WI_PANEL) {
        const float *rows = k + first * ld;
        const size_t n = n_tokens - first < WI_PANEL ? n_tokens - first : WI_PANEL;
        size_t i = 0;
        for (; n == WI_PANEL && i + 4 <= d; i += 4)
            turn_four(rows + i, ld, out + i * WI_PANEL);
        for (; i < d; i++)
            for (size_t t = 0; t < WI_PANEL; t++)
                out[i * WI_PANEL + t] = t < n ? rows[t * ld + i] : 0.0f;
    }
}

static void pack_values(const float *v, size_t ld, size_t n_tokens, size_t d, float *out)
{
    for (size_t first = 0; first < d; first += WI_PANEL, v += WI_PANEL)
        for (size_t t = 0; t < n_tokens; t++, out += WI_PANEL) {
            if (d - first >= WI_PANEL) {
                memcpy(out, v + t * ld, WI_PANEL * sizeof *out);
                continue;
            }
            for (size_t i = 0; i < WI_PANEL; i++)
                out[i] = first + i < d ? v[t * ld + i] : 0.0f;
        }
}

/* What stands behind row[d] is the next head's: with several pictures it lies in no near cache. Asked for
 * row by row between the softmaxes, it is there in time; all at once would be waited for. */
static void fetch_behind(const float *row, size_t d)
{
    for (size_t i = 0; i < d; i += WI_PANEL)
        __builtin_prefetch(row + d + i);
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
        for (size_t i = 0; i < m; i++) {
            const float *beside = kv + (first + i < n ? first + i : 0) * a->ld_kv;
            fetch_behind(q + i * a->ld_q, d);
            fetch_behind(beside, d);
            fetch_behind(beside + a->width, d);
            kern->softmax(n, scale, scores + i * ld_scores);
        }
        if (d % WI_PANEL == 0) {
            kern->gemm_f32(m, panels(d), n, scores, ld_scores, values, out, a->ld_out, &plain);
            continue;
        }
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

void wi_keys_values(wi_run *run, const wi_mat *k, const wi_mat *v, size_t rows, const wi_input *in,
                    float *x, size_t ld, size_t width, float *kv)
{
    const size_t ld_kv = wi_ld(2 * width);
    /* Keys come first: their last panel may reach into the values' columns. */
    wi_linear(run, k, rows, in, kv, ld_kv, (wi_epilogue){0});
    const wi_input again = wi_prepare(run, v, rows, x, ld);
    wi_linear(run, v, rows, &again, kv + width, ld_kv, (wi_epilogue){0});
}
