/* What the parameters of several tower kinds share. */
#ifndef WI_NN_PARAMS_H
#define WI_NN_PARAMS_H

#include "kern/kern.h"
#include "nn/field.h"

typedef enum wi_activation {
    WI_ACT_QUICK_GELU = 0, /* x * sigmoid(1.702 x) */
    WI_ACT_GELU,           /* exact, with erf */
    WI_ACT_GELU_TANH,
    WI_ACT_RELU,
    WI_N_ACTIVATIONS
} wi_activation;

/* "quick_gelu", ... */
const char *wi_activation_name(wi_activation activation);
wi_act wi_act_of(wi_activation activation);

/* Upper bounds that untrusted configurations are checked against before anything is multiplied. */
enum {
    WI_MAX_WIDTH = 16384,
    WI_MAX_LAYERS = 256,
    WI_MAX_HEADS = 256,
    WI_MAX_IMAGE_PX = 2048,
    WI_MAX_CONTEXT = 4096,
    WI_MAX_VOCABULARY = 1 << 20,
    WI_MAX_EMBEDDING = 16384
};

typedef struct wi_block_params { /* of a stack of transformer blocks (nn/stack.h) */
    uint32_t width, n_layers, n_heads, mlp_width;
    wi_activation activation;
    float ln_eps;
    bool layer_scale;    /* what a block adds is weighed per channel */
    bool qk_norm;        /* queries and keys are normalised per head */
    bool head_scale;     /* the heads' results are weighed */
    bool inner_norm;     /* they are normalised before the output matrix */
    bool attention_norm; /* what attention adds is normalised */
    bool mlp_norm;       /* the MLP's hidden rows are normalised after the activation */
    bool gated;     /* they are fc1 x times SiLU of gate x, in place of an activation of fc1 x */
    bool post_norm; /* norms come behind each addition, as in BERT, not before each step */
} wi_block_params;

/* Rows of a field list: WI_BLOCK_FIELDS("whatsit.image.", wi_vit_params, blocks). */
#define WI_BLOCK_FIELDS(prefix, type, member)                                                      \
    WI_BLOCK_SIZE(prefix "width", type, member.width, WI_MAX_WIDTH),                               \
        WI_BLOCK_SIZE(prefix "layers", type, member.n_layers, WI_MAX_LAYERS),                      \
        WI_BLOCK_SIZE(prefix "heads", type, member.n_heads, WI_MAX_HEADS),                         \
        WI_BLOCK_SIZE(prefix "mlp_width", type, member.mlp_width, 8 * WI_MAX_WIDTH),               \
        WI_BLOCK_SIZE(prefix "activation", type, member.activation, WI_N_ACTIVATIONS - 1),         \
        WI_F32(prefix "ln_eps", type, member.ln_eps, WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0),       \
        WI_BOOL(prefix "layer_scale", type, member.layer_scale, 0, false),                         \
        WI_BOOL(prefix "qk_norm", type, member.qk_norm, 0, false),                                 \
        WI_BOOL(prefix "head_scale", type, member.head_scale, 0, false),                           \
        WI_BOOL(prefix "inner_norm", type, member.inner_norm, 0, false),                           \
        WI_BOOL(prefix "attention_norm", type, member.attention_norm, 0, false),                   \
        WI_BOOL(prefix "mlp_norm", type, member.mlp_norm, 0, false)
/* Those that only some kinds of tower have. */
#define WI_BLOCK_MORE_FIELDS(prefix, type, member)                                                 \
    WI_BOOL(prefix "gated", type, member.gated, 0, false),                                         \
        WI_BOOL(prefix "post_norm", type, member.post_norm, 0, false)
#define WI_BLOCK_SIZE(key, type, member, most)                                                     \
    WI_U32(key, type, member, most, WI_FIELD_REQUIRED | WI_FIELD_FIRST, 0)

/* Bounds, heads that divide the width, an epsilon in 0..1. tower: "image tower", for messages. */
wi_status wi_block_params_check(const wi_block_params *blocks, const char *tower, wi_error *error);

/* NULL when value lies in 1..most, else the rest of a sentence. */
const char *wi_out_of_range(uint32_t value, uint32_t most);

#endif
