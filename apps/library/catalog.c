#include "catalog.h"
#include "../store/fail.h"
#include "catalog_connection.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct catalog {
    db_connection *connection;
};

/* The tables, version by version. A step that has been released is never changed. */
static const char *const steps[] = {
    "CREATE TABLE root (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);"
    "CREATE TABLE exclude (pattern BLOB PRIMARY KEY);"
    "CREATE TABLE model (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, name TEXT NOT "
    "NULL,"
    " n_rows INTEGER NOT NULL);"
    "CREATE TABLE content (id INTEGER PRIMARY KEY, sha BLOB NOT NULL UNIQUE, n_bytes INTEGER NOT "
    "NULL,"
    " width INTEGER NOT NULL, height INTEGER NOT NULL, look BLOB, taken INTEGER, camera TEXT,"
    " unreadable TEXT);"
    "CREATE INDEX content_by_size ON content (n_bytes);"
    "CREATE TABLE file (id INTEGER PRIMARY KEY, root INTEGER NOT NULL REFERENCES root (id) ON "
    "DELETE"
    " CASCADE, path BLOB NOT NULL UNIQUE, n_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
    " inode INTEGER NOT NULL, content INTEGER NOT NULL REFERENCES content (id));"
    "CREATE INDEX file_by_content ON file (content);"
    "CREATE INDEX file_by_root ON file (root, path);"
    "CREATE TABLE vector (model INTEGER NOT NULL, content INTEGER NOT NULL, row INTEGER NOT NULL,"
    " PRIMARY KEY (model, content)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX vector_by_row ON vector (model, row);",
    /* Videos: many rows of one content. at_ms -1 is a photo. */
    "CREATE TABLE vector_2 (model INTEGER NOT NULL, content INTEGER NOT NULL, at_ms INTEGER NOT "
    "NULL DEFAULT -1,"
    " row INTEGER NOT NULL, PRIMARY KEY (model, content, at_ms)) WITHOUT ROWID;"
    "INSERT INTO vector_2 (model, content, row) SELECT model, content, row FROM vector;"
    "DROP TABLE vector;"
    "ALTER TABLE vector_2 RENAME TO vector;"
    "CREATE UNIQUE INDEX vector_by_row ON vector (model, row);"
    "CREATE INDEX vector_of_videos ON vector (model) WHERE at_ms >= 0;",
};
enum { VERSION = sizeof steps / sizeof *steps };

static wi_status run(catalog *cat, const char *sql, const db_value *values, size_t n,
                     db_result *out, wi_error *error)
{
    return db_sqlite.run(cat->connection, sql, values, n, out, error);
}

db_connection *catalog_connection(catalog *cat)
{
    return cat->connection;
}

static wi_status script(catalog *cat, const char *sql, wi_error *error)
{
    return db_sqlite.script(cat->connection, sql, error);
}

wi_status catalog_end(catalog *cat, wi_status status, wi_error *error)
{
    if (status == WI_OK) {
        status = script(cat, "COMMIT", error);
    }
    if (status != WI_OK) {
        script(cat, "ROLLBACK", NULL);
    }
    return status;
}

static wi_status migrate(catalog *cat, const char *path, wi_error *error)
{
    db_result result = {0};
    char text[64];
    wi_status status = db_sqlite.begin(cat->connection, true, error);
    if (status != WI_OK) {
        return status;
    }
    status = run(cat, "PRAGMA user_version", NULL, 0, &result, error);
    int64_t version = status == WI_OK ? db_cell_int(&result, 0, 0) : 0;
    db_result_free(&result);
    if (status == WI_OK && version > VERSION) {
        status = store_fail(error, WI_ERR_UNSUPPORTED,
                            "%.150s: made by a newer whatsit: use that one", path);
    }
    for (int64_t v = version; v < VERSION && status == WI_OK; v++) {
        status = script(cat, steps[v], error);
    }
    snprintf(text, sizeof text, "PRAGMA user_version=%d", (int)VERSION);
    if (status == WI_OK && version < VERSION) {
        status = script(cat, text, error);
    }
    return catalog_end(cat, status, error);
}

