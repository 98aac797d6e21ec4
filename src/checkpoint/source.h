/* A source: a checkpoint in somebody else's layout, seen through our tensor names.
 *
 * Invariant: once open, params are checked (wi_params_check) and every tensor that a tower of these
 * params needs is present with the right shape, so that packing cannot fail on its input. Tensors
 * are views into mapped files. Tower weights that are absent altogether (a vision-only or text-only
 * checkpoint) leave params.tower[role].kind NULL. */
#ifndef WI_CHECKPOINT_SOURCE_H
#define WI_CHECKPOINT_SOURCE_H

#include "model/params.h"
#include "text/tokenizer.h"

typedef enum wi_raw_type {
    WI_RAW_F32 = 0,
    WI_RAW_F16,
    WI_RAW_BF16,
    WI_RAW_Q8_0,
    WI_RAW_Q4_0
} wi_raw_type;

/* A matrix of n_rows x n_cols as our networks use it: a linear layer is [out, in], y = W x + b.
 * Vectors have n_rows == 1. With `transposed`, the bytes hold [n_cols, n_rows] (OpenAI's x @ p).
 * row0: first row of the stored matrix that belongs to this view, for slices of in_proj_weight. For
 * q8_0 and q4_0, rows are whole blocks of 32 along n_cols. Data is little-endian and may be
 * unaligned. */
typedef struct wi_raw {
    wi_raw_type type;
    size_t n_rows, n_cols;
    bool transposed;
    const uint8_t
        *data; /* of the view's first element (the slice is already applied); NULL: all zero */
} wi_raw;

typedef struct wi_source wi_source;

/* path: a Hugging Face folder, an open_clip folder, a folder, .safetensors or PyTorch file with an
 * OpenAI-named state dict, or a clip.cpp .gguf. config: the name of a well-known open_clip
 * configuration that rules over what stands beside the weights; NULL: none, else borrowed.
 * Errors: WI_ERR_IO, WI_ERR_FORMAT, WI_ERR_UNSUPPORTED, WI_ERR_LIMIT, WI_ERR_NOMEM. */
wi_status wi_source_open(const char *path, const char *config, wi_source **out, wi_error *error);
void wi_source_close(wi_source **source);

const wi_params *wi_source_params(const wi_source *source);
const char *wi_source_format(
    const wi_source *source); /* "hugging face", "open_clip", "openai", "clip.cpp gguf" */
const char *wi_source_name(const wi_source *source);    /* from config or folder name */
const char *wi_source_licence(const wi_source *source); /* from metadata, "" when unknown */
/* The checkpoint's tokenizer when it is another than CLIP's, else one without a kind. Owns: the
 * caller frees its `own`. */
wi_tokenizer wi_source_take_tokenizer(wi_source *source);
/* merges.txt-style bytes of the folder's own tokenizer (tokenizer.json's merges are rewritten into
 * that form); NULL when the checkpoint brings none: CLIP's own then applies. Lives as long as the
 * source. */
const char *wi_source_merges(const wi_source *source, size_t *n_bytes);

/* The tensor with our name, or false when it is absent (only optional ones can be).
 *
 *   v.patch.w [width, 3*patch*patch], inputs in the convolution's (channel, row, column) order
 *   v.patch.b (optional)   v.class [1, width]   v.pos [tokens, width]
 *   v.ln_pre.{w,b} (optional)   v.ln_post.{w,b}   v.proj.w [embedding, width]
 *   {v,t}.N.{ln1,ln2}.{w,b}   {v,t}.N.{q,k,v,o}.{w,b}   {v,t}.N.{fc1,fc2}.{w,b}   N = 0, 1, ...
 *   t.tok [vocabulary, width]   t.pos [context, width]   t.ln_final.{w,b}   t.proj.w
 *   ResNet: v.stem.{1,2,3}.w [out, in*3*3]   v.S.N.conv{1,2,3}.w   v.S.N.down.w   S = 1..4
 *           each with its batch norm: v.stem.1.bn.{w,b,mean,var}, v.2.0.conv1.bn.w, ...
 *           v.pool.pos [tokens, channels]   v.pool.{q,k,v,c}.{w,b}
 */
bool wi_source_get(const wi_source *source, const char *name, wi_raw *out);

/* Reads rows [first, first+n) of a view as f32[n, n_cols]. Never fails on a checked source. */
void wi_raw_read_rows(const wi_raw *raw, size_t first, size_t n, float *out);

#endif
