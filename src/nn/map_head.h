/* The attention-pooling head of SigLIP and its relatives: one learned query looks at all tokens of a
 * picture, and an MLP of its own follows.
 * Source: transformers 5.24 modeling_siglip.py SiglipMultiheadAttentionPoolingHead; timm 1.0.31
 * attention_pool.py AttentionPoolLatent. */
#ifndef WI_NN_MAP_HEAD_H
#define WI_NN_MAP_HEAD_H

#include "nn/params.h"
#include "nn/part.h"
#include "nn/run.h"

typedef struct wi_map_head {
    uint32_t width, n_heads, mlp_width;
    wi_act act;
    const float *probe;  /* [width] */
    wi_mat q, k, v, out; /* [width, width] */
    wi_norm norm;
    wi_mat fc1, fc2;
} wi_map_head;

typedef struct wi_map_head_memory {
    float *kv;           /* [rows, wi_ld(2*width)] */
    float *q, *seen, *h; /* [max_images, wi_ld(width)] */
    float *mlp;          /* [max_images, wi_ld(mlp_width)] */
} wi_map_head_memory;

/* Sets the sizes; weights come by the walk. */
void wi_map_head_open(uint32_t width, uint32_t n_heads, uint32_t mlp_width,
                      wi_activation activation, float eps, wi_map_head *out);
void wi_map_head_walk(wi_map_head *head, wi_walker *walker);
/* Multiplications for a picture of n_tokens. */
uint64_t wi_map_head_macs(const wi_map_head *head, uint64_t n_tokens);
void wi_map_head_need(const wi_map_head *head, size_t max_images, size_t n_tokens,
                      wi_run_need *need);
void wi_map_head_take(const wi_map_head *head, size_t max_images, size_t n_tokens,
                      wi_map_head_memory *memory, wi_arena *arena);
/* x[n * n_tokens, wi_ld(width)], already normalised; out[n, ld_out]. */
void wi_map_head_run(const wi_map_head *head, wi_run *run, wi_map_head_memory *memory, float *x,
                     size_t n, size_t n_tokens, float *out, size_t ld_out);

#endif
