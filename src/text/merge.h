/* Merging one piece's bytes into tokens. */
#ifndef WI_TEXT_MERGE_H
#define WI_TEXT_MERGE_H

#include "text/bpe.h"
#include "text/merging.h"

/* Ids 0..511 are single bytes, the second half at a word's end. */
enum {
    WI_BPE_N_BYTES = 256,
    WI_BPE_N_SYMBOLS = 512,
    WI_BPE_MAX_MERGES = 65536 - WI_BPE_N_SYMBOLS - 2
};

enum { WI_MERGE_SMALL = 48 };

/* Working memory of one encoding: pieces of up to WI_MERGE_SMALL bytes need nothing else. */
typedef struct wi_merge {
    uint32_t small[WI_MERGE_SMALL];
    uint32_t *ids; /* the tokens: small or heap */
    size_t n_ids;
    void *heap; /* kept for the next long piece */
    size_t heap_bytes;
} wi_merge;

void wi_merge_init(wi_merge *merge);
void wi_merge_free(wi_merge *merge);

/* Rank of the pair, WI_MERGE_NONE when it does not merge. */
uint32_t wi_merge_rank(const wi_bpe *bpe, uint32_t left, uint32_t right);

/* The byte's id inside a word; 256 more at its end. */
uint32_t wi_merge_byte_id(unsigned char byte);

/* Fills merge->ids with the tokens of a piece of n_bytes > 0. The lowest-ranked pair merges first,
 * the leftmost of equals first, until none is left; a checked table makes this equal to the
 * original's order. Short pieces take n^2 steps, long ones n log n.
 * Errors: WI_ERR_NOMEM */
wi_status wi_merge_piece(const wi_bpe *bpe, const char *bytes, size_t n_bytes, wi_merge *merge,
                         wi_error *error);

#endif
