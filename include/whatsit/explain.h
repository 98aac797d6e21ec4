/* Why? Which parts of a picture speak for an answer, and which units of the image tower fire.
 * Threads: one call per session at a time. */
#ifndef WHATSIT_EXPLAIN_H
#define WHATSIT_EXPLAIN_H

#include <whatsit/head.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_occlusion {
    uint32_t window_px, stride_px; /* 0: a quarter of the input, half a window */
    wi_progress progress;          /* counts windows */
    uint64_t reserved[4];
} wi_occlusion;

/* A heat map: by how much the label's lead over the head's other labels (ln of its share against
 * theirs; a sigmoid head's logit) falls when a window over that pixel is painted in the model's mean
 * colour, averaged over the windows. Positive: this part speaks for the label. Holds for every
 * model, since it only asks the model.
 * Shapes: pixels[size,size,3] u8 as wi_image_preprocess writes them; heat[size,size] f32
 * Errors: WI_ERR_ARG (no such label, a window larger than the input), WI_ERR_MISMATCH,
 *     WI_ERR_CANCELLED, WI_ERR_NOMEM
 * Source: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks (arXiv:1311.2901),
 *     section 4.2 */
WI_API wi_status wi_explain_occlusion(wi_session *session, const uint8_t *pixels,
                                      const wi_head *head, size_t label, const wi_occlusion *how,
                                      float *heat, wi_error *error);

/* Positions a side that the image tower sees: patches of a ViT, the last map of a ResNet. */
WI_API wi_status wi_explain_grid(const wi_session *session, uint32_t *side, wi_error *error);

/* An embedding of every position, not normalised, for heads to answer what stands there. The last
 * attention is replaced by each position's own value projection, so that a position speaks for
 * itself and not for the picture. Coarse, and less sure than the answer for the whole picture.
 * Shapes: pixels[size,size,3]; out[side*side, embedding_dim], row by row
 * Errors: WI_ERR_UNSUPPORTED without an image tower, WI_ERR_NOMEM
 * Source: MaskCLIP (arXiv:2112.01071), section 3.2 */
WI_API wi_status wi_explain_regions(wi_session *session, const uint8_t *pixels, float *out,
                                    wi_error *error);

typedef struct wi_unit {
    uint32_t layer,
        index; /* of a ViT's blocks (MLP units) or a ResNet's stages (channels), from 0 */
    float activation;
    float share; /* of the embedding's length that the unit gives directly */
} wi_unit;

/* The units of the last layers that give the picture's embedding most, best first, and the direction
 * in which each pushes it: compared with texts it tells what the unit stands for. A ViT's are the
 * MLP units of its last two blocks at the class token, a ResNet's the channels of its last map.
 * What later layers make of a unit is left out.
 * Shapes: pixels[size,size,3]; out[k]; direction[k, embedding_dim], normalised, may be NULL
 * Errors: WI_ERR_UNSUPPORTED without an image tower, WI_ERR_NOMEM
 * Source: Goh et al., Multimodal Neurons in Artificial Neural Networks (Distill 2021), for what is
 *     looked for; direct contributions as in Gandelsman et al. (arXiv:2310.05916) */
WI_API wi_status wi_explain_units(wi_session *session, const uint8_t *pixels, size_t k,
                                  wi_unit *out, float *direction, size_t *n_out, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
