/* A stack of transformer blocks: x += attention(norm(x)); x += mlp(norm(x)), or, with post_norm,
 * x = norm(x + attention(x)); x = norm(x + mlp(x)). What each
 * tower of transformers is made of, whether tokens see all of their sequence or only what stands
 * before them in a tree of prompts.
 * Source: "Attention Is All You Need" (arXiv:1706.03762), pre-norm as in GPT-2; open_clip
 * transformer.py ResidualAttentionBlock and CustomResidualAttentionBlock for the options. */
#ifndef WI_NN_STACK_H
#define WI_NN_STACK_H

#include "nn/params.h"
#include "nn/part.h"
#include "nn/run.h"

typedef struct wi_block {
    wi_norm ln1, ln2;
    wi_mat qkv; /* [3*width, width]: q rows, k rows, v rows */
    wi_mat out, fc1, fc2;
    /* Options (wi_block_params): a norm of n == 0 and a NULL scale are not there. */
    wi_norm q_norm, k_norm;       /* over each head */
    const float *head_scale;      /* [n_heads]: of the heads' results, before inner_norm */
    wi_norm inner_norm;           /* before out */
    wi_norm attention_norm;       /* after out */
    wi_norm mlp_norm;             /* before fc2 */
    wi_mat gate;                  /* like fc1; n == 0: not there */
    const float *scale1, *scale2; /* [width]: LayerScale of both additions */
} wi_block;

typedef struct wi_stack {
    wi_block_params params;
    wi_act act;
    wi_block *blocks; /* [n_layers] */
} wi_stack;

/* Bytes of the blocks; they stand where the tower that owns the stack has room for them. */
size_t wi_stack_bytes(const wi_block_params *params);
void wi_stack_open(const wi_block_params *params, wi_block *room, wi_stack *out);
/* tower: "v" or "t". */
void wi_stack_walk(const wi_stack *stack, const char *tower, wi_walker *walker);
/* Multiplications of one token, attention between tokens left out. */
uint64_t wi_stack_macs(const wi_stack *stack);

/* Who attends to whom among the rows of x. Either sequences of equal length follow each other and
 * each token sees all of its own; or rows are nodes of a tree and see themselves and their
 * ancestors, so that prompts share what they begin with. */
typedef struct wi_reach {
    size_t n_rows;
    size_t n_tokens;        /* of each sequence; 0: a tree */
    const uint32_t *n_keys; /* sequences: only the first n_keys[i] tokens are seen; NULL: all */
    const float
        *rope; /* sequences: [n_tokens, head dim]: cosine and sine by which each neighbouring
                        * pair of lanes of queries and keys is turned; NULL: none */
    const uint32_t *parent, *depth;
    const bool *hidden; /* tree: nodes that nobody sees, themselves neither; NULL: none */
    uint32_t **path;    /* tree: for each thread, room for the longest path */
} wi_reach;

typedef struct wi_stack_memory {
    float *x;             /* [rows, wi_ld(width)]: in and out */
    float *h, *qkv, *mlp; /* [rows, ...]: h is free between steps, as wide as x */
    float *gate;          /* [rows, ld_mlp], where blocks are gated */
    float *picked;        /* [max_picked, wi_ld(width)] */
    size_t ld_mlp;
} wi_stack_memory;

/* longest: tokens of a sequence or of a path, whichever the tower uses. */
void wi_stack_need(const wi_stack *stack, size_t rows, size_t longest, bool is_tree,
                   wi_run_need *need);
/* The rows of mlp are at least least_mlp wide: towers use them for their own inputs too. */
void wi_stack_take(const wi_stack *stack, size_t rows, size_t max_picked, size_t least_mlp,
                   wi_stack_memory *memory, wi_arena *arena);

/* Blocks [first, end) for all rows; taps name[first] .. with x as it enters and leaves each. */
void wi_stack_run(const wi_stack *stack, wi_run *run, wi_stack_memory *memory,
                  const wi_reach *reach, uint32_t first, uint32_t end, const char *tap);
/* The last block, of which only some rows are wanted: keys and values of all, the rest for rows[n],
 * which go to memory->picked in their order. Sequences: exactly one row of each. */
void wi_stack_last(const wi_stack *stack, wi_run *run, wi_stack_memory *memory,
                   const wi_reach *reach, const uint32_t *rows, size_t n);
/* Block `layer` for the rows of x[n], new nodes [first, first + n) of a tree (reach->n_rows is not read).
 * qkv[nodes, wi_ld(3*width)] keeps queries, keys and values of this layer from step to step. */
void wi_stack_step(const wi_stack *stack, uint32_t layer, wi_run *run, wi_stack_memory *memory,
                   const wi_reach *reach, float *qkv, uint32_t first, size_t n);
/* The last block with each row attending to itself alone, in place in x: what a position means by
 * itself. */
void wi_stack_alone(const wi_stack *stack, wi_run *run, wi_stack_memory *memory, size_t n_rows);

#endif
