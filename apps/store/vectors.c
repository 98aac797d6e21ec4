#include "store.h"
#include "tx.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PostgreSQL's pgvector, where it is installed: the column `near` holds the same numbers as `bytes`, in a type that
 * knows distances. Rows that were put by a server without it have none, and are found by a scan. */
static const char near_sql[] =
    "DO $$ BEGIN"
    " IF NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'vectors'::regclass"
    "  AND attname = 'near' AND NOT attisdropped) THEN"
    "  CREATE EXTENSION IF NOT EXISTS vector;"
    "  ALTER TABLE vectors ADD COLUMN near vector;"
    " END IF;"
    " EXCEPTION WHEN OTHERS THEN NULL;"
    " END $$";

wi_status store_vectors_prepare(const db_driver *driver, db_connection *connection, bool *has_near,
                                wi_error *error)
{
    db_result result = {0};
    *has_near = false;
    if (driver != &db_postgres) {
        return WI_OK;
    }
    wi_status status = driver->begin(connection, false, error);
    status = status ? status : driver->lock(connection, error);
    status = status ? status : driver->script(connection, near_sql, error);
    status = status ? status
                    : driver->run(connection,
                                  "SELECT attname FROM pg_attribute WHERE attrelid = "
                                  "'vectors'::regclass AND attname = 'near' AND NOT attisdropped",
                                  NULL, 0, &result, error);
    *has_near = status == WI_OK && result.n_rows == 1;
    db_result_free(&result);
    driver->script(connection, status == WI_OK ? "COMMIT" : "ROLLBACK", NULL);
    return status;
}

/* "[0.5,-1]", as pgvector reads it; the caller frees. */
static char *near_text(const float *row, size_t dim)
{
    char *text = malloc(dim * 20 + 3);
    size_t n = 0;
    for (size_t i = 0; text && i < dim; i++) {
        n += (size_t)snprintf(text + n, 20, "%c%.9g", i ? ',' : '[', (double)row[i]);
    }
    if (text) {
        strcpy(text + n, "]");
    }
    return text;
}

static const char kept_sql[] =
    "SELECT CAST(COALESCE(SUM(CASE WHEN owner = $1 THEN n ELSE 0 END), 0) AS BIGINT),"
    " CAST(COALESCE(SUM(CASE WHEN SUBSTR(owner, 1, 1) = '~' THEN n ELSE 0 END), 0) AS BIGINT),"
    " CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM vector_counts";

/* Of one that is not there yet; counts it. */
static wi_status take_room(store_tx *tx, const store_vector *vector,
                           const store_vector_bounds *bounds, wi_error *error)
{
    db_result result = {0};
    const db_value owner = db_text(vector->owner);
    wi_status status = store_tx_run(tx, kept_sql, &owner, 1, &result, error);
    if (status == WI_OK && bounds->own >= 0 && db_cell_int(&result, 0, 0) >= bounds->own) {
        status = store_fail(error, WI_ERR_LIMIT,
                            "%lld pictures are kept for you, and no more may be: delete some first",
                            (long long)bounds->own);
    } else if (status == WI_OK &&
               ((bounds->all >= 0 && db_cell_int(&result, 0, 2) >= bounds->all) ||
                (vector->owner[0] == '~' && bounds->guests >= 0 &&
                 db_cell_int(&result, 0, 1) >= bounds->guests))) {
        status = store_fail(error, WI_ERR_LIMIT, "this server keeps as many pictures as it may");
    }
    db_result_free(&result);
    return status ? status
                  : store_tx_run(tx,
                                 "INSERT INTO vector_counts (owner, n) VALUES ($1, 1)"
                                 " ON CONFLICT (owner) DO UPDATE SET n = vector_counts.n + 1",
                                 &owner, 1, NULL, error);
}

/* Called with the lock: counts are exact. */
static wi_status check_room(store_tx *tx, const store_vector *vector,
                            const store_vector_bounds *bounds, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(vector->owner), db_text(vector->fingerprint),
                               db_text(vector->id)};
    wi_status status =
        store_tx_run(tx, "SELECT id FROM vectors WHERE owner = $1 AND fingerprint = $2 AND id = $3",
                     values, 3, &result, error);
    const bool is_new = result.n_rows == 0;
    db_result_free(&result);
    return status == WI_OK && is_new ? take_room(tx, vector, bounds, error) : status;
}

#define PUT_COLUMNS "owner, fingerprint, id, bytes, meta, added_ms, expires_ms"
#define PUT_UPDATE                                                                                 \
    " ON CONFLICT (owner, fingerprint, id) DO UPDATE SET bytes = excluded.bytes,"                  \
    " meta = excluded.meta, added_ms = excluded.added_ms, expires_ms = excluded.expires_ms"