wi_status catalog_open(const char *path, bool create, catalog **out, wi_error *error)
{
    if (!create && access(path, F_OK) != 0) {
        return store_fail(error, WI_ERR_NOT_FOUND, "%.200s: there is no library here", path);
    }
    catalog *cat = calloc(1, sizeof *cat);
    if (!cat) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    wi_status status = db_sqlite.open(path, &cat->connection, error);
    if (status == WI_OK) {
        status = migrate(cat, path, error);
    }
    if (status != WI_OK) {
        catalog_close(&cat);
        return status;
    }
    *out = cat;
    return WI_OK;
}

void catalog_close(catalog **cat)
{
    if (*cat) {
        db_sqlite.close(&(*cat)->connection);
        free(*cat);
        *cat = NULL;
    }
}

/* ---- copies of cells ---- */

char *catalog_take_text(const db_value *value)
{
    char *text = malloc(value->n_bytes + 1);
    if (text) {
        memcpy(text, value->bytes ? value->bytes : "", value->n_bytes);
        text[value->n_bytes] = '\0';
    }
    return text;
}

/* A path: bytes without NUL. NULL when memory is out. */
static char *take_path(const db_result *result, size_t row, size_t column)
{
    return catalog_take_text(db_cell(result, row, column));
}

static db_value path_value(const char *path)
{
    return db_blob(path, strlen(path));
}

/* ---- folders ---- */

wi_status catalog_roots(catalog *cat, catalog_root **out, size_t *n, wi_error *error)
{
    db_result result = {0};
    wi_status status =
        run(cat,
            "SELECT id, path, (SELECT count(*) FROM file WHERE root = root.id) FROM root"
            " ORDER BY path",
            NULL, 0, &result, error);
    *n = status == WI_OK ? result.n_rows : 0;
    *out = calloc(*n + 1, sizeof **out);
    for (size_t i = 0; i < *n && *out && status == WI_OK; i++) {
        (*out)[i] = (catalog_root){db_cell_int(&result, i, 0), db_cell_int(&result, i, 2),
                                   take_path(&result, i, 1)};
        status = (*out)[i].path ? WI_OK : WI_ERR_NOMEM;
    }
    if (!*out || status == WI_ERR_NOMEM) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    db_result_free(&result);
    if (status != WI_OK) {
        catalog_free_roots(*out, *n);
        *out = NULL;
        *n = 0;
    }
    return status;
}

void catalog_free_roots(catalog_root *roots, size_t n)
{
    for (size_t i = 0; i < n && roots; i++) {
        free(roots[i].path);
    }
    free(roots);
}

wi_status catalog_add_root(catalog *cat, const char *path, int64_t *id, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {path_value(path)};
    wi_status status = run(cat,
                           "INSERT INTO root (path) VALUES ($1) ON CONFLICT (path) DO UPDATE SET"
                           " path = excluded.path RETURNING id",
                           values, 1, &result, error);
    *id = status == WI_OK ? db_cell_int(&result, 0, 0) : 0;
    db_result_free(&result);
    return status;
}

wi_status catalog_merge_root(catalog *cat, int64_t from, int64_t into, wi_error *error)
{
    const db_value values[] = {db_int(into), db_int(from)};
    wi_status status = db_sqlite.begin(cat->connection, true, error);
    if (status != WI_OK) {
        return status;
    }
    status = run(cat, "UPDATE file SET root = $1 WHERE root = $2", values, 2, NULL, error);
    if (status == WI_OK) {
        status = catalog_remove_root(cat, from, error);
    }
    return catalog_end(cat, status, error);
}

wi_status catalog_remove_root(catalog *cat, int64_t id, wi_error *error)
{
    const db_value values[] = {db_int(id)};
    return run(cat, "DELETE FROM root WHERE id = $1", values, 1, NULL, error);
}

wi_status catalog_add_exclude(catalog *cat, const char *pattern, wi_error *error)
{
    const db_value values[] = {path_value(pattern)};
    return run(cat, "INSERT INTO exclude (pattern) VALUES ($1) ON CONFLICT DO NOTHING", values, 1,
               NULL, error);
}

wi_status catalog_remove_exclude(catalog *cat, const char *pattern, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {path_value(pattern)};
    wi_status status =
        run(cat, "DELETE FROM exclude WHERE pattern = $1 RETURNING 1", values, 1, &result, error);
    const bool found = result.n_rows > 0;
    db_result_free(&result);
    return status == WI_OK && !found ? store_fail(error, WI_ERR_NOT_FOUND, "is not excluded")
                                     : status;
}

