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

/* A long piece: a linked list of symbols, and a heap of pairs ordered by rank, then by place. A
 * pair that has changed since it was put there is recognised by its rank. */
typedef struct long_piece {
    const wi_bpe *bpe;
    uint32_t *ids, *ranks, *previous, *next; /* n each; the end of the list is n */
    uint64_t *heap;                          /* rank << 32 | place; at most 2n */
    size_t n, n_heap;
} long_piece;

static void heap_push(long_piece *p, uint64_t entry)
{
    size_t i = p->n_heap++;
    for (; i > 0 && p->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = entry;
}

static uint64_t heap_pop(long_piece *p)
{
    uint64_t top = p->heap[0], last = p->heap[--p->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < p->n_heap; i = child) {
        child += child + 1 < p->n_heap && p->heap[child + 1] < p->heap[child];
        if (p->heap[child] >= last)
            break;
        p->heap[i] = p->heap[child];
    }
    p->heap[i] = last;
    return top;
}

static void rank_pair(long_piece *p, uint32_t place)
{
    uint32_t next = p->next[place];
    p->ranks[place] =
        next == p->n ? WI_MERGE_NONE : wi_merge_rank(p->bpe, p->ids[place], p->ids[next]);
    if (p->ranks[place] != WI_MERGE_NONE)
        heap_push(p, (uint64_t)p->ranks[place] << 32 | place);
}

static void merge_pair(long_piece *p, uint32_t place)
{
    uint32_t gone = p->next[place], after = p->next[gone];
    p->ids[place] = WI_BPE_N_SYMBOLS + p->ranks[place];
    p->ranks[gone] = WI_MERGE_NONE;
    p->next[place] = after;
    if (after != p->n)
        p->previous[after] = place;
    rank_pair(p, place);
    if (place > 0)
        rank_pair(p, p->previous[place]);
}

static void merge_long(long_piece *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        p->previous[i] = i - 1;
        p->next[i] = i + 1;
    }
    for (uint32_t i = 0; i < p->n; i++)
        rank_pair(p, i);
    while (p->n_heap) {
        uint64_t entry = heap_pop(p);
        uint32_t place = (uint32_t)entry;
        if (p->ranks[place] == (uint32_t)(entry >> 32))
            merge_pair(p, place);
    }
    size_t n = 0;
    for (uint32_t i = 0; i != p->n; i = p->next[i])
        p->ids[n++] = p->ids[i];
    p->n = n;
}

static wi_status long_memory(wi_merge *merge, size_t n, long_piece *p, wi_error *error)
{
    size_t n_bytes;
    if (n >= WI_MERGE_NONE ||
        !wi_size_mul3(n, 2 * sizeof(uint64_t) + 4 * sizeof(uint32_t), 1, &n_bytes))
        return wi_fail_nomem(error, SIZE_MAX, "a long word");
    if (merge->heap_bytes < n_bytes) {
        free(merge->heap);
        merge->heap = malloc(n_bytes);
        merge->heap_bytes = merge->heap ? n_bytes : 0;
        if (!merge->heap)
            return wi_fail_nomem(error, n_bytes, "a long word");
    }
    p->heap = merge->heap;
    p->ids = (uint32_t *)(p->heap + 2 * n);
    p->ranks = p->ids + n;
    p->previous = p->ranks + n;
    p->next = p->previous + n;
    return WI_OK;
}

wi_status wi_merge_piece(const wi_bpe *bpe, const char *bytes, size_t n_bytes, wi_merge *merge,
                         wi_error *error)
{
    long_piece p = {.bpe = bpe, .ids = merge->small, .n = n_bytes};
    if (n_bytes > WI_MERGE_SMALL) {
        wi_status status = long_memory(merge, n_bytes, &p, error);
        if (status != WI_OK)
            return status;
    }
    for (size_t i = 0; i < n_bytes; i++)
        p.ids[i] = wi_merge_byte_id((unsigned char)bytes[i]);
    p.ids[n_bytes - 1] += WI_BPE_N_BYTES;
    if (n_bytes > WI_MERGE_SMALL)
        merge_long(&p);
    else
        merge_small(bpe, p.ids, &p.n);
    merge->ids = p.ids;
    merge->n_ids = p.n;
    return WI_OK;
}
