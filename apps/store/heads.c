#include "store.h"
#include "tx.h"
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "name, model, fingerprint, kind, owner, etag, n_labels, n_bytes, created_ms, visibility, "     \
    "expires_ms"
enum { N_COLUMNS = 11 };

static const char insert_sql[] =
    "INSERT INTO heads (" COLUMNS ", bytes) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)";
/* Only an own head is replaced: no row comes back when it is somebody else's. */
static const char replace_sql[] =
    "INSERT INTO heads (" COLUMNS ", bytes) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)"
    " ON CONFLICT (name) DO UPDATE SET model = excluded.model, fingerprint = excluded.fingerprint,"
    " kind = excluded.kind, etag = excluded.etag, n_labels = excluded.n_labels,"
    " n_bytes = excluded.n_bytes, created_ms = excluded.created_ms, bytes = excluded.bytes,"
    " visibility = excluded.visibility, expires_ms = excluded.expires_ms"
    " WHERE heads.owner = excluded.owner RETURNING name";

/* What is kept without the head of that name, which would be replaced. */
static const char kept_sql[] =
    "SELECT CAST(COALESCE(SUM(CASE WHEN owner = $1 THEN 1 ELSE 0 END), 0) AS BIGINT),"
    " CAST(COALESCE(SUM(CASE WHEN owner = $1 THEN n_bytes ELSE 0 END), 0) AS BIGINT),"
    " CAST(COALESCE(SUM(CASE WHEN SUBSTR(owner, 1, 1) = '~' THEN n_bytes ELSE 0 END), 0) AS "
    "BIGINT),"
    " CAST(COALESCE(SUM(n_bytes), 0) AS BIGINT) FROM heads WHERE name <> $2";

static bool over(int64_t bound, int64_t kept, int64_t more)
{
    return bound >= 0 && kept > bound - more;
}

static wi_status check_room(store_tx *tx, const store_head *head, const store_bounds *bounds,
                            wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(head->owner), db_text(head->name)};
    wi_status status = store_tx_run(tx, kept_sql, values, 2, &result, error);
    if (status == WI_OK) {
        int64_t n = db_cell_int(&result, 0, 0), own = db_cell_int(&result, 0, 1);
        bool guests = head->owner[0] == '~' &&
                      over(bounds->anonymous_bytes, db_cell_int(&result, 0, 2), head->n_bytes);
        bool mine = over(bounds->own_heads, n, 1) || over(bounds->own_bytes, own, head->n_bytes);
        if (mine || guests || over(bounds->all_bytes, db_cell_int(&result, 0, 3), head->n_bytes)) {
            status =
                mine ? store_fail(error, WI_ERR_LIMIT,
                                  "%lld heads of %lld bytes are kept for you already, and this one "
                                  "has %lld: "
                                  "delete some first",
                                  (long long)n, (long long)own, (long long)head->n_bytes)
                     : store_fail(error, WI_ERR_LIMIT, "this server keeps as many heads as it may");
        }
    }
    db_result_free(&result);
    return status;
}

wi_status store_head_put(store *st, const store_head *head, bool replace,
                         const store_bounds *bounds, wi_error *error)
{
    db_result result = {0};
    store_tx tx;
    const db_value values[] = {
        db_text(head->name),        db_text(head->model),
        db_text(head->fingerprint), db_text(head->kind),
        db_text(head->owner),       db_text(head->etag),
        db_int(head->n_labels),     db_int(head->n_bytes),
        db_int(head->created_ms),   db_text(head->visibility ? head->visibility : "shared"),
        db_int(head->expires_ms),   db_blob(head->bytes, (size_t)head->n_bytes),
    };
    wi_status status = store_tx_begin(st, true, &tx, error);
    if (status == WI_OK && bounds) {
        status = store_tx_lock(&tx, error);
        status = status ? status : check_room(&tx, head, bounds, error);
    }
    if (status == WI_OK) {
        status = store_tx_run(&tx, replace ? replace_sql : insert_sql, values, N_COLUMNS + 1,
                              &result, error);
    }
    if (status == WI_ERR_MISMATCH || (status == WI_OK && replace && result.n_rows == 0)) {
        status = store_fail(error, WI_ERR_MISMATCH, "there is a head '%.100s' already", head->name);
    }
    db_result_free(&result);
    return store_tx_end(&tx, status, error);
}

