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
 * CoCa's appends a class token, at the last position whatever the text's length, and sees no token that
 * follows padding: its mask stands one place off, and padding is "!" as well. So the first padding
 * is looked at, the class token does not see itself, and prompts are still a tree.
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
    bool class_token;   /* CoCa's: it is what a text means. Attention is causal */
    uint32_t pad_token; /* looked for where there is a class token */
} wi_text_params;

extern const wi_tower_kind wi_text_kind;

typedef struct wi_text_tower {
    wi_text_params params;
    uint32_t embedding_dim;
    wi_table tokens;          /* [vocabulary, table_width or width] */
    wi_mat widen;             /* [width, table_width]: a low-rank table's other factor */
    const float *position;    /* [context, and one for a class token, width] */
    const float *class_token; /* [width]; CoCa's */
    const float *type;        /* [width], added to every token; BERT's */
    wi_norm token_norm;       /* of what enters the blocks; BERT's */
    wi_stack stack;
    wi_norm final_norm; /* n == 0: there is none */
    wi_mat projection;
    wi_block blocks[];
} wi_text_tower;

/* The token's row of the table. */
void wi_text_row(const wi_text_tower *tower, const wi_run *run, size_t token, float *x);
/* Whether what stands behind token `before` (-1: nothing) is hidden from all that look at it, itself among
 * them. */
bool wi_text_hides(const wi_text_params *params, int32_t before);

#endif