wi_status catalog_excludes(catalog *cat, char ***out, size_t *n, wi_error *error)
{
    db_result result = {0};
    wi_status status =
        run(cat, "SELECT pattern FROM exclude ORDER BY pattern", NULL, 0, &result, error);
    *n = status == WI_OK ? result.n_rows : 0;
    *out = calloc(*n + 1, sizeof **out);
    for (size_t i = 0; i < *n && *out && status == WI_OK; i++) {
        (*out)[i] = take_path(&result, i, 0);
    }
    db_result_free(&result);
    return status == WI_OK && !*out ? store_fail(error, WI_ERR_NOMEM, "out of memory") : status;
}

/* ---- models ---- */

wi_status catalog_find_model(catalog *cat, const char *fingerprint, catalog_model *out,
                             wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(fingerprint)};
    wi_status status =
        run(cat, "SELECT id, n_rows FROM model WHERE fingerprint = $1", values, 1, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "nothing was indexed with this model");
    }
    if (status == WI_OK) {
        *out = (catalog_model){db_cell_int(&result, 0, 0), db_cell_int(&result, 0, 1)};
    }
    db_result_free(&result);
    return status;
}

wi_status catalog_add_model(catalog *cat, const char *fingerprint, const char *name,
                            catalog_model *out, wi_error *error)
{
    const db_value values[] = {db_text(fingerprint), db_text(name)};
    wi_status status = run(cat,
                           "INSERT INTO model (fingerprint, name, n_rows) VALUES ($1, $2, 0)"
                           " ON CONFLICT (fingerprint) DO NOTHING",
                           values, 2, NULL, error);
    return status == WI_OK ? catalog_find_model(cat, fingerprint, out, error) : status;
}

wi_status catalog_forget_model(catalog *cat, const char *fingerprint, wi_error *error)
{
    const db_value values[] = {db_text(fingerprint)};
    wi_status status = db_sqlite.begin(cat->connection, true, error);
    if (status != WI_OK) {
        return status;
    }
    status =
        run(cat, "DELETE FROM vector WHERE model IN (SELECT id FROM model WHERE fingerprint = $1)",
            values, 1, NULL, error);
    if (status == WI_OK) {
        status =
            run(cat, "UPDATE model SET n_rows = 0 WHERE fingerprint = $1", values, 1, NULL, error);
    }
    if (status == WI_OK) {
        status =
            script(cat, "UPDATE content SET unreadable = NULL WHERE unreadable IS NOT NULL", error);
    }
    return catalog_end(cat, status, error);
}

/* ---- files ---- */

wi_status catalog_files(catalog *cat, int64_t root, int64_t model, catalog_file **out, size_t *n,
                        wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(model), db_int(root)};
    wi_status status = run(
        cat,
        "SELECT file.id, file.content, file.n_bytes, mtime_ns, inode, EXISTS (SELECT 1 FROM vector"
        " WHERE vector.model = $1 AND vector.content = file.content),"
        " unreadable IS NOT NULL, path FROM file JOIN content ON content.id = file.content"
        " WHERE root = $2 ORDER BY path",
        values, 2, &result, error);
    *n = status == WI_OK ? result.n_rows : 0;
    *out = calloc(*n + 1, sizeof **out);
    bool good = *out != NULL;
    for (size_t i = 0; i < *n && good; i++) {
        catalog_file *file = &(*out)[i];
        *file = (catalog_file){
            .id = db_cell_int(&result, i, 0),
            .content = db_cell_int(&result, i, 1),
            .stamp = {db_cell_int(&result, i, 2), db_cell_int(&result, i, 3),
                      db_cell_int(&result, i, 4)},
            .has_vector = db_cell_int(&result, i, 5) != 0,
            .unreadable = db_cell_int(&result, i, 6) != 0,
            .path = take_path(&result, i, 7),
        };
        good = file->path != NULL;
    }
    db_result_free(&result);
    if (status == WI_OK && !good) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status != WI_OK) {
        catalog_free_files(*out, *n);
        *out = NULL;
        *n = 0;
    }
    return status;
}

