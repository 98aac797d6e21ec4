/* A vocabulary in the making: readers of other people's files put pieces, merges and rules in;
 * wi_draft_compile turns them into a tokenizer's table (text/vocab.h). */
#ifndef WI_TEXT_DRAFT_H
#define WI_TEXT_DRAFT_H

#include "base/buffer.h"
#include "text/vocab.h"

/* SentencePiece's numbers. */
typedef enum wi_piece_type {
    WI_PIECE_NORMAL = 1,
    WI_PIECE_UNKNOWN,
    WI_PIECE_CONTROL,
    WI_PIECE_USER,
    WI_PIECE_UNUSED,
    WI_PIECE_BYTE
} wi_piece_type;

typedef struct wi_draft_piece {
    size_t at; /* into the pool */
    uint32_t n_bytes, id;
    float score;
    uint8_t type;   /* wi_piece_type */
    bool added;     /* cut out of texts first */
    uint32_t flags; /* WI_ADDED_LEFT ... */
} wi_draft_piece;

typedef struct wi_draft_pair {
    uint32_t left, right, rank, whole; /* ids */
} wi_draft_pair;

typedef struct wi_draft {
    wi_vocab_head head; /* the rules; counts are filled in by compiling */
    wi_buffer pool;     /* all pieces' bytes, one after the other */
    wi_draft_piece *pieces;
    size_t n_pieces, piece_capacity;
    uint32_t *slots; /* open addressing: index of a piece + 1, 0 is free */
    size_t n_slots;
    wi_draft_pair *pairs;
    size_t n_pairs, pair_capacity;
    wi_buffer charsmap;
} wi_draft;

/* Zeroed, without start and end. Freed with wi_draft_free, after failures too. */
void wi_draft_init(wi_draft *draft, wi_vocab_type type);
void wi_draft_free(wi_draft *draft);

/* One more piece; bytes are copied. ids may come in any order; the table's n_ids is one more than
 * the largest. Errors: WI_ERR_FORMAT (empty, or there already), WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_draft_put(wi_draft *draft, const char *bytes, size_t n_bytes, uint32_t id, float score,
                       wi_piece_type type, wi_error *error);
/* NULL when there is no such piece. */
wi_draft_piece *wi_draft_find(const wi_draft *draft, const char *bytes, size_t n_bytes);
static inline const char *wi_draft_bytes(const wi_draft *draft, const wi_draft_piece *piece)
{
    return (const char *)draft->pool.bytes + piece->at;
}

/* The next merge of the list: ranks count up. Errors: WI_ERR_FORMAT when a part or the whole is no
 * piece. */
wi_status wi_draft_merge(wi_draft *draft, const char *left, size_t n_left, const char *right,
                         size_t n_right, wi_error *error);
/* All merges that lead to a piece from two others, the best score first.
 * Source: transformers 5.24 convert_slow_tokenizer.py generate_merges */
wi_status wi_draft_make_merges(wi_draft *draft, wi_error *error);

/* The id of a piece that the rules name, where a file may lack it: WI_ERR_FORMAT. */
wi_status wi_draft_id(const wi_draft *draft, const char *name, int32_t *out, wi_error *error);

/* The finished tokenizer, checked. Owns: free(out->own). */
wi_status wi_draft_compile(wi_draft *draft, wi_tokenizer *out, wi_error *error);

/* ---- readers that need no JSON ---- */

/* SentencePiece's tokenizer.model or spiece.model (a protobuf): type, pieces, normalisation. The
 * rules of a family are the caller's.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED (word and character models, ...), WI_ERR_LIMIT,
 *     WI_ERR_NOMEM */
wi_status wi_draft_read_spiece(wi_draft *draft, const uint8_t *bytes, size_t n_bytes,
                               wi_error *error);
/* BERT's vocab.txt: a piece a line. Errors: WI_ERR_FORMAT, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_draft_read_lines(wi_draft *draft, const char *text, size_t n_bytes, wi_error *error);

#endif