static wi_status take_head(const db_result *result, size_t row, store_head *out, wi_error *error)
{
    *out = (store_head){0};
    bool taken = store_take_text(result, row, 0, &out->name) &&
                 store_take_text(result, row, 1, &out->model) &&
                 store_take_text(result, row, 2, &out->fingerprint) &&
                 store_take_text(result, row, 3, &out->kind) &&
                 store_take_text(result, row, 4, &out->owner) &&
                 store_take_text(result, row, 5, &out->etag) &&
                 store_take_text(result, row, 9, &out->visibility);
    out->n_labels = db_cell_int(result, row, 6);
    out->n_bytes = db_cell_int(result, row, 7);
    out->created_ms = db_cell_int(result, row, 8);
    out->expires_ms = db_cell_int(result, row, 10);
    if (taken && result->n_columns > N_COLUMNS) {
        const db_value *bytes = db_cell(result, row, N_COLUMNS);
        out->bytes = malloc(bytes->n_bytes + 1);
        taken = out->bytes != NULL;
        if (taken) {
            memcpy(out->bytes, bytes->bytes, bytes->n_bytes);
            out->n_bytes = (int64_t)bytes->n_bytes;
        }
    }
    if (!taken) {
        store_head_free(out);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    return WI_OK;
}

static wi_status get_head(store *st, const char *sql, const char *name, store_head *out,
                          wi_error *error)
{
    db_result result = {0};
    db_value value = db_text(name);
    wi_status status = store_read(st, sql, &value, 1, &result, error);
    *out = (store_head){0};
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no head '%.100s'", name);
    } else if (status == WI_OK) {
        status = take_head(&result, 0, out, error);
    }
    db_result_free(&result);
    return status;
}

wi_status store_head_get(store *st, const char *name, store_head *out, wi_error *error)
{
    return get_head(st, "SELECT " COLUMNS ", bytes FROM heads WHERE name = $1", name, out, error);
}

wi_status store_head_find(store *st, const char *name, store_head *out, wi_error *error)
{
    return get_head(st, "SELECT " COLUMNS " FROM heads WHERE name = $1", name, out, error);
}

wi_status store_head_list(store *st, const char *owner, bool with_shared, const char *after,
                          size_t max, store_head **out, size_t *n, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(after), db_int(owner == NULL), db_text(owner ? owner : ""),
                               db_int(with_shared), db_int((int64_t)max)};
    wi_status status = store_read(
        st,
        "SELECT " COLUMNS " FROM heads WHERE name > $1 AND (CAST($2 AS BIGINT) = 1 OR owner = $3"
        " OR visibility = 'public' OR (visibility = 'shared' AND CAST($4 AS BIGINT) = 1))"
        " ORDER BY name LIMIT $5",
        values, 5, &result, error);
    *n = 0;
    *out = status == WI_OK ? calloc(result.n_rows + 1, sizeof **out) : NULL;
    if (status == WI_OK && !*out) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; status == WI_OK && i < result.n_rows; i++) {
        status = take_head(&result, i, &(*out)[i], error);
        *n += status == WI_OK;
    }
    if (status != WI_OK) {
        store_heads_free(out, *n);
        *n = 0;
    }
    db_result_free(&result);
    return status;
}

wi_status store_head_delete(store *st, const char *name, const char *owner, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(name), db_text(owner ? owner : ""), db_int(owner == NULL)};
    store_tx tx;
    wi_status status = store_tx_begin(st, true, &tx, error);
    if (status != WI_OK) {
        return status;
    }
    status = store_tx_run(&tx,
                          "DELETE FROM heads WHERE name = $1 AND (owner = $2 OR CAST($3 AS BIGINT) "
                          "= 1) RETURNING name",
                          values, 3, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        db_result_free(&result);
        status =
            store_tx_run(&tx, "SELECT name FROM heads WHERE name = $1", values, 1, &result, error);
        if (status == WI_OK) {
            status =
                result.n_rows
                    ? store_fail(error, WI_ERR_MISMATCH, "the head '%.100s' is not yours", name)
                    : store_fail(error, WI_ERR_NOT_FOUND, "there is no head '%.100s'", name);
        }
    }
    db_result_free(&result);
    return store_tx_end(&tx, status, error);
}

wi_status store_head_sweep(store *st, int64_t now_ms, wi_error *error)
{
    db_value value = db_int(now_ms);
    return store_write(st, false, "DELETE FROM heads WHERE expires_ms > 0 AND expires_ms < $1",
                       &value, 1, NULL, error);
}

void store_head_free(store_head *head)
{
    free(head->name);
    free(head->model);
    free(head->fingerprint);
    free(head->kind);
    free(head->owner);
    free(head->etag);
    free(head->visibility);
    free(head->bytes);
    *head = (store_head){0};
}

void store_heads_free(store_head **heads, size_t n)
{
    for (size_t i = 0; *heads && i < n; i++) {
        store_head_free(&(*heads)[i]);
    }
    free(*heads);
    *heads = NULL;
}