void catalog_free_files(catalog_file *files, size_t n)
{
    for (size_t i = 0; i < n && files; i++) {
        free(files[i].path);
    }
    free(files);
}

wi_status catalog_has_size(catalog *cat, int64_t n_bytes, bool *out, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(n_bytes)};
    wi_status status = run(cat, "SELECT EXISTS (SELECT 1 FROM content WHERE n_bytes = $1)", values,
                           1, &result, error);
    *out = status == WI_OK && db_cell_int(&result, 0, 0) != 0;
    db_result_free(&result);
    return status;
}

wi_status catalog_find_content(catalog *cat, const uint8_t sha[CATALOG_SHA_BYTES], int64_t model,
                               catalog_content *out, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(model), db_blob(sha, CATALOG_SHA_BYTES)};
    wi_status status =
        run(cat,
            "SELECT id, EXISTS (SELECT 1 FROM vector WHERE vector.model = $1 AND vector.content ="
            " content.id), unreadable IS NOT NULL FROM content WHERE sha = $2",
            values, 2, &result, error);
    *out = (catalog_content){0};
    if (status == WI_OK && result.n_rows > 0) {
        *out = (catalog_content){db_cell_int(&result, 0, 0), db_cell_int(&result, 0, 1) != 0,
                                 db_cell_int(&result, 0, 2) != 0};
    }
    db_result_free(&result);
    return status;
}

wi_status catalog_find_file(catalog *cat, int64_t model, const char *path, catalog_known *out,
                            wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(model), path_value(path)};
    wi_status status =
        run(cat,
            "SELECT file.n_bytes, mtime_ns, inode, sha, width, height, coalesce(row, -1) FROM file"
            " JOIN content ON content.id = file.content LEFT JOIN vector ON vector.model = $1 AND"
            " vector.content = file.content AND at_ms = -1 WHERE path = $2",
            values, 2, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "%.150s: is not in the library", path);
    }
    if (status == WI_OK) {
        const db_value *sha = db_cell(&result, 0, 3);
        *out = (catalog_known){.stamp = {db_cell_int(&result, 0, 0), db_cell_int(&result, 0, 1),
                                         db_cell_int(&result, 0, 2)},
                               .width_px = db_cell_int(&result, 0, 4),
                               .height_px = db_cell_int(&result, 0, 5),
                               .row = db_cell_int(&result, 0, 6)};
        if (sha->n_bytes == CATALOG_SHA_BYTES) {
            memcpy(out->sha, sha->bytes, CATALOG_SHA_BYTES);
        }
    }
    db_result_free(&result);
    return status;
}

static wi_status put_content(catalog *cat, const catalog_change *change, int64_t *id,
                             wi_error *error)
{
    db_result result = {0};
    const db_value none = {.type = DB_NULL};
    const db_value values[] = {
        db_blob(change->sha, CATALOG_SHA_BYTES),
        db_int(change->stamp.n_bytes),
        db_int(change->width_px),
        db_int(change->height_px),
        change->look ? db_blob(change->look, CATALOG_LOOK_BYTES) : none,
        change->taken != INT64_MIN ? db_int(change->taken) : none,
        db_text(change->camera),
        db_text(change->unreadable),
        db_int(change->row >= 0),
    };
    /* What is known of the content stays where this change says nothing of it. */
    wi_status status = run(
        cat,
        "INSERT INTO content (sha, n_bytes, width, height, look, taken, camera, unreadable)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT (sha) DO UPDATE SET"
        " width = max(width, excluded.width), height = max(height, excluded.height),"
        " look = coalesce(excluded.look, look), taken = coalesce(excluded.taken, taken),"
        " camera = coalesce(excluded.camera, camera),"
        " unreadable = CASE WHEN $9 THEN NULL ELSE coalesce(excluded.unreadable, unreadable) END"
        " RETURNING id",
        values, 9, &result, error);
    *id = status == WI_OK ? db_cell_int(&result, 0, 0) : 0;
    db_result_free(&result);
    return status;
}

