/* A tokenizer: text -> token ids. A kind is one row of the table in tokenizers.c: what it is called,
 * how its table is stored, checked and read from the files that people have, how it encodes, and
 * the rules by which ids fill a context.
 *
 * A tokenizer is its table: bytes that need no set-up, so that they may lie in a mapped model file.
 * All integers in it are little-endian. */
#ifndef WI_TEXT_TOKENIZER_H
#define WI_TEXT_TOKENIZER_H

#include <whatsit/tokenizer.h>

typedef struct wi_tokenizer_kind wi_tokenizer_kind;

struct wi_tokenizer {
    const wi_tokenizer_kind *kind; /* NULL: there is none */
    const void *table;             /* aligned to 8 bytes */
    size_t n_bytes;
    void *own; /* the table's memory where it was made, to be freed; NULL when it is borrowed */
};

/* What every id and every filled context of one tokenizer obeys. */
typedef struct wi_token_rules {
    uint32_t n_ids;          /* ids are 0 .. n_ids - 1 */
    int32_t start, end, pad; /* start and end are -1 where there is none */
    uint32_t context_length; /* that its original cuts at by itself; 0: only a model says */
} wi_token_rules;

/* Outputs of an encoder: ids[context_length], filled up with the rules' pad. */
typedef struct wi_tokens {
    int32_t *ids;
    size_t context_length;
    size_t n_ids;   /* without padding, both markers counted */
    bool truncated; /* the text was longer; the last id is the end marker */
} wi_tokens;

struct wi_tokenizer_kind {
    const char *name;      /* "CLIP's BPE" */
    const char *tensor;    /* its name in a model file */
    size_t element_bytes;  /* 1 or 2: of the integers that the tensor has */
    uint32_t row_elements; /* the table is rows of so many of them */
    /* Of a table of unknown origin: WI_ERR_FORMAT. After WI_OK, encoding stays within memory. */
    wi_status (*check)(const void *table, size_t n_bytes, wi_error *error);
    /* Errors: WI_ERR_FORMAT (not UTF-8), WI_ERR_LIMIT, WI_ERR_ARG (a context without room for the
     * markers), WI_ERR_NOMEM; n_ids and truncated are then untouched, ids may be partly written */
    wi_status (*encode)(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        wi_tokens *out, wi_error *error);
    void (*rules)(const wi_tokenizer *tokenizer, wi_token_rules *out);
};

/* The kinds, in a file of its own (tokenizers.c); the last row is NULL. */
extern const wi_tokenizer_kind *const wi_tokenizer_kinds[];

/* One with this table, after its check. */
wi_status wi_tok_bind(const wi_tokenizer_kind *kind, const void *table, size_t n_bytes,
                      wi_tokenizer *out, wi_error *error);

/* What tokenizer->kind->encode does, for callers that want arrays. n_ids and truncated may be NULL. */
wi_status wi_tok_encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        size_t context_length, int32_t *ids, size_t *n_ids, bool *truncated,
                        wi_error *error);

/* n_ids 0 when there is no tokenizer. */
wi_token_rules wi_tok_rules(const wi_tokenizer *tokenizer);

#endif
