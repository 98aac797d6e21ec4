/* A decoder of sentences: a causal transformer over tokens that also attends to a picture's grid.
 *
 *     memory = norm(grid rows W_g + place; pooled W_p in n rows)
 *     x = token + position; each block: x += self(ln1 x); x += cross(ln2 x, memory); x += mlp(ln3 x)
 *     logits = token table . ln x + bias
 *
 * The token table is stored once, as a matrix, and serves both ends. The vocabulary is a part of a
 * tokenizer's: tensor d.ids says which ids.
 * Source: "Attention Is All You Need" (arXiv:1706.03762), pre-norm; "Show, Attend and Tell"
 * (arXiv:1502.03044) for what is attended to */
#ifndef WI_NN_DECODER_H
#define WI_NN_DECODER_H

#include "nn/sayer.h"

typedef struct wi_decoder_params {
    wi_sayer_params say;
    uint32_t channels; /* of a place */
    uint32_t pooled, pooled_rows;
    uint32_t n_hedges;
    float hedge; /* the share of two tokens' probability below which the third is said */
    float
        least_mean; /* a sentence whose tokens are less probable in the (geometric) mean is unsure */
} wi_decoder_params;

extern const wi_tower_kind wi_decoder_kind;

#endif
