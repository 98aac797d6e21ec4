#include "text/merging.h"

#include "base/size.h"

/* A linked list of symbols, and a heap of pairs ordered by rank, then by place. A pair that has
 * changed since it was put there is recognised by its rank. */
typedef struct row {
    wi_pair_rank *rank;
    const void *table;
    uint32_t *ids, *ranks, *wholes, *previous, *next; /* n each; the end of the list is n */
    uint64_t *heap; /* rank << 32 | place; a merge takes one away and adds two, so at most 2n */
    size_t n, n_heap;
} row;

static void heap_push(row *p, uint64_t entry)
{
    size_t i = p->n_heap++;
    for (; i > 0 && p->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = entry;
}

static uint64_t heap_pop(row *p)
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

static void rank_pair(row *p, uint32_t place)
{
    uint32_t next = p->next[place];
    p->ranks[place] = next == p->n
                          ? WI_MERGE_NONE
                          : p->rank(p->table, p->ids[place], p->ids[next], &p->wholes[place]);
    if (p->ranks[place] != WI_MERGE_NONE)
        heap_push(p, (uint64_t)p->ranks[place] << 32 | place);
}

static void merge_pair(row *p, uint32_t place)
{
    uint32_t gone = p->next[place], after = p->next[gone];
    p->ids[place] = p->wholes[place];
    p->ranks[gone] = WI_MERGE_NONE;
    p->next[place] = after;
    if (after != p->n)
        p->previous[after] = place;
    rank_pair(p, place);
    if (place > 0)
        rank_pair(p, p->previous[place]);
}

bool wi_merging_bytes(size_t n, size_t *n_bytes)
{
    return n < WI_MERGE_NONE &&
           wi_size_mul(n, 2 * sizeof(uint64_t) + 4 * sizeof(uint32_t), n_bytes);
}

size_t wi_merging_run(wi_pair_rank *rank, const void *table, uint32_t *ids, size_t n, void *memory)
{
    row p = {.rank = rank, .table = table, .ids = ids, .heap = memory, .n = n};
    p.ranks = (uint32_t *)(p.heap + 2 * n);
    p.wholes = p.ranks + n;
    p.previous = p.wholes + n;
    p.next = p.previous + n;
    for (uint32_t i = 0; i < n; i++) {
        p.previous[i] = i - 1;
        p.next[i] = i + 1;
    }
    for (uint32_t i = 0; i < n; i++)
        rank_pair(&p, i);
    while (p.n_heap) {
        uint64_t entry = heap_pop(&p);
        uint32_t place = (uint32_t)entry;
        if (p.ranks[place] == (uint32_t)(entry >> 32))
            merge_pair(&p, place);
    }
    size_t left = 0;
    for (uint32_t i = 0; i != n; i = p.next[i])
        ids[left++] = ids[i];
    return left;
}
