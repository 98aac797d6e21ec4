/* Search: one pass over the 8-bit rows for candidates, then exact scores from the halves. */
#include "index/index.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one job, and rows whose dots stand on the stack at a time. */
enum { JOB_ROWS = 16384, BLOCK_ROWS = 256, STRIPE_ROWS = 1024 };
_Static_assert(BLOCK_ROWS % 8 == 0, "a block begins with a byte of the filter");

static bool counts(const uint8_t *filter, uint64_t row)
{
    return !filter || (filter[row / 8] >> (row % 8) & 1);
}

/* Do any of the rows [at, at + n) count? at is a multiple of 8. */
static bool any_counts(const uint8_t *filter, uint64_t at, size_t n)
{
    if (!filter)
        return true;
    for (size_t i = 0; i < n; i += 8)
        if (filter[(at + i) / 8])
            return true;
    return false;
}

/* Best first, equal ones in row order: a total order, so that threads cannot change the result. */
static bool is_better(wi_index_hit a, wi_index_hit b)
{
    return a.score > b.score || (a.score == b.score && a.row < b.row);
}

static int by_rank(const void *a, const void *b)
{
    const wi_index_hit *x = a, *y = b;
    return is_better(*x, *y) ? -1 : is_better(*y, *x) ? 1 : 0;
}

/* The best `room` hits so far, the worst of them at the root. */
typedef struct heap {
    wi_index_hit *hits;
    size_t n, room;
} heap;

static void sift_down(heap *h, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
            if (is_better(h->hits[worst], h->hits[child]))
                worst = child;
        if (worst == i)
            return;
        const wi_index_hit swap = h->hits[i];
        h->hits[i] = h->hits[worst];
        h->hits[worst] = swap;
        i = worst;
    }
}

