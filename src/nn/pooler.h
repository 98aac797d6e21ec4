/* The attentional pooler of open_clip's CoCa: learned queries look at all tokens of a picture.
 *
 *     out = attention(norm(queries) W_q, norm(tokens) W_k, norm(tokens) W_v) W_o
 *
 * Source: open_clip 3.3 transformer.py AttentionalPooler; CoCa (arXiv:2205.01917), whose cascade of two
 * poolers the published weights do not have. */
#ifndef WI_NN_POOLER_H
#define WI_NN_POOLER_H

#include "nn/part.h"
#include "nn/run.h"

typedef struct wi_pooler {
    uint32_t width, dim; /* of a token, of what comes out */
    uint32_t n_queries, n_heads;
    const float *queries; /* [n_queries, dim] */
    wi_norm query_norm, token_norm;
    wi_mat q, k, v, out; /* [dim, dim], [dim, width] twice, [dim, dim] */
} wi_pooler;

typedef struct wi_pooler_memory {
    float *queries; /* [n_queries, wi_ld(dim)]: the same for all pictures */
    float *kv;      /* [rows, wi_ld(2*dim)] */
    float *h;       /* [max_images * n_queries, wi_ld(dim)] */
    float *out;     /* [max_images * n_queries, wi_ld(dim)]: stays until the next run */
} wi_pooler_memory;

/* Sets the sizes; weights come by the walk. */
void wi_pooler_open(uint32_t width, uint32_t dim, uint32_t n_queries, uint32_t n_heads, float eps,
                    wi_pooler *out);
void wi_pooler_walk(wi_pooler *pooler, wi_walker *walker);
/* Multiplications for a picture of n_tokens. */
uint64_t wi_pooler_macs(const wi_pooler *pooler, uint64_t n_tokens);
void wi_pooler_need(const wi_pooler *pooler, size_t max_images, size_t n_tokens, wi_run_need *need);
void wi_pooler_take(const wi_pooler *pooler, size_t max_images, size_t n_tokens,
                    wi_pooler_memory *memory, wi_arena *arena);
/* memory->out of x[n * n_tokens, wi_ld(width)]; h[n * n_tokens, wi_ld(width)] is room. */
void wi_pooler_run(const wi_pooler *pooler, wi_run *run, wi_pooler_memory *memory, const float *x,
                   size_t n, size_t n_tokens, float *h);

#endif
