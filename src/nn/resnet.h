/* CLIP's ModifiedResNet: a stem of three convolutions, anti-aliased strides (average pools),
 * attention pooling. Activations are channels-last.
 * Source: OpenAI CLIP model.py ModifiedResNet, AttentionPool2d. */
#ifndef WI_NN_RESNET_H
#define WI_NN_RESNET_H

#include "nn/run.h"

typedef struct wi_resnet_memory {
    size_t max_images;
    float *maps[4]; /* activations in turn */
    float *tokens;  /* [max_images * tokens, channels] */
    float *kv, *q, *pooled, *projected;
    uint32_t *index;     /* [tokens] */
    float *pixel_values; /* [3][256] */
} wi_resnet_memory;

void wi_resnet_need(const wi_resnet *net, size_t max_images, wi_run_need *need);
void wi_resnet_take(const wi_resnet *net, size_t max_images, wi_resnet_memory *memory,
                    wi_arena *arena);
void wi_resnet_prepare(const wi_resnet *net, wi_resnet_memory *memory);

/* pixels[n,image_px,image_px,3] u8, n <= max_images; out[n,embedding_dim], not normalised. */
void wi_resnet_forward(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                       const uint8_t *pixels, size_t n, float *out);

uint64_t wi_resnet_macs(const wi_resnet *net);

#endif
