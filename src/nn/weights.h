/* What the towers are made of: views of packed weights. nn owns none of them; a model does. */
#ifndef WI_NN_WEIGHTS_H
#define WI_NN_WEIGHTS_H

#include "kern/kern.h"

typedef enum wi_mat_type { WI_MAT_F32 = 0, WI_MAT_F16, WI_MAT_BF16, WI_MAT_S8 } wi_mat_type;

enum { WI_MAX_APART = 16 };

/* A linear layer W[n,k] in panels (kern/kern.h), y = W x + bias.
 *
 * An s8 matrix may set a few input columns apart: those whose inputs are outliers would spoil the
 * one scale of their row. Their inputs are taken out before the row is quantised and multiplied in
 * f32 (LLM.int8(), arXiv:2208.07339). In the int8 panels these columns are zero. */
typedef struct wi_mat {
    wi_mat_type type;
    uint32_t n, k;
    const void *panels;
    const float *bias;         /* [16 * panels] or NULL */
    const float *scale;        /* s8: [16 * panels] */
    const int32_t *sum;        /* s8: [16 * panels], sum over k */
    uint32_t n_apart;          /* s8: columns set apart */
    const uint32_t *apart;     /* [n_apart], ascending */
    const float *apart_panels; /* panels of W[n, n_apart] in f32 */
} wi_mat;

static inline size_t wi_mat_panels(const wi_mat *mat)
{
    return (mat->n + WI_PANEL - 1) / WI_PANEL;
}

typedef struct wi_norm {
    const float *w, *b; /* [n] */
    float eps;
    uint32_t n;
} wi_norm;

typedef struct wi_block {
    wi_norm ln1, ln2;
    wi_mat qkv; /* [3*width, width]: q rows, k rows, v rows */
    wi_mat out, fc1, fc2;
} wi_block;

typedef struct wi_stack { /* a run of equal transformer blocks */
    uint32_t width, n_layers, n_heads, mlp_width;
    wi_act act;
    const wi_block *blocks;
} wi_stack;

typedef struct wi_vit {
    uint32_t image_px, patch_px, embedding_dim;
    float mean[3], std[3];
    wi_mat patch;             /* [width, 3*patch*patch], inputs in (channel, row, column) order */
    const float *class_token; /* [width] */
    const float *position;    /* [tokens, width] */
    bool has_pre_norm;
    wi_norm pre_norm, post_norm;
    wi_stack stack;
    wi_mat projection; /* [embedding, width], no bias */
} wi_vit;

/* A convolution with its batch norm folded in: inputs in (row, column, channel) order. */
typedef struct wi_conv {
    wi_mat mat;
    uint32_t size, stride; /* 1 or 3, padded by (size-1)/2 */
} wi_conv;

typedef struct wi_bottleneck {
    wi_conv conv1, conv2, conv3;
    bool has_down;
    wi_conv down;
    uint32_t stride; /* 2: conv3's and the shortcut's input are 2x2-averaged */
} wi_bottleneck;

typedef struct wi_resnet {
    uint32_t image_px, embedding_dim, n_heads;
    float mean[3], std[3];
    wi_conv stem[3];
    uint32_t n_bottlenecks;
    const wi_bottleneck *bottlenecks; /* of all four stages in order */
    const uint8_t *stage_of;          /* [n_bottlenecks], 1..4: names for taps */
    const float *position;            /* [tokens, channels] */
    wi_mat q, k, v, c;
} wi_resnet;

typedef struct wi_text_net {
    uint32_t embedding_dim, context_length, vocabulary_size;
    wi_mat_type token_type;
    const void *tokens;       /* [vocabulary, width], row-major */
    const float *token_scale; /* s8: [vocabulary] */
    const float *position;    /* [context, width] */
    wi_stack stack;
    wi_norm final_norm;
    wi_mat projection;
} wi_text_net;

#endif
