/* Search without a pass over all vectors, for libraries of millions: an inverted file with product codes, made by
 * faiss, names candidates, which are scored from the index itself. It lies in a file beside the vectors that covers
 * the first so many rows; what was appended since is searched by a pass over these alone. Rows of an index never
 * change, so a file that was made of them stays true; one of other rows is refused.
 * faiss is behind a module that is loaded when it is called for: a program that classifies a photo does not pay.
 * Threads: one at a time. */
#ifndef LIBRARY_APPROXIMATE_H
#define LIBRARY_APPROXIMATE_H

#include <whatsit/index.h>

typedef struct approximate approximate;

/* Is the file at path there, and near enough to n_rows that making it anew is not worth the time? */
bool approximate_is_current(const char *path, const wi_index *index, uint64_t n_rows);

/* Makes the file at path for the first n_rows of the index, or extends the one that is there; written beside and put
 * in its place.
 * progress: counts rows, nullable; false from it gives WI_ERR_CANCELLED and leaves what was there
 * Errors: WI_ERR_UNSUPPORTED when faiss is not in this installation; WI_ERR_ARG for too few rows; WI_ERR_IO */
wi_status approximate_update(const char *path, const wi_index *index, uint64_t n_rows,
                             int n_threads, const wi_progress *progress, wi_error *error);

/* Owns:   the caller closes *out
 * Errors: WI_ERR_NOT_FOUND when there is no file; WI_ERR_UNSUPPORTED as above; WI_ERR_MISMATCH for one of other rows;
 *         WI_ERR_FORMAT */
wi_status approximate_open(const char *path, const wi_index *index, uint64_t n_rows, int n_threads,
                           approximate **out, wi_error *error);
void approximate_close(approximate **near);

/* As wi_index_search over the first n_rows without a filter, but a row may be missed: docs/PHOTOS.md says how often. */
wi_status approximate_search(const approximate *near, const wi_index *index, uint64_t n_rows,
                             const float *query, size_t k, wi_index_hit *out, size_t *n_out,
                             wi_error *error);

#endif
