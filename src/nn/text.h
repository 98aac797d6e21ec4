/* CLIP's text tower and its relatives in open_clip.
 *
 * Where attention is causal, a token's activations depend on the tokens before it alone, and
 * prompts that begin alike share them exactly. A batch of prompts becomes a tree whose nodes are the
 * distinct beginnings; each layer runs once over all nodes, each node attends to its ancestors.
 * There is no padding. The last layer needs keys and values of all nodes, but everything else only
 * for the nodes where a prompt ends.
 *
 * Where it is not, each text fills its whole context and padding is seen like any token, as in the
 * originals.
 *
 * BERT's encoder (Chinese-CLIP) sees all of a text and no padding: texts stand in rows as long as the
 * longest of the batch.
 *
 * Source: OpenAI CLIP model.py CLIP.encode_text; open_clip transformer.py TextTransformer;
 * transformers 5.24 modeling_chinese_clip.py. */
#ifndef WI_NN_TEXT_H
#define WI_NN_TEXT_H

#include "nn/stack.h"
#include "nn/tower.h"

typedef enum wi_text_pool {
    WI_TEXT_END = 0, /* at the first end token */
    WI_TEXT_FIRST,
    WI_TEXT_LAST, /* the last position of the context, padding or not */
    WI_N_TEXT_POOLS
} wi_text_pool;

typedef enum wi_text_projection {
    WI_TEXT_LINEAR = 0,
    WI_TEXT_LINEAR_BIAS,
    WI_TEXT_NO_PROJECTION,
    WI_N_TEXT_PROJECTIONS
} wi_text_projection;

typedef struct wi_text_params {
    wi_block_params blocks;
    uint32_t context_length, vocabulary_size;
    uint32_t end_token; /* 49407 for CLIP */
    bool sees_all;      /* attention is not causal; padding counts */
    bool bert; /* BERT's: sees all but padding; embeddings are normalised, the end is not */
    wi_text_pool pool;
    wi_text_projection projection;
    uint32_t
        table_width; /* of the token table's rows, which a matrix brings to the tower's width; 0: no matrix */
} wi_text_params;

extern const wi_tower_kind wi_text_kind;

#endif