/* A photo's row, or those of a video's frames, in place of what was there. */
static wi_status put_rows(catalog *cat, int64_t model, int64_t content,
                          const catalog_change *change, wi_error *error)
{
    const size_t n = change->at_ms ? change->n_frames : 1;
    db_value values[] = {db_int(model), db_int(content), db_int(-1), db_int(change->row)};
    wi_status status =
        run(cat, "DELETE FROM vector WHERE model = $1 AND content = $2", values, 2, NULL, error);
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        values[2] = db_int(change->at_ms ? change->at_ms[i] : -1);
        values[3] = db_int(change->row + (int64_t)i);
        status = run(cat, "INSERT INTO vector (model, content, at_ms, row) VALUES ($1,$2,$3,$4)",
                     values, 4, NULL, error);
    }
    return status;
}

static wi_status apply_one(catalog *cat, int64_t model, const catalog_change *change,
                           wi_error *error)
{
    int64_t content = 0;
    wi_status status = put_content(cat, change, &content, error);
    const db_value file[] = {db_int(change->root),          path_value(change->path),
                             db_int(change->stamp.n_bytes), db_int(change->stamp.mtime_ns),
                             db_int(change->stamp.inode),   db_int(content)};
    if (status == WI_OK) {
        status = run(cat,
                     "INSERT INTO file (root, path, n_bytes, mtime_ns, inode, content)"
                     " VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (path) DO UPDATE SET root ="
                     " excluded.root, n_bytes = excluded.n_bytes, mtime_ns = excluded.mtime_ns,"
                     " inode = excluded.inode, content = excluded.content",
                     file, 6, NULL, error);
    }
    if (status == WI_OK && change->row >= 0) {
        status = put_rows(cat, model, content, change, error);
    }
    return status;
}

wi_status catalog_apply(catalog *cat, int64_t model, int64_t n_rows, const catalog_change *changes,
                        size_t n, wi_error *error)
{
    const db_value rows[] = {db_int(n_rows), db_int(model)};
    wi_status status = db_sqlite.begin(cat->connection, true, error);
    if (status != WI_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        status = apply_one(cat, model, &changes[i], error);
    }
    if (status == WI_OK) {
        status = run(cat, "UPDATE model SET n_rows = $1 WHERE id = $2", rows, 2, NULL, error);
    }
    return catalog_end(cat, status, error);
}

wi_status catalog_remove_files(catalog *cat, const int64_t *ids, size_t n, wi_error *error)
{
    wi_status status = db_sqlite.begin(cat->connection, true, error);
    if (status != WI_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        const db_value values[] = {db_int(ids[i])};
        status = run(cat, "DELETE FROM file WHERE id = $1", values, 1, NULL, error);
    }
    return catalog_end(cat, status, error);
}

/* ---- searching ---- */

bool catalog_filter_is_empty(const catalog_filter *filter)
{
    return !filter || (!filter->folder && !filter->camera && !filter->after && !filter->before &&
                       !filter->least_px && !filter->orientation);
}

/* One statement serves every filter: what is not asked for is NULL, and lets everything pass. */
#define PASSES                                                                                     \
    " ($2 IS NULL OR file.path = $2 OR substr(file.path, 1, length($2) + 1) = CAST($2 || X'2F' "   \
    "AS BLOB))"                                                                                    \
    " AND ($3 IS NULL OR instr(lower(coalesce(camera, '')), lower($3)) > 0)"                       \
    " AND ($4 IS NULL OR coalesce(taken, mtime_ns / 1000000000) >= $4)"                            \
    " AND ($5 IS NULL OR coalesce(taken, mtime_ns / 1000000000) < $5)"                             \
    " AND min(width, height) >= $6"                                                                \
    " AND ($7 = 0 OR $7 = (CASE WHEN width > height THEN 1 WHEN width < height THEN 2 ELSE 3 "     \
    "END))"
enum { N_FILTER = 6 };

static void filter_values(const catalog_filter *filter, db_value *out)
{
    static const catalog_filter all = {0};
    const db_value none = {.type = DB_NULL};
    filter = filter ? filter : &all;
    out[0] = filter->folder ? path_value(filter->folder) : none;
    out[1] = db_text(filter->camera);
    out[2] = filter->after ? db_int(filter->after) : none;
    out[3] = filter->before ? db_int(filter->before) : none;
    out[4] = db_int(filter->least_px);
    out[5] = db_int(filter->orientation);
}

