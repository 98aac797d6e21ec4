/* Networks of inverted residual blocks (MobileNetV2's, as EfficientNet-Lite has them): stem -> blocks of
 * 1x1 expansion, depthwise convolution, 1x1 projection -> head -> mean -> embedding. Every activation is
 * ReLU6, paddings are TensorFlow's SAME.
 *
 *     embedding = W f + b + V act(U f + c) + O r      f: the mean over the picture of the head's channels
 *
 * r is what some heads see in the last block's output x: head h looks at the places by softmax over the
 * places i of q_h x_i + p_hi, and r holds the weighted mean of x for each head. The branch (V), r and the
 * whole projection may be absent; without it the embedding is f.
 *
 * Source: EfficientNet (arXiv:1905.11946), MobileNetV2 (arXiv:1801.04381); efficientnet_lite_pytorch's
 * model.py */
#ifndef WI_NN_MBCONV_H
#define WI_NN_MBCONV_H

#include "nn/tower.h"

typedef enum wi_branch_act {
    WI_BRANCH_GELU = 0,
    WI_BRANCH_RELU,
    WI_BRANCH_SOFTMAX,
    WI_N_BRANCH_ACTS
} wi_branch_act;

/* Runs of equal blocks: all but the first block of a stage have stride 1 and as many outputs as inputs. */
enum { WI_MBCONV_STAGES = 12, WI_MBCONV_LOOK_HEADS = 64 };

typedef struct wi_mbconv_params {
    uint32_t image_px;
    uint32_t stem_width, head_width;
    uint32_t blocks[WI_MBCONV_STAGES]; /* 0: no such stage */
    uint32_t width[WI_MBCONV_STAGES];
    uint32_t expansion[WI_MBCONV_STAGES]; /* hidden channels per input channel; 1: no expansion */
    uint32_t kernel[WI_MBCONV_STAGES];    /* a side of the depthwise convolution */
    uint32_t stride[WI_MBCONV_STAGES];    /* of the first block */
    float norm_eps;                       /* of the batch norms that are folded in */
    bool has_projection, has_projection_bias;
    uint32_t branch_width; /* 0: no branch */
    wi_branch_act branch_act;
    bool has_branch_bias; /* of its second matrix */
    uint32_t look_heads;  /* that look at places of the last block's output; 0: none */
} wi_mbconv_params;

extern const wi_tower_kind wi_mbconv_kind;

#endif
