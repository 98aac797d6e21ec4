/* Sentences about the photos of a library, by which they are found as well: whose content has been described by which
 * describer, and what was told of it. Lies in the catalogue, in tables that are made with the first sentence; its words
 * are indexed by SQLite's FTS5.
 * Threads, processes: as the catalogue's. */
#ifndef LIBRARY_DESCRIBED_H
#define LIBRARY_DESCRIBED_H

#include "catalog.h"

/* Makes the tables where they are not there. Errors: WI_ERR_UNSUPPORTED when SQLite was built without FTS5 */
wi_status described_begin(catalog *cat, wi_error *error);
/* *n: photos with a sentence; -1: nothing was ever described. */
wi_status described_count(catalog *cat, int64_t *n, wi_error *error);

typedef struct described_photo {
    int64_t content;
    char *path; /* of one of its files */
} described_photo;
/* Photos with a vector of the model that this describer has not looked at. described_begin has been called.
 * Owns: the caller frees with described_free_photos. */
wi_status described_missing(catalog *cat, int64_t model, const char *by, described_photo **out,
                            size_t *n, wi_error *error);
void described_free_photos(described_photo *photos, size_t n);

typedef struct described_sentence {
    int64_t content;
    const char *text; /* borrowed; NULL: it was looked at, and nothing is told of it */
} described_sentence;
/* All of them or none, in place of what was said before. by: the describer's fingerprint. */
wi_status described_keep(catalog *cat, const char *by, const described_sentence *sentences,
                         size_t n, wi_error *error);

typedef struct described_hit {
    uint64_t row; /* of the model's index */
    char *text;
} described_hit;
/* The photos whose sentence has the words, those that say least beside them first, at most `most`; none where nothing
 * was described. match: an expression of FTS5.
 * Owns: the caller frees with described_free_hits. */
wi_status described_find(catalog *cat, int64_t model, const char *match, size_t most,
                         described_hit **out, size_t *n, wi_error *error);
void described_free_hits(described_hit *hits, size_t n);

#endif
