/* What the module exports: one table, by the name approximate_module. Changes of it change the version, so that a
 * program does not use the module of another one. */
#ifndef LIBRARY_APPROXIMATE_MODULE_H
#define LIBRARY_APPROXIMATE_MODULE_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { APPROXIMATE_MODULE_VERSION = 1, APPROXIMATE_LEAST_ROWS = 10000 };

/* Rows [first, end) to be covered, each of length 1. */
typedef struct approximate_rows {
    uint32_t dim;
    uint64_t first, end;
    /* Shapes: out[dim]. False: it cannot be read */
    bool (*row)(const void *context, uint64_t row, float *out);
    const void *context;
} approximate_rows;

typedef struct approximate_module {
    uint32_t version;
    /* Writes a file at `to` of what is in the one at `from` and of the rows, or of the rows alone (from NULL). */
    wi_status (*make)(const char *from, const char *to, const approximate_rows *rows, int n_threads,
                      const wi_progress *progress, wi_error *error);
    /* *out is closed with close. What lies behind faiss's own bytes in the file is not read. */
    wi_status (*open)(const char *path, uint32_t dim, int n_threads, void **out, wi_error *error);
    /* Shapes: query[dim], of length 1; rows[n]; *n_out <= n */
    wi_status (*candidates)(void *opened, const float *query, size_t n, int64_t *rows,
                            size_t *n_out, wi_error *error);
    void (*close)(void *opened);
} approximate_module;

#ifdef __cplusplus
}
#endif
#endif