static void offer(heap *h, wi_index_hit hit)
{
    if (h->n == h->room) {
        if (is_better(hit, h->hits[0])) {
            h->hits[0] = hit;
            sift_down(h, 0);
        }
        return;
    }
    size_t i = h->n++;
    h->hits[i] = hit;
    while (i > 0 && is_better(h->hits[(i - 1) / 2], h->hits[i])) {
        const wi_index_hit swap = h->hits[i];
        h->hits[i] = h->hits[(i - 1) / 2];
        h->hits[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

typedef struct scan {
    const wi_index *index;
    const uint8_t *filter;
    const uint8_t *q; /* [dim] u7 */
    wi_row_scale q_scale;
    heap *heaps; /* one a thread */
} scan;

static float row_scale(const wi_index *index, const uint8_t *row)
{
    float scale;
    memcpy(&scale, row + wi_index_s8_scale_at(index->dim), sizeof scale);
    return scale;
}

static void scan_job(void *context, size_t job, int worker)
{
    const scan *s = context;
    const wi_index *index = s->index;
    const size_t stride = index->s8.stride;
    const uint64_t begin = (uint64_t)job * JOB_ROWS;
    const uint64_t end = begin + JOB_ROWS < index->n_rows ? begin + JOB_ROWS : index->n_rows;
    int32_t dots[BLOCK_ROWS];
    for (uint64_t at = begin; at < end; at += BLOCK_ROWS) {
        const size_t n = end - at < BLOCK_ROWS ? (size_t)(end - at) : BLOCK_ROWS;
        const uint8_t *rows = wi_rows_file_first(&index->s8) + at * stride;
        if (!any_counts(s->filter, at, n))
            continue;
        index->engine->kern.dots_s8(n, index->dim, (const int8_t *)rows, stride, s->q,
                                    s->q_scale.zero, dots);
        for (size_t i = 0; i < n; i++)
            if (counts(s->filter, at + i))
                offer(&s->heaps[worker],
                      (wi_index_hit){at + i, (float)dots[i] * s->q_scale.scale *
                                                 row_scale(index, rows + i * stride)});
    }
}

/* Candidates of all threads -> the k best by their exact cosines. */
static size_t rank(const wi_index *index, const float *query, heap *heaps, size_t n_heaps, size_t k,
                   wi_index_hit *out)
{
    heap *all = &heaps[0];
    for (size_t t = 1; t < n_heaps; t++)
        for (size_t i = 0; i < heaps[t].n; i++)
            offer(all, heaps[t].hits[i]);
    for (size_t i = 0; i < all->n; i++) {
        const uint8_t *row = wi_rows_file_first(&index->f16) + all->hits[i].row * index->f16.stride;
        index->engine->kern.dots_f16(1, index->dim, (const uint16_t *)(const void *)row, index->dim,
                                     query, &all->hits[i].score);
        /* Halves are rounded: a photo's cosine with itself may come out above 1. */
        all->hits[i].score = all->hits[i].score > 1 ? 1 : all->hits[i].score;
    }
    if (all->n > 1)
        qsort(all->hits, all->n, sizeof *all->hits, by_rank);
    const size_t n = all->n < k ? all->n : k;
    memcpy(out, all->hits, n * sizeof *out);
    return n;
}

wi_status wi_idx_search(const wi_index *index, const float *query, size_t k, const uint8_t *filter,
                        wi_index_hit *out, size_t *n_out, wi_error *error)
{
    if (k == 0 || index->n_rows == 0) {
        *n_out = 0;
        return WI_OK;
    }
    const size_t n_heaps = (size_t)wi_pool_threads(index->engine->pool);
    size_t room = 4 * k + 64;
    room = room < index->n_rows ? room : (size_t)index->n_rows;
    heap *heaps = calloc(n_heaps, sizeof *heaps);
    wi_index_hit *hits = calloc(n_heaps * room, sizeof *hits);
    float *unit = calloc(index->dim, sizeof *unit);
    uint8_t *q = calloc(wi_index_s8_scale_at(index->dim), 1);
    wi_status status = heaps && hits && unit && q
                           ? wi_unit(query, index->dim, unit, "the query", error)
                           : wi_fail_nomem(error, n_heaps * room * sizeof *hits, "a search");
    if (status == WI_OK) {
        for (size_t t = 0; t < n_heaps; t++)
            heaps[t] = (heap){hits + t * room, 0, room};
        scan s = {index, filter, q, index->engine->kern.quantise_row(index->dim, unit, q), heaps};
        wi_pool_run(index->engine->pool, (size_t)((index->n_rows + JOB_ROWS - 1) / JOB_ROWS),
                    scan_job, &s);
        *n_out = rank(index, unit, heaps, n_heaps, k, out);
    }
    free(heaps);
    free(hits);
    free(unit);
    free(q);
    return status;
}

/* ---- all pairs ---- */

/* Each row of a stripe is one job: a query against all rows behind it. A job keeps its own pairs, so that
 * they come out in order. */
typedef struct pair_list {
    wi_index_hit *items; /* row b and its score */
    size_t n, capacity;
    bool failed;
} pair_list;

typedef struct pairing {
    const wi_index *index;
    const uint8_t *filter;
    float least;
    uint64_t first;   /* row of the stripe's beginning */
    pair_list *lists; /* [STRIPE_ROWS] */
    uint8_t *q;       /* [threads][padded dim] */
    float *unit;      /* [threads][dim] */
} pairing;

static void add_pair(pair_list *list, uint64_t b, float score)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 8;
        wi_index_hit *items = realloc(list->items, capacity * sizeof *items);
        if (!items) {
            list->failed = true;
            return;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = (wi_index_hit){b, score};
}

static void pair_job(void *context, size_t job, int worker)
{
    const pairing *p = context;
    const wi_index *index = p->index;
    const uint64_t a = p->first + job;
    const size_t stride = index->s8.stride, padded = wi_index_s8_scale_at(index->dim);
    uint8_t *q = p->q + (size_t)worker * padded;
    float *unit = p->unit + (size_t)worker * index->dim;
    int32_t dots[BLOCK_ROWS];
    if (!counts(p->filter, a) || wi_idx_row(index, a, unit, NULL) != WI_OK)
        return;
    const wi_row_scale scale = index->engine->kern.quantise_row(index->dim, unit, q);
    for (uint64_t at = a + 1; at < index->n_rows; at += BLOCK_ROWS) {
        const size_t n =
            index->n_rows - at < BLOCK_ROWS ? (size_t)(index->n_rows - at) : BLOCK_ROWS;
        const uint8_t *rows = wi_rows_file_first(&index->s8) + at * stride;
        index->engine->kern.dots_s8(n, index->dim, (const int8_t *)rows, stride, q, scale.zero,
                                    dots);
        for (size_t i = 0; i < n; i++) {
            const float score = (float)dots[i] * scale.scale * row_scale(index, rows + i * stride);
            if (score >= p->least && counts(p->filter, at + i))
                add_pair(&p->lists[job], at + i, score);
        }
    }
}

static wi_status give_pairs(const pairing *p, size_t n, wi_index_pair_visitor *visit, void *context,
                            wi_error *error)
{
    for (size_t i = 0; i < n; i++) {
        const pair_list *list = &p->lists[i];
        if (list->failed)
            return wi_fail_nomem(error, list->capacity * sizeof *list->items, "pairs");
        for (size_t j = 0; j < list->n; j++)
            if (!visit(context, p->first + i, list->items[j].row, list->items[j].score))
                return wi_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    return WI_OK;
}

wi_status wi_idx_pairs(const wi_index *index, float least, const uint8_t *filter,
                       wi_index_pair_visitor *visit, void *context, wi_error *error)
{
    if (!index || !visit || !isfinite(least))
        return wi_fail(error, WI_ERR_ARG, "wi_index_pairs: a NULL argument, or no bound");
    const size_t n_threads = (size_t)wi_pool_threads(index->engine->pool);
    pairing p = {.index = index, .filter = filter, .least = least};
    p.lists = calloc(STRIPE_ROWS, sizeof *p.lists);
    p.q = calloc(n_threads, wi_index_s8_scale_at(index->dim));
    p.unit = calloc(n_threads, index->dim * sizeof *p.unit);
    wi_status status = p.lists && p.q && p.unit
                           ? WI_OK
                           : wi_fail_nomem(error, n_threads * index->dim, "a search for pairs");
    for (; p.first < index->n_rows && status == WI_OK; p.first += STRIPE_ROWS) {
        const uint64_t left = index->n_rows - p.first;
        const size_t n = left < STRIPE_ROWS ? (size_t)left : STRIPE_ROWS;
        wi_pool_run(index->engine->pool, n, pair_job, &p);
        status = give_pairs(&p, n, visit, context, error);
        for (size_t i = 0; i < n; i++)
            p.lists[i].n = 0;
    }
    for (size_t i = 0; i < STRIPE_ROWS && p.lists; i++)
        free(p.lists[i].items);
    free(p.lists);
    free(p.q);
    free(p.unit);
    return status;
}