wi_status catalog_rows(catalog *cat, int64_t model, const catalog_filter *filter, uint64_t n_rows,
                       uint8_t *bits, wi_error *error)
{
    db_result result = {0};
    db_value values[1 + N_FILTER] = {db_int(model)};
    filter_values(filter, values + 1);
    wi_status status =
        run(cat,
            "SELECT vector.row FROM vector JOIN content ON content.id = vector.content"
            " JOIN file ON file.content = content.id WHERE vector.model = $1"
            " AND" PASSES,
            values, 1 + N_FILTER, &result, error);
    memset(bits, 0, (size_t)((n_rows + 7) / 8));
    for (size_t i = 0; i < result.n_rows && status == WI_OK; i++) {
        uint64_t row = (uint64_t)db_cell_int(&result, i, 0);
        if (row < n_rows) {
            bits[row / 8] |= (uint8_t)(1u << (row % 8));
        }
    }
    db_result_free(&result);
    return status;
}

static bool take_photo(const db_result *result, catalog_photo *out)
{
    out->paths = calloc(result->n_rows + 1, sizeof *out->paths);
    for (size_t i = 0; i < result->n_rows && out->paths; i++) {
        if (!(out->paths[i] = take_path(result, i, 0))) {
            return false;
        }
        out->n_paths++;
    }
    if (result->n_rows > 0) {
        const db_value *sha = db_cell(result, 0, 1), *look = db_cell(result, 0, 5);
        if (sha->n_bytes == CATALOG_SHA_BYTES) {
            memcpy(out->sha, sha->bytes, CATALOG_SHA_BYTES);
        }
        out->n_bytes = db_cell_int(result, 0, 2);
        out->width_px = db_cell_int(result, 0, 3);
        out->height_px = db_cell_int(result, 0, 4);
        out->has_look = look->type == DB_BLOB && look->n_bytes == CATALOG_LOOK_BYTES;
        if (out->has_look) {
            memcpy(out->look, look->bytes, CATALOG_LOOK_BYTES);
        }
        out->taken = db_cell_int(result, 0, 6);
        out->at_ms = db_cell_int(result, 0, 7);
        out->content = db_cell_int(result, 0, 8);
    }
    return out->paths != NULL;
}

wi_status catalog_photo_of(catalog *cat, int64_t model, int64_t row, const catalog_filter *filter,
                           catalog_photo *out, wi_error *error)
{
    db_result result = {0};
    db_value values[2 + N_FILTER] = {db_int(model)};
    filter_values(filter, values + 1);
    values[1 + N_FILTER] = db_int(row);
    wi_status status = run(
        cat,
        "SELECT path, sha, content.n_bytes, width, height, look, coalesce(taken, mtime_ns /"
        " 1000000000), at_ms, content.id FROM vector JOIN content ON content.id = vector.content"
        " JOIN file ON file.content = content.id WHERE vector.model = $1 AND" PASSES
        " AND vector.row = $8 ORDER BY path",
        values, 2 + N_FILTER, &result, error);
    *out = (catalog_photo){0};
    if (status == WI_OK && !take_photo(&result, out)) {
        catalog_free_photo(out);
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    db_result_free(&result);
    return status;
}

void catalog_free_photo(catalog_photo *photo)
{
    for (size_t i = 0; i < photo->n_paths; i++) {
        free(photo->paths[i]);
    }
    free(photo->paths);
    *photo = (catalog_photo){0};
}

wi_status catalog_has_videos(catalog *cat, int64_t model, bool *out, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(model)};
    wi_status status =
        run(cat, "SELECT EXISTS (SELECT 1 FROM vector WHERE model = $1 AND at_ms >= 0)", values, 1,
            &result, error);
    *out = status == WI_OK && db_cell_int(&result, 0, 0) != 0;
    db_result_free(&result);
    return status;
}

/* ---- one content ---- */

/* "/data/ann/Pictures" -> 10: what stands before the folder's own name. */
static size_t above(const char *root)
{
    const char *slash = strrchr(root, '/');
    return slash ? (size_t)(slash - root) + 1 : 0;
}

