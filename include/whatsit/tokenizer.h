/* A tokenizer by itself, without its model: text -> token ids.
 * Threads: a tokenizer is immutable, and may be shared. */
#ifndef WHATSIT_TOKENIZER_H
#define WHATSIT_TOKENIZER_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_tokenizer wi_tokenizer;

/* Opens the tokenizer of a model folder, or one of its files alone: tokenizer.json, tokenizer.model
 * or spiece.model (SentencePiece), vocab.txt (BERT), merges.txt (CLIP). Configuration beside it
 * (open_clip_config.json, tokenizer_config.json, config.json) says whose rules apply; without any,
 * SentencePiece's are SigLIP's, WordPiece's are Chinese-CLIP's.
 * Owns: the caller closes *out.
 * Errors: WI_ERR_IO, WI_ERR_FORMAT, WI_ERR_UNSUPPORTED (a step that this program does not know),
 *     WI_ERR_LIMIT, WI_ERR_NOMEM */
WI_API wi_status wi_tokenizer_open(const char *path, wi_tokenizer **out, wi_error *error);
WI_API void wi_tokenizer_close(wi_tokenizer **tokenizer);

typedef struct wi_tokenizer_info {
    const char *kind;        /* "CLIP's BPE", "SentencePiece unigram", ... */
    uint32_t n_ids;          /* ids are 0 .. n_ids - 1 */
    uint32_t context_length; /* where its original cuts */
    int32_t start, end, pad; /* -1: none */
    uint64_t reserved[4];
} wi_tokenizer_info;

WI_API wi_status wi_tokenizer_get_info(const wi_tokenizer *tokenizer, wi_tokenizer_info *out,
                                       wi_error *error);

/* Token ids of a text after the original's clean-up.
 * Shapes: ids[context_length], filled up with the padding id; *n_ids counts markers, not padding.
 *     *truncated tells that the text was longer. Either pointer may be NULL
 * Errors: WI_ERR_FORMAT (not UTF-8), WI_ERR_LIMIT (over 1 MiB), WI_ERR_ARG (no room for the
 *     markers), WI_ERR_NOMEM */
WI_API wi_status wi_tokenizer_encode(const wi_tokenizer *tokenizer, const char *text,
                                     size_t n_bytes, size_t context_length, int32_t *ids,
                                     size_t *n_ids, bool *truncated, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
