/* An index: the embeddings of a collection in files that only grow, searched by a query vector.
 *
 * Rows are numbered from 0 in the order in which they were appended. What a row stands for (a photo, a
 * document) is the caller's to remember, and so is which rows still count: a row is never changed, only
 * left out by a filter. Two files lie side by side: PATH.s8, which a search reads from end to end, and
 * PATH.f16, from which the best are scored exactly.
 *
 * Threads: several searches at once; writing alone. */
#ifndef WHATSIT_INDEX_H
#define WHATSIT_INDEX_H

#include <whatsit/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_index wi_index;

typedef struct wi_index_options {
    uint32_t dim; /* of a new index; 0: it must be there already */
    const char
        *fingerprint; /* 64 hex digits of the model whose embeddings these are: kept in a new index,
                                compared with that of an old one. NULL: do not compare */
    bool read_only;
    uint64_t reserved[4];
} wi_index_options;

/* Opens the index at path, or makes an empty one when dim is given and nothing is there. One process at
 * a time may write; readers need no lock and see the rows that were there when they opened.
 * Owns:   the caller closes *out with wi_index_close; the engine is borrowed
 * Errors: WI_ERR_ARG; WI_ERR_IO, also when another process is writing; WI_ERR_NOT_FOUND when it is not
 *         there; WI_ERR_FORMAT for files that are no index; WI_ERR_MISMATCH for another dim or model */
WI_API wi_status wi_index_open(wi_engine *engine, const char *path, const wi_index_options *options,
                               wi_index **out, wi_error *error);
WI_API void wi_index_close(wi_index **index);

typedef struct wi_index_info {
    uint32_t dim;
    uint64_t n_rows;
    char fingerprint[65];
    uint64_t reserved[4];
} wi_index_info;
WI_API wi_status wi_index_get_info(const wi_index *index, wi_index_info *out, wi_error *error);

/* Appends rows, which are normalised first; the first of them becomes row *first (nullable).
 * Shapes: rows[n,dim] f32, any length but zero
 * Errors: WI_ERR_ARG for a row of zeros or with NaN, or a read-only index; WI_ERR_IO. Nothing is appended
 *         then
 * Threads: no other call on this index at the same time */
WI_API wi_status wi_index_append(wi_index *index, const float *rows, size_t n, uint64_t *first,
                                 wi_error *error);
/* Returns when all appended rows would survive a loss of power. */
WI_API wi_status wi_index_sync(wi_index *index, wi_error *error);
/* Forgets the rows from n_rows on, which the next ones will replace: those of a writer that died before
 * its caller had noted them. More rows than there are: WI_ERR_ARG.
 * Threads: no other call on this index at the same time */
WI_API wi_status wi_index_keep(wi_index *index, uint64_t n_rows, wi_error *error);

/* Row `row` as it is kept, of length 1 within half precision.
 * Shapes: out[dim] f32 */
WI_API wi_status wi_index_row(const wi_index *index, uint64_t row, float *out, wi_error *error);

typedef struct wi_index_hit {
    uint64_t row;
    float score; /* cosine */
} wi_index_hit;

/* The k rows with the largest cosine to query, best first, equal ones in row order.
 * Shapes:  query[dim] f32, of any length but zero; filter: bit row % 8 of byte row / 8 says that the row
 *          counts, NULL: all do; out[k]; *n_out <= k
 * Exact:   candidates are found with 8-bit numbers, four times as many as asked for, then scored in half
 *          precision: a row within 0.005 of the last place can be missed. The result does not depend on
 *          the number of threads
 * Threads: several searches may run at the same time */
WI_API wi_status wi_index_search(const wi_index *index, const float *query, size_t k,
                                 const uint8_t *filter, wi_index_hit *out, size_t *n_out,
                                 wi_error *error);

/* All pairs of rows a < b that count with a cosine of at least `least`, in ascending order of (a, b), given
 * to visit until it returns false (WI_ERR_CANCELLED then). The cosine is within 0.005. Work grows with the
 * square of the number of rows: 45,000 rows of 256 take some seconds.
 * Threads: as wi_index_search; visit is called on the caller's thread */
typedef bool wi_index_pair_visitor(void *context, uint64_t a, uint64_t b, float score);
WI_API wi_status wi_index_pairs(const wi_index *index, float least, const uint8_t *filter,
                                wi_index_pair_visitor *visit, void *context, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
