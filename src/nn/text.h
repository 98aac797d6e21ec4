/* The text tower over a tree of prompts.
 *
 * Attention is causal, so a token's activations depend on the tokens before it alone, and prompts
 * that begin alike share them exactly. A batch of prompts becomes a tree whose nodes are the
 * distinct beginnings; each layer runs once over all nodes, each node attends to its ancestors.
 * There is no padding. The last layer needs keys and values of all nodes, but everything else only
 * for the nodes where a prompt ends.
 *
 * Source of the network: OpenAI CLIP model.py CLIP.encode_text. */
#ifndef WI_NN_TEXT_H
#define WI_NN_TEXT_H

#include "nn/run.h"

/* Token ids from the start token up to the first end token, 1 <= n_ids <= context_length. Ids are
 * checked to be below the vocabulary's size by the caller. */
typedef struct wi_prompt {
    const int32_t *ids;
    size_t n_ids;
} wi_prompt;

typedef struct wi_text_memory {
    size_t max_nodes; /* >= context_length */
    int32_t *token;   /* of each node */
    uint32_t *parent, *depth;
    uint32_t *end;       /* the node where each prompt of the batch ends */
    uint32_t *end_nodes; /* distinct ends */
    uint32_t *row;       /* of each end node among the rows of the last layer */
    uint32_t **path;     /* per thread: [context_length] */
    float *x, *h, *qkv, *mlp, *ends, *projected;
    uint64_t nodes_run; /* counts, for benches and tests */
} wi_text_memory;

void wi_text_need(const wi_text_net *net, size_t max_nodes, wi_run_need *need);
void wi_text_take(const wi_text_net *net, size_t max_nodes, size_t n_threads,
                  wi_text_memory *memory, wi_arena *arena);

/* Encodes as many of the n prompts as the memory takes, at least one, and returns how many. Sorted
 * prompts share the most. out[i, embedding_dim] belongs to prompts[i]; not normalised. */
size_t wi_text_forward(const wi_text_net *net, wi_run *run, wi_text_memory *memory,
                       const wi_prompt *prompts, size_t n, float *out);

/* Multiplications of one token, attention left out. */
uint64_t wi_text_macs(const wi_text_net *net);

#endif
