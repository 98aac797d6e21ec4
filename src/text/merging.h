/* Merging a long row of symbols, whatever table says which pairs merge. */
#ifndef WI_TEXT_MERGING_H
#define WI_TEXT_MERGING_H

#include <whatsit/status.h>

enum { WI_MERGE_NONE = 0xffffffffu };

/* The rank of a pair, WI_MERGE_NONE when it does not merge, and what it becomes. */
typedef uint32_t wi_pair_rank(const void *table, uint32_t left, uint32_t right, uint32_t *whole);

/* Bytes of working memory for n symbols; false when that is no size. */
bool wi_merging_bytes(size_t n, size_t *n_bytes);

/* Merges the pair of the lowest rank, of equals the leftmost, until none is left; returns how many
 * symbols stand in ids then. n log n steps. memory: wi_merging_bytes(n) bytes, aligned to 8.
 * n < 2^32 - 1 */
size_t wi_merging_run(wi_pair_rank *rank, const void *table, uint32_t *ids, size_t n, void *memory);

#endif
