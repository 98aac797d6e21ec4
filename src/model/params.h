/* The parameters of a model: everything besides the weights that changes an embedding. */
#ifndef WI_MODEL_PARAMS_H
#define WI_MODEL_PARAMS_H

#include <whatsit/image.h>
#include <whatsit/status.h>

typedef enum wi_activation {
    WI_ACT_QUICK_GELU = 0, /* x * sigmoid(1.702 x) */
    WI_ACT_GELU,           /* exact, with erf */
    WI_ACT_GELU_TANH,
    WI_ACT_RELU
} wi_activation;

typedef enum wi_image_kind { WI_IMAGE_NONE = 0, WI_IMAGE_VIT, WI_IMAGE_RESNET } wi_image_kind;

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

typedef struct wi_block_params { /* of a stack of transformer blocks */
    uint32_t width, n_layers, n_heads, mlp_width;
    wi_activation activation;
    float ln_eps;
} wi_block_params;

typedef struct wi_image_params {
    wi_image_kind kind;
    uint32_t image_px;
    uint32_t patch_px;      /* ViT */
    wi_block_params blocks; /* ViT; a ResNet uses width (64 for RN50) and n_heads (of attnpool) */
    bool has_patch_bias;
    bool has_pre_ln;
    uint32_t stage_blocks[4]; /* ResNet: 3,4,6,3 for RN50 */
} wi_image_params;

typedef struct wi_text_params {
    bool present;
    wi_block_params blocks;
    uint32_t context_length, vocabulary_size;
    int32_t end_token; /* pooled at its first position: 49407 for CLIP */
} wi_text_params;

typedef struct wi_params {
    uint32_t embedding_dim;
    wi_image_params image;
    wi_text_params text;
    wi_preprocess preprocess;
    float logit_scale; /* exponentiated */
    float logit_bias;
    bool sigmoid;
} wi_params;

/* Checks every field against the bounds and against each other (heads divide width, patch divides
 * image, sizes positive, std not zero, finite floats). WI_ERR_FORMAT or WI_ERR_UNSUPPORTED names
 * the field. */
wi_status wi_params_check(const wi_params *params, wi_error *error);

#endif
