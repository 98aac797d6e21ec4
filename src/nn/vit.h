/* The vision transformer of CLIP: patches -> tokens -> pre-norm blocks -> class token ->
 * projection.
 * Source: OpenAI CLIP model.py VisionTransformer; ViT (arXiv:2010.11929). */
#ifndef WI_NN_VIT_H
#define WI_NN_VIT_H

#include "nn/run.h"

typedef struct wi_vit_memory {
    size_t max_images;
    float *x, *h, *qkv, *mlp; /* [max_images * tokens, ...] */
    float *projected;         /* [max_images, embedding] */
    float *pixel_values;      /* [3][256]: normalised value of each byte */
} wi_vit_memory;

/* Adds what batches of max_images take to need, and takes it from the arena (counts without
 * memory). */
void wi_vit_need(const wi_vit *vit, size_t max_images, wi_run_need *need);
void wi_vit_take(const wi_vit *vit, size_t max_images, wi_vit_memory *memory, wi_arena *arena);
/* Once, when the memory is there. */
void wi_vit_prepare(const wi_vit *vit, wi_vit_memory *memory);

/* pixels[n,image_px,image_px,3] u8, n <= max_images; out[n,embedding_dim], not normalised. */
void wi_vit_forward(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                    size_t n, float *out);

/* Multiplications of one image. */
uint64_t wi_vit_macs(const wi_vit *vit);

#endif
