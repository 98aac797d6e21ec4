#include "described.h"
#include "../store/fail.h"
#include "catalog_connection.h"
#include <stdlib.h>
#include <string.h>

static wi_status run(catalog *cat, const char *sql, const db_value *values, size_t n,
                     db_result *out, wi_error *error)
{
    return db_sqlite.run(catalog_connection(cat), sql, values, n, out, error);
}

wi_status described_begin(catalog *cat, wi_error *error)
{
    /* "sentence" holds the texts themselves, by the content's number: there is no other copy. */
    wi_status status = db_sqlite.begin(catalog_connection(cat), true, error);
    if (status != WI_OK) {
        return status;
    }
    status = db_sqlite.script(catalog_connection(cat),
                              "CREATE TABLE IF NOT EXISTS described (content INTEGER PRIMARY KEY,"
                              " by TEXT NOT NULL);"
                              "CREATE VIRTUAL TABLE IF NOT EXISTS sentence USING fts5 (text,"
                              " tokenize = 'porter unicode61');",
                              error);
    if (status != WI_OK && error && strstr(error->message, "fts5")) {
        status = store_fail(error, WI_ERR_UNSUPPORTED,
                            "sentences need an SQLite with FTS5, and this one has none");
    }
    return catalog_end(cat, status, error);
}

static wi_status is_there(catalog *cat, bool *out, wi_error *error)
{
    db_result result = {0};
    wi_status status =
        run(cat, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'sentence')", NULL, 0,
            &result, error);
    *out = status == WI_OK && db_cell_int(&result, 0, 0) != 0;
    db_result_free(&result);
    return status;
}

wi_status described_count(catalog *cat, int64_t *n, wi_error *error)
{
    db_result result = {0};
    bool there = false;
    wi_status status = is_there(cat, &there, error);
    *n = -1;
    if (status == WI_OK && there) {
        status = run(cat,
                     "SELECT count(*) FROM sentence WHERE EXISTS (SELECT 1 FROM file WHERE"
                     " file.content = sentence.rowid)",
                     NULL, 0, &result, error);
        *n = status == WI_OK ? db_cell_int(&result, 0, 0) : -1;
    }
    db_result_free(&result);
    return status;
}

void described_free_photos(described_photo *photos, size_t n)
{
    for (size_t i = 0; i < n && photos; i++) {
        free(photos[i].text);
    }
    free(photos);
}

/* Numbers and texts, all of them or none; the result is freed. */
static wi_status take_photos(db_result *result, wi_status status, described_photo **out, size_t *n,
                             wi_error *error)
{
    *n = 0;
    *out = status == WI_OK ? calloc(result->n_rows + 1, sizeof **out) : NULL;
    bool good = *out != NULL;
    for (size_t i = 0; i < result->n_rows && good; i++) {
        (*out)[i] =
            (described_photo){db_cell_int(result, i, 0), catalog_take_text(db_cell(result, i, 1))};
        good = (*out)[i].text != NULL;
        *n += good;
    }
    db_result_free(result);
    if (status == WI_OK && !good) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status != WI_OK) {
        described_free_photos(*out, *n);
        *out = NULL;
        *n = 0;
    }
    return status;
}

wi_status described_missing(catalog *cat, int64_t model, const char *by, described_photo **out,
                            size_t *n, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(model), db_text(by)};
    wi_status status =
        run(cat,
            "SELECT vector.content, min(path) FROM vector JOIN file ON file.content ="
            " vector.content WHERE vector.model = $1 AND at_ms = -1 AND NOT EXISTS (SELECT 1 FROM "
            "described WHERE"
            " described.content = vector.content AND by = $2) GROUP BY vector.content ORDER BY 2",
            values, 2, &result, error);
    return take_photos(&result, status, out, n, error);
}

static wi_status keep_one(catalog *cat, const char *by, const described_sentence *s,
                          wi_error *error)
{
    const db_value who[] = {db_int(s->content), db_text(by)},
                   what[] = {db_int(s->content), db_text(s->text)};
    wi_status status = run(
        cat,
        "INSERT INTO described (content, by) VALUES ($1, $2) ON CONFLICT (content) DO UPDATE SET"
        " by = excluded.by",
        who, 2, NULL, error);
    if (status == WI_OK) {
        status = run(cat, "DELETE FROM sentence WHERE rowid = $1", what, 1, NULL, error);
    }
    if (status == WI_OK && s->text) {
        status =
            run(cat, "INSERT INTO sentence (rowid, text) VALUES ($1, $2)", what, 2, NULL, error);
    }
    return status;
}

wi_status described_keep(catalog *cat, const char *by, const described_sentence *sentences,
                         size_t n, wi_error *error)
{
    wi_status status = db_sqlite.begin(catalog_connection(cat), true, error);
    if (status != WI_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        status = keep_one(cat, by, &sentences[i], error);
    }
    return catalog_end(cat, status, error);
}

wi_status described_find(catalog *cat, int64_t model, const char *match, size_t most,
                         described_photo **out, size_t *n, wi_error *error)
{
    db_result result = {0};
    bool there = false;
    const db_value values[] = {db_int(model), db_text(match), db_int((int64_t)most)};
    wi_status status = is_there(cat, &there, error);
    if (status == WI_OK && there) {
        status =
            run(cat,
                "SELECT vector.row, sentence.text FROM sentence JOIN vector ON vector.model = $1"
                " AND vector.content = sentence.rowid WHERE sentence MATCH $2 ORDER BY rank"
                " LIMIT $3",
                values, 3, &result, error);
    }
    return take_photos(&result, status, out, n, error);
}
