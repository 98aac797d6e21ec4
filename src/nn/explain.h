/* Looking into the image towers: embeddings of positions, and units with the directions in which
 * they push the embedding. Works in a session's memory after a forward pass; what does not fit there
 * is brought by the caller. */
#ifndef WI_NN_EXPLAIN_H
#define WI_NN_EXPLAIN_H

#include "nn/resnet.h"
#include "nn/vit.h"

/* Positions a side. */
uint32_t wi_vit_grid(const wi_vit *vit);
uint32_t wi_resnet_grid(const wi_resnet *net);

/* One picture. hidden[tokens * wi_ld(width)] and rows[tokens * wi_ld(embedding_dim)] are room;
 * out[grid*grid, embedding_dim]; embedding[embedding_dim] is the picture's. */
void wi_vit_regions(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out);
void wi_resnet_regions(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                       const uint8_t *pixels, float *hidden, float *rows, float *embedding,
                       float *out);
/* Floats of hidden and of rows. */
size_t wi_vit_hidden_floats(const wi_vit *vit);
size_t wi_resnet_hidden_floats(const wi_resnet *net);

/* Layers that are looked at, units in each, the first one's number. */
typedef struct wi_unit_plan {
    uint32_t n_layers, first_layer, n_units;
} wi_unit_plan;
wi_unit_plan wi_vit_units_plan(const wi_vit *vit);
wi_unit_plan wi_resnet_units_plan(const wi_resnet *net);

/* activation[n_layers, n_units]; direction[n_layers, n_units, embedding_dim]: what one unit of
 * activation adds to the embedding, up to one common factor. */
void wi_vit_units(const wi_vit *vit, wi_run *run, wi_vit_memory *memory, const uint8_t *pixels,
                  float *rows, float *embedding, float *activation, float *direction);
void wi_resnet_units(const wi_resnet *net, wi_run *run, wi_resnet_memory *memory,
                     const uint8_t *pixels, float *hidden, float *rows, float *embedding,
                     float *activation, float *direction);

#endif
