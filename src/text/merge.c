#include "text/merge.h"

#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

void wi_merge_init(wi_merge *merge)
{
    merge->ids = merge->small;
    merge->n_ids = 0;
    merge->heap = NULL;
    merge->heap_bytes = 0;
}

void wi_merge_free(wi_merge *merge)
{
    free(merge->heap);
    wi_merge_init(merge);
}

uint32_t wi_merge_rank(const wi_bpe *bpe, uint32_t left, uint32_t right)
{
    /* Without branches on the comparison: it is a coin toss, and a miss costs more than the load.
     */
    const uint16_t(*at)[3] = bpe->sorted;
    uint32_t key = left << 16 | right;
    for (size_t n = bpe->n_merges; n > 1;) {
        size_t half = n / 2;
        const uint16_t *middle = at[half];
        at = ((uint32_t)middle[0] << 16 | middle[1]) <= key ? at + half : at;
        n -= half;
    }
    bool found = bpe->n_merges && at[0][0] == left && at[0][1] == right;
    return found ? at[0][2] : WI_MERGE_NONE;
}

uint32_t wi_merge_byte_id(unsigned char byte)
{
    /* The printable bytes 33..126, 161..172, 174..255 come first, the others behind them. */
    if (byte >= 33 && byte <= 126)
        return byte - 33u;
    if (byte >= 161 && byte != 173)
        return byte - 161u + 94u - (byte > 173);
    return byte < 33 ? 188u + byte : byte == 173 ? 255u : 221u + (byte - 127u);
}

/* A word of a few letters: find the best pair, merge, look up its two new neighbours. */
static void merge_small(const wi_bpe *bpe, uint32_t *ids, size_t *n_ids)
{
    uint32_t ranks[WI_MERGE_SMALL];
    size_t n = *n_ids;
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = wi_merge_rank(bpe, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = ranks[i] < ranks[best] ? i : best;
        if (ranks[best] == WI_MERGE_NONE)
            break;
        ids[best] = WI_BPE_N_SYMBOLS + ranks[best];
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof *ids);
        if (best + 1 < n) {
            memmove(ranks + best + 1, ranks + best + 2, (n - best - 2) * sizeof *ranks);
            ranks[best] = wi_merge_rank(bpe, ids[best], ids[best + 1]);
        }
        if (best > 0)
            ranks[best - 1] = wi_merge_rank(bpe, ids[best - 1], ids[best]);
    }
    *n_ids = n;
}

static uint32_t rank_and_whole(const void *table, uint32_t left, uint32_t right, uint32_t *whole)
{
    const uint32_t rank = wi_merge_rank(table, left, right);
    *whole = WI_BPE_N_SYMBOLS + rank;
    return rank;
}

/* Room in merge->heap for a piece of n bytes: its ids, and behind them what merging needs. */
static wi_status long_memory(wi_merge *merge, size_t n, size_t *n_ids_bytes, wi_error *error)
{
    size_t n_bytes, ids;
    if (!wi_merging_bytes(n, &n_bytes) || !wi_size_mul(n, sizeof(uint32_t), &ids) ||
        !wi_size_add(n_bytes, ids + 8, &n_bytes))
        return wi_fail_nomem(error, SIZE_MAX, "a long word");
    *n_ids_bytes = wi_round_up(ids, 8);
    if (merge->heap_bytes < n_bytes) {
        free(merge->heap);
        merge->heap = malloc(n_bytes);
        merge->heap_bytes = merge->heap ? n_bytes : 0;
        if (!merge->heap)
            return wi_fail_nomem(error, n_bytes, "a long word");
    }
    return WI_OK;
}

wi_status wi_merge_piece(const wi_bpe *bpe, const char *bytes, size_t n_bytes, wi_merge *merge,
                         wi_error *error)
{
    uint32_t *ids = merge->small;
    size_t n_ids_bytes = 0;
    if (n_bytes > WI_MERGE_SMALL) {
        wi_status status = long_memory(merge, n_bytes, &n_ids_bytes, error);
        if (status != WI_OK)
            return status;
        ids = merge->heap;
    }
    for (size_t i = 0; i < n_bytes; i++)
        ids[i] = wi_merge_byte_id((unsigned char)bytes[i]);
    ids[n_bytes - 1] += WI_BPE_N_BYTES;
    merge->ids = ids;
    merge->n_ids = n_bytes;
    if (n_bytes > WI_MERGE_SMALL)
        merge->n_ids =
            wi_merging_run(rank_and_whole, bpe, ids, n_bytes, (char *)merge->heap + n_ids_bytes);
    else
        merge_small(bpe, ids, &merge->n_ids);
    return WI_OK;
}