static wi_status put(store_tx *tx, const store_vector *vector, wi_error *error)
{
    const bool near = store_has_near(tx->st);
    char *text = near ? near_text(vector->row, vector->dim) : NULL;
    const db_value values[] = {
        db_text(vector->owner),
        db_text(vector->fingerprint),
        db_text(vector->id),
        db_blob(vector->row, vector->dim * sizeof *vector->row),
        db_text(vector->meta ? vector->meta : ""),
        db_int(vector->added_ms),
        db_int(vector->expires_ms),
        db_text(text),
    };
    if (near && !text) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    wi_status status = store_tx_run(
        tx,
        near ? "INSERT INTO vectors (" PUT_COLUMNS ", near) VALUES "
               "($1,$2,$3,$4,$5,$6,$7,CAST($8 AS vector))" PUT_UPDATE ", near = excluded.near"
             : "INSERT INTO vectors (" PUT_COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7)" PUT_UPDATE,
        values, near ? 8 : 7, NULL, error);
    free(text);
    return status;
}

wi_status store_vectors_put(store *st, const store_vector *vectors, size_t n,
                            const store_vector_bounds *bounds, wi_error *error)
{
    store_tx tx;
    wi_status status = store_tx_begin(st, true, &tx, error);
    if (status != WI_OK) {
        return status;
    }
    status = store_tx_lock(&tx, error);
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        status = check_room(&tx, &vectors[i], bounds, error);
        status = status ? status : put(&tx, &vectors[i], error);
    }
    return store_tx_end(&tx, status, error);
}

static wi_status take_vector(const db_result *result, size_t row, store_vector *out,
                             wi_error *error)
{
    const db_value *bytes = db_cell(result, row, 2);
    *out = (store_vector){.dim = bytes->n_bytes / sizeof(float)};
    out->row = malloc(bytes->n_bytes + 1);
    if (!store_take_text(result, row, 0, &out->id) ||
        !store_take_text(result, row, 1, &out->meta) || !out->row) {
        store_vector_free(out);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    memcpy(out->row, bytes->bytes, bytes->n_bytes);
    out->added_ms = db_cell_int(result, row, 3);
    out->expires_ms = db_cell_int(result, row, 4);
    return WI_OK;
}

static wi_status take_vectors(const db_result *result, store_vector **out, size_t *n,
                              wi_error *error)
{
    wi_status status = WI_OK;
    *n = 0;
    *out = calloc(result->n_rows + 1, sizeof **out);
    if (!*out) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; status == WI_OK && i < result->n_rows; i++) {
        status = take_vector(result, i, &(*out)[i], error);
        *n += status == WI_OK;
    }
    if (status != WI_OK) {
        store_vectors_free(out, *n);
        *n = 0;
    }
    return status;
}

wi_status store_vector_page(store *st, const char *owner, const char *fingerprint,
                            const char *after, size_t max, store_vector **out, size_t *n,
                            wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(owner), db_text(fingerprint), db_text(after),
                               db_int(store_now_ms()), db_int((int64_t)max)};
    wi_status status = store_read(
        st,
        "SELECT id, meta, bytes, added_ms, expires_ms FROM vectors WHERE owner = $1"
        " AND fingerprint = $2 AND id > $3 AND (expires_ms = 0 OR expires_ms > CAST($4 AS BIGINT))"
        " ORDER BY id LIMIT $5",
        values, 5, &result, error);
    *out = NULL;
    *n = 0;
    status = status ? status : take_vectors(&result, out, n, error);
    db_result_free(&result);
    return status;
}

wi_status store_vector_get(store *st, const char *owner, const char *fingerprint, const char *id,
                           store_vector *out, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(owner), db_text(fingerprint), db_text(id),
                               db_int(store_now_ms())};
    wi_status status = store_read(
        st,
        "SELECT id, meta, bytes, added_ms, expires_ms FROM vectors WHERE owner = $1"
        " AND fingerprint = $2 AND id = $3 AND (expires_ms = 0 OR expires_ms > CAST($4 AS BIGINT))",
        values, 4, &result, error);
    *out = (store_vector){0};
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no picture '%.100s'", id);
    } else if (status == WI_OK) {
        status = take_vector(&result, 0, out, error);
    }
    db_result_free(&result);
    return status;
}

/* WI_ERR_UNSUPPORTED when some of the rows have no `near`. */
static wi_status all_near(store *st, const db_value *values, wi_error *error)
{
    db_result result = {0};
    wi_status status = store_read(
        st, "SELECT id FROM vectors WHERE owner = $1 AND fingerprint = $2 AND near IS NULL LIMIT 1",
        values, 2, &result, error);
    if (status == WI_OK && result.n_rows > 0) {
        status = store_fail(error, WI_ERR_UNSUPPORTED, "rows without pgvector");
    }
    db_result_free(&result);
    return status;
}

