/* CLIP's ModifiedResNet: a stem of three convolutions, anti-aliased strides (average pools),
 * attention pooling. Activations are channels-last.
 * Source: OpenAI CLIP model.py ModifiedResNet, AttentionPool2d. */
#ifndef WI_NN_RESNET_H
#define WI_NN_RESNET_H

#include "nn/conv.h"
#include "nn/tower.h"

typedef struct wi_resnet_params {
    uint32_t image_px;
    uint32_t width;           /* 64 for RN50 */
    uint32_t n_heads;         /* of the attention pooling */
    uint32_t stage_blocks[4]; /* 3,4,6,3 for RN50 */
    wi_activation activation; /* ReLU */
    float eps;                /* 1e-5 */
} wi_resnet_params;

extern const wi_tower_kind wi_resnet_kind;
extern const wi_tower_explain wi_resnet_explain;

typedef struct wi_bottleneck {
    uint32_t stage; /* 1..4 */
    wi_conv conv1, conv2, conv3;
    bool has_down;
    wi_conv down;
    uint32_t stride; /* 2: conv3's and the shortcut's input are 2x2-averaged */
} wi_bottleneck;

typedef struct wi_resnet {
    wi_resnet_params params;
    uint32_t embedding_dim;
    float mean[3], std[3];
    wi_conv stem[3];
    const float *position; /* [tokens, channels] */
    wi_mat q, k, v, c;
    uint32_t n_bottlenecks;
    wi_bottleneck bottlenecks[]; /* of all four stages in order */
} wi_resnet;

typedef struct wi_resnet_memory {
    float *maps[4]; /* activations in turn */
    float *tokens;  /* [max_images * tokens, channels] */
    float *kv, *q, *pooled, *projected;
    uint32_t *index;     /* [tokens] */
    float *pixel_values; /* [3][256] */
} wi_resnet_memory;

/* Positions a side of the last map, and tokens with the mean. */
static inline size_t wi_resnet_grid(const wi_resnet *net)
{
    return net->params.image_px / 32;
}
static inline size_t wi_resnet_tokens(const wi_resnet *net)
{
    return wi_resnet_grid(net) * wi_resnet_grid(net) + 1;
}

/* wi_tower_kind.images of this kind. */
void wi_resnet_forward(const void *tower, wi_run *run, void *memory, const uint8_t *pixels,
                       size_t n, float *out);

#endif