static wi_status take_seen(const db_result *result, catalog_seen *out)
{
    out->places = calloc(result->n_rows + 1, sizeof *out->places);
    for (size_t i = 0; i < result->n_rows && out->places; i++) {
        catalog_place *place = &out->places[i];
        char *root = take_path(result, i, 1);
        place->path = take_path(result, i, 0);
        if (!place->path || !root) {
            free(root);
            free(place->path);
            return WI_ERR_NOMEM;
        }
        place->n_above = above(root);
        place->stamp = (catalog_stamp){db_cell_int(result, i, 2), db_cell_int(result, i, 3),
                                       db_cell_int(result, i, 4)};
        free(root);
        out->n_places++;
    }
    if (result->n_rows > 0) {
        const db_value *sha = db_cell(result, 0, 5);
        if (sha->n_bytes == CATALOG_SHA_BYTES) {
            memcpy(out->sha, sha->bytes, CATALOG_SHA_BYTES);
        }
        out->row = db_cell_int(result, 0, 6);
        out->width_px = db_cell_int(result, 0, 7);
        out->height_px = db_cell_int(result, 0, 8);
        out->taken = db_cell_int(result, 0, 9);
    }
    return out->places ? WI_OK : WI_ERR_NOMEM;
}

static wi_status look_up(catalog *cat, const char *sql, const db_value *values, catalog_seen *out,
                         wi_error *error)
{
    db_result result = {0};
    *out = (catalog_seen){.row = -1};
    wi_status status = run(cat, sql, values, 2, &result, error);
    if (status == WI_OK && take_seen(&result, out) != WI_OK) {
        catalog_free_seen(out);
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    db_result_free(&result);
    return status;
}

#define SEEN                                                                                       \
    "SELECT file.path, root.path, file.n_bytes, mtime_ns, inode, sha, coalesce(vector.row, -1),"   \
    " width, height, coalesce(taken, mtime_ns / 1000000000) FROM "

wi_status catalog_seen_at(catalog *cat, int64_t model, int64_t row, catalog_seen *out,
                          wi_error *error)
{
    const db_value values[] = {db_int(model), db_int(row)};
    return look_up(cat,
                   SEEN "vector JOIN content ON content.id = vector.content JOIN file ON"
                        " file.content = content.id JOIN root ON root.id = file.root"
                        " WHERE vector.model = $1 AND vector.row = $2 AND at_ms = -1 ORDER BY"
                        " file.path",
                   values, out, error);
}

wi_status catalog_seen_of(catalog *cat, int64_t model, const uint8_t sha[CATALOG_SHA_BYTES],
                          catalog_seen *out, wi_error *error)
{
    const db_value values[] = {db_int(model), db_blob(sha, CATALOG_SHA_BYTES)};
    return look_up(cat,
                   SEEN "content JOIN file ON file.content = content.id JOIN root ON root.id ="
                        " file.root LEFT JOIN vector ON vector.model = $1 AND vector.content ="
                        " content.id AND at_ms = -1 WHERE sha = $2 ORDER BY file.path",
                   values, out, error);
}

void catalog_hex(const uint8_t sha[CATALOG_SHA_BYTES], char hex[2 * CATALOG_SHA_BYTES + 1])
{
    for (size_t i = 0; i < CATALOG_SHA_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", sha[i]);
    }
}

void catalog_free_seen(catalog_seen *seen)
{
    for (size_t i = 0; i < seen->n_places; i++) {
        free(seen->places[i].path);
    }
    free(seen->places);
    *seen = (catalog_seen){.row = -1};
}

wi_status catalog_count(catalog *cat, int64_t model, catalog_counts *out, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(model)};
    wi_status status =
        run(cat,
            "SELECT (SELECT count(*) FROM file), (SELECT count(DISTINCT content) FROM file),"
            " (SELECT count(*) FROM file JOIN content ON content.id = file.content WHERE unreadable"
            " IS NOT NULL), (SELECT count(DISTINCT file.content) FROM file JOIN vector ON"
            " vector.content = file.content WHERE vector.model = $1)",
            values, 1, &result, error);
    if (status == WI_OK) {
        *out = (catalog_counts){db_cell_int(&result, 0, 0), db_cell_int(&result, 0, 1),
                                db_cell_int(&result, 0, 2), db_cell_int(&result, 0, 3)};
    }
    db_result_free(&result);
    return status;
}
