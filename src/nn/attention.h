/* Multi-head self-attention of a batch of equally long sequences: softmax(Q K^T / sqrt(d)) V. */
#ifndef WI_NN_ATTENTION_H
#define WI_NN_ATTENTION_H

#include "nn/run.h"

/* Scratch floats per thread for sequences of n_tokens with heads of d. */
size_t wi_attention_scratch(size_t n_tokens, size_t d);

/* qkv[batch*n_tokens, 3*width]; out[batch*n_queries, width], where the first n_queries tokens of
 * each sequence ask (1: the class token alone). q may stand apart from k and v: row i of sequence b
 * at q + (b*q_rows + i)*ld_q.
 * Source: "Attention Is All You Need" (arXiv:1706.03762), equation 1. */
typedef struct wi_attention {
    const float *q, *kv; /* kv points at column `width` of qkv: keys, then values */
    size_t ld_q, q_rows, ld_kv;
    size_t batch, n_tokens, n_queries, n_heads, width;
    const uint32_t *n_keys; /* [batch], 1..n_tokens: only the first tokens are seen; NULL: all */
    float *out;
    size_t ld_out;
} wi_attention;
void wi_attend(wi_run *run, const wi_attention *attention);

/* kv[rows, 2*width], rows of wi_ld(2*width): keys k x, then values v x, as wi_attend reads them. in: x[rows] prepared for k;
 * x may be changed. */
void wi_keys_values(wi_run *run, const wi_mat *k, const wi_mat *v, size_t rows, const wi_input *in,
                    float *x, size_t ld, size_t width, float *kv);

/* One token's heads over the keys that `rows` names, in a job of `worker`.
 * Shapes: q[width]; keys, values: rows of ld; rows[n_keys]; out[width]. Takes n_keys floats of scratch. */
void wi_attend_row(const wi_run *run, int worker, size_t n_heads, size_t width, const float *q,
                   const float *keys, const float *values, size_t ld, const uint32_t *rows,
                   size_t n_keys, float *out);

#endif
