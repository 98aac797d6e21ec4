#include "index/index.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

enum { MAX_HITS = 1 << 20 };

wi_status wi_index_open(wi_engine *engine, const char *path, const wi_index_options *options,
                        wi_index **out, wi_error *error)
{
    const wi_index_options defaults = {.read_only = true};
    if (!engine || !path || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_index_open: an engine, a path and a place are needed");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_index_options", error);
    return fits == WI_OK ? wi_idx_open(engine, path, options, out, error) : fits;
}

void wi_index_close(wi_index **index)
{
    wi_idx_close(index);
}

wi_status wi_index_get_info(const wi_index *index, wi_index_info *out, wi_error *error)
{
    if (!index || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_index_get_info: a NULL argument");
    *out = (wi_index_info){.dim = index->dim, .n_rows = index->n_rows};
    memcpy(out->fingerprint, index->fingerprint, sizeof out->fingerprint);
    return WI_OK;
}

wi_status wi_index_append(wi_index *index, const float *rows, size_t n, uint64_t *first,
                          wi_error *error)
{
    if (!index || (n && !rows))
        return wi_fail(error, WI_ERR_ARG, "wi_index_append: a NULL argument");
    if (index->read_only)
        return wi_fail(error, WI_ERR_ARG, "%s: opened for reading only", index->s8.path);
    return wi_idx_append(index, rows, n, first, error);
}

wi_status wi_index_sync(wi_index *index, wi_error *error)
{
    if (!index || index->read_only)
        return wi_fail(error, WI_ERR_ARG, "wi_index_sync: needs an index that is open for writing");
    return wi_idx_sync(index, error);
}

wi_status wi_index_keep(wi_index *index, uint64_t n_rows, wi_error *error)
{
    if (!index)
        return wi_fail(error, WI_ERR_ARG, "wi_index_keep: a NULL argument");
    return wi_idx_keep(index, n_rows, error);
}

wi_status wi_index_row(const wi_index *index, uint64_t row, float *out, wi_error *error)
{
    if (!index || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_index_row: a NULL argument");
    return wi_idx_row(index, row, out, error);
}

wi_status wi_index_search(const wi_index *index, const float *query, size_t k,
                          const uint8_t *filter, wi_index_hit *out, size_t *n_out, wi_error *error)
{
    if (!index || !query || !n_out || (k && !out))
        return wi_fail(error, WI_ERR_ARG, "wi_index_search: a NULL argument");
    if (k > MAX_HITS)
        return wi_fail(error, WI_ERR_ARG, "wi_index_search: at most %d hits", MAX_HITS);
    return wi_idx_search(index, query, k, filter, out, n_out, error);
}

wi_status wi_index_pairs(const wi_index *index, float least, const uint8_t *filter,
                         wi_index_pair_visitor *visit, void *context, wi_error *error)
{
    if (!index || !visit || !isfinite(least))
        return wi_fail(error, WI_ERR_ARG,
                       "wi_index_pairs: an index, a visitor and a bound are needed");
    return wi_idx_pairs(index, least, filter, visit, context, error);
}
