/* The libraries of photos that the operator shows (made by 'whatsit index'): searched, and their photos read, never
 * changed. What an indexer writes meanwhile is seen by the next search. */
#ifndef SERVER_LIBRARIES_H
#define SERVER_LIBRARIES_H

#include "../library/background.h"
#include "../library/catalog.h"
#include "config.h"
#include "model.h"

typedef struct srv_libraries srv_libraries;
typedef struct srv_library srv_library;

/* Those of the configuration; none is well. engine: borrowed. Owns: the caller closes *out.
 * Errors: WI_ERR_NOT_FOUND for one that was never indexed; those of its catalogue */
wi_status srv_libraries_open(wi_engine *engine, const srv_config *config, srv_libraries **out,
                             wi_error *error);
void srv_libraries_close(srv_libraries **libraries);

/* NULL past the last one. Borrowed from the list. */
srv_library *srv_libraries_at(const srv_libraries *libraries, size_t index);
srv_library *srv_libraries_find(const srv_libraries *libraries, const char *name);
const char *srv_library_name(const srv_library *library);

/* How many photos have a vector of this model. */
wi_status srv_library_count(srv_library *library, const srv_model_about *about, int64_t *out,
                            wi_error *error);

typedef struct srv_library_query {
    const float *vector; /* [dim], of length 1 */
    size_t top;
    const background *words; /* to tell how sure each photo is; NULL: it is not told */
    double least;            /* confidence; what is below is left out. With words */
} srv_library_query;

typedef struct srv_photo {
    catalog_seen seen;
    float score;       /* cosine */
    double confidence; /* NaN: it cannot be told */
} srv_photo;

/* Best first, as 'whatsit search --exact' finds them. Threads: any.
 * Owns: the caller frees out[n] with srv_photos_free.
 * Errors: WI_ERR_NOT_FOUND when nothing was indexed with this model; those of catalogue and index */
wi_status srv_library_search(srv_library *library, const srv_model_about *about,
                             const srv_library_query *query, srv_photo **out, size_t *n,
                             wi_error *error);
void srv_photos_free(srv_photo **photos, size_t n);

/* The photo of this hash, in 64 hexadecimal digits. row[dim]: its vector; NULL: not wanted. The caller frees out with
 * catalog_free_seen. Errors: WI_ERR_NOT_FOUND for what is no photo of the library, or has no vector of the model */
wi_status srv_library_photo(srv_library *library, const srv_model_about *about, const char *hex,
                            catalog_seen *out, float *row, wi_error *error);

/* Opens a file of the photo that is still what was indexed; the caller closes *fd.
 * Errors: WI_ERR_NOT_FOUND when there is none any more */
wi_status srv_library_file(const catalog_seen *seen, int *fd, uint64_t *n_bytes, wi_error *error);

#endif
