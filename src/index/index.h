/* The index inside: two mapped files of equal numbers of rows. */
#ifndef WI_INDEX_INDEX_H
#define WI_INDEX_INDEX_H

#include "nn/engine.h"
#include <whatsit/index.h>

enum { WI_INDEX_MAX_DIM = 16384 };

/* One of the two files: a header, then rows of `stride` bytes. */
typedef struct wi_rows_file {
    char *path;
    int fd;
    size_t stride;
    const uint8_t *bytes; /* mapped, header included; NULL: nothing mapped yet */
    size_t n_mapped;
} wi_rows_file;

struct wi_index {
    wi_engine *engine;
    uint32_t dim;
    char fingerprint[65];
    bool read_only;
    uint64_t n_rows;
    wi_rows_file s8;  /* a row: dim int8, padded to 4, then its scale as f32 */
    wi_rows_file f16; /* a row: dim halves */
};

static inline size_t wi_index_s8_scale_at(uint32_t dim)
{
    return ((size_t)dim + 3) / 4 * 4;
}

/* Row 0 of the mapping. */
const uint8_t *wi_rows_file_first(const wi_rows_file *file);

/* As the public functions of the same names, whose arguments are checked. */
wi_status wi_idx_open(wi_engine *engine, const char *path, const wi_index_options *options,
                      wi_index **out, wi_error *error);
void wi_idx_close(wi_index **index);
wi_status wi_idx_append(wi_index *index, const float *rows, size_t n, uint64_t *first,
                        wi_error *error);
wi_status wi_idx_sync(wi_index *index, wi_error *error);
wi_status wi_idx_keep(wi_index *index, uint64_t n_rows, wi_error *error);
wi_status wi_idx_row(const wi_index *index, uint64_t row, float *out, wi_error *error);
wi_status wi_idx_search(const wi_index *index, const float *query, size_t k, const uint8_t *filter,
                        wi_index_hit *out, size_t *n_out, wi_error *error);
wi_status wi_idx_pairs(const wi_index *index, float least, const uint8_t *filter,
                       wi_index_pair_visitor *visit, void *context, wi_error *error);

#endif
