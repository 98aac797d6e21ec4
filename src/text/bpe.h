/* CLIP's byte-pair encoding: text -> token ids, exactly as the original tokenizer.
 *
 * Ids: 0..255 byte symbols in the order of bytes_to_unicode(), 256..511 the same at a word's end,
 * 512+i the i-th merge, then <|startoftext|>, <|endoftext|>. A merge is a pair of ids, so the whole
 * vocabulary is a table of pairs of u16; lookups go through the same pairs sorted, so that a mapped
 * table needs no set-up. */
#ifndef WI_TEXT_BPE_H
#define WI_TEXT_BPE_H

#include "text/tokenizer.h"

typedef struct wi_bpe {
    /* Sorted by (left, right): {left, right, rank}; rank is the line in the merges list. */
    const uint16_t (*sorted)[3];
    uint32_t n_merges;
} wi_bpe;

/* The kind whose table is the sorted rows. */
extern const wi_tokenizer_kind wi_tokenizer_clip;

/* bpe must outlive the tokenizer. */
wi_tokenizer wi_bpe_tokenizer(const wi_bpe *bpe);

/* The vocabulary that OpenAI published with CLIP (MIT), compiled in. Kept in a file of its own so
 * that builds whose models bring their merges need not link it. */
const wi_bpe *wi_bpe_clip(void);

/* From merges.txt-style text ("#version" line optional, then "left right" per line). Fills a table
 * that the caller frees with free((void *)out->sorted).
 * Errors: WI_ERR_FORMAT, WI_ERR_NOMEM, WI_ERR_LIMIT, WI_ERR_UNSUPPORTED (two merges that spell the
 *     same symbol). */
wi_status wi_bpe_parse_merges(const char *text, size_t n_bytes, wi_bpe *out, wi_error *error);

/* Checks a table of unknown origin (sorted, ids in range): WI_ERR_FORMAT. */
wi_status wi_bpe_check(const wi_bpe *bpe, wi_error *error);

/* Clean-up and encoding of one text.
 * Shapes: ids[context_length], zero padded; *n_ids counts both markers
 * *truncated: the text was longer; the last id is the end token. Either pointer may be NULL
 * Errors: WI_ERR_FORMAT (not UTF-8), WI_ERR_LIMIT (text over 1 MiB, or HTML references nested so
 *     deeply that resolving them would take seconds), WI_ERR_ARG (context_length below 2),
 *     WI_ERR_NOMEM (ids may then be partly written, the other two are not)
 * Exact: as the original, but mojibake ("cafÃ©" for "café") is not repaired: see text/clean.h
 * Source: OpenAI CLIP simple_tokenizer.py and clip.tokenize(truncate=True) */
wi_status wi_bpe_encode(const wi_bpe *bpe, const char *text, size_t n_bytes, size_t context_length,
                        int32_t *ids, size_t *n_ids, bool *truncated, wi_error *error);

#endif