wi_status store_vector_near(store *st, const char *owner, const char *fingerprint,
                            const float *query, size_t dim, size_t k, store_vector **out, size_t *n,
                            wi_error *error)
{
    db_result result = {0};
    *out = NULL;
    *n = 0;
    if (!store_has_near(st)) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "no pgvector here");
    }
    char *text = near_text(query, dim);
    const db_value values[] = {db_text(owner), db_text(fingerprint), db_int(store_now_ms()),
                               db_text(text), db_int((int64_t)k)};
    wi_status status =
        text ? all_near(st, values, error) : store_fail(error, WI_ERR_NOMEM, "out of memory");
    /* <#> is the negative inner product: all rows have length 1. */
    status = status ? status
                    : store_read(st,
                                 "SELECT id, meta, bytes, added_ms, expires_ms FROM vectors"
                                 " WHERE owner = $1 AND fingerprint = $2"
                                 " AND (expires_ms = 0 OR expires_ms > CAST($3 AS BIGINT))"
                                 " ORDER BY near <#> CAST($4 AS vector), id LIMIT $5",
                                 values, 5, &result, error);
    status = status ? status : take_vectors(&result, out, n, error);
    db_result_free(&result);
    free(text);
    return status;
}

wi_status store_vector_delete(store *st, const char *owner, const char *id, wi_error *error)
{
    db_result result = {0};
    store_tx tx;
    const db_value values[] = {db_text(owner), db_text(id)};
    wi_status status = store_tx_begin(st, true, &tx, error);
    if (status != WI_OK) {
        return status;
    }
    status = store_tx_lock(&tx, error);
    status =
        status ? status
               : store_tx_run(&tx, "DELETE FROM vectors WHERE owner = $1 AND id = $2 RETURNING id",
                              values, 2, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no picture '%.100s'", id);
    } else if (status == WI_OK) {
        const db_value counted[] = {db_int((int64_t)result.n_rows), db_text(owner)};
        status = store_tx_run(&tx, "UPDATE vector_counts SET n = n - $1 WHERE owner = $2", counted,
                              2, NULL, error);
    }
    db_result_free(&result);
    return store_tx_end(&tx, status, error);
}

wi_status store_vector_count(store *st, const char *owner, size_t max, store_vector_counted *out,
                             size_t *n, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(owner), db_int(store_now_ms()), db_int((int64_t)max)};
    wi_status status =
        store_read(st,
                   "SELECT fingerprint, CAST(COUNT(*) AS BIGINT) FROM vectors WHERE owner = $1"
                   " AND (expires_ms = 0 OR expires_ms > CAST($2 AS BIGINT))"
                   " GROUP BY fingerprint ORDER BY fingerprint LIMIT $3",
                   values, 3, &result, error);
    *n = 0;
    for (size_t i = 0; status == WI_OK && i < result.n_rows; i++) {
        snprintf(out[i].fingerprint, sizeof out[i].fingerprint, "%s", db_cell_text(&result, i, 0));
        out[i].n = db_cell_int(&result, i, 1);
        (*n)++;
    }
    db_result_free(&result);
    return status;
}

wi_status store_vector_sweep(store *st, int64_t now_ms, wi_error *error)
{
    db_result result = {0};
    store_tx tx;
    const db_value value = db_int(now_ms);
    wi_status status = store_tx_begin(st, false, &tx, error);
    if (status != WI_OK) {
        return status;
    }
    status = store_tx_lock(&tx, error);
    status = status ? status
                    : store_tx_run(&tx,
                                   "DELETE FROM vectors WHERE expires_ms > 0 AND expires_ms < $1"
                                   " RETURNING owner",
                                   &value, 1, &result, error);
    if (status == WI_OK && result.n_rows > 0) { /* what ends is of addresses */
        status = store_tx_run(&tx,
                              "UPDATE vector_counts SET n = (SELECT COUNT(*) FROM vectors WHERE"
                              " vectors.owner = vector_counts.owner)"
                              " WHERE SUBSTR(owner, 1, 1) = '~'",
                              NULL, 0, NULL, error);
        status = status ? status
                        : store_tx_run(&tx, "DELETE FROM vector_counts WHERE n = 0", NULL, 0, NULL,
                                       error);
    }
    db_result_free(&result);
    return store_tx_end(&tx, status, error);
}

void store_vector_free(store_vector *vector)
{
    free(vector->id);
    free(vector->meta);
    free(vector->row);
    *vector = (store_vector){0};
}

void store_vectors_free(store_vector **vectors, size_t n)
{
    for (size_t i = 0; *vectors && i < n; i++) {
        store_vector_free(&(*vectors)[i]);
    }
    free(*vectors);
    *vectors = NULL;
}
