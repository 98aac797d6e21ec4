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

/* A photo of a list. */
typedef struct described_photo {
    int64_t id; /* its content's, or its row in the model's index */
    char *text; /* the path of one of its files, or its sentence */
} described_photo;
void described_free_photos(described_photo *photos, size_t n);

/* Contents, with a path each, that have a vector of the model and that this describer has not looked at. described_begin
 * has been called.
 * Owns: the caller frees with described_free_photos. */
wi_status described_missing(catalog *cat, int64_t model, const char *by, described_photo **out,
                            size_t *n, wi_error *error);

typedef struct described_sentence {
    int64_t content;
    const char *text; /* borrowed; NULL: it was looked at, and nothing is told of it */
} described_sentence;
/* All of them or none, in place of what was said before. by: the describer's fingerprint. */
wi_status described_keep(catalog *cat, const char *by, const described_sentence *sentences,
                         size_t n, wi_error *error);

/* The rows, with the sentence each, of photos whose sentence has the words, those that say least beside them first, at
 * most `most`; none where nothing was described. match: an expression of FTS5.
 * Owns: the caller frees with described_free_photos. */
wi_status described_find(catalog *cat, int64_t model, const char *match, size_t most,
                         described_photo **out, size_t *n, wi_error *error);

#endif
