#include "store.h"
#include "tx.h"
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "id, name, salt, hash, requests_a_day, heads_a_day, bytes_a_day, concurrency, rate_milli,"     \
    " burst, created_ms, revoked_ms"

wi_status store_key_put(store *st, const store_key *key, wi_error *error)
{
    const db_value values[] = {
        db_text(key->id),
        db_text(key->name),
        db_blob(key->salt, sizeof key->salt),
        db_blob(key->hash, sizeof key->hash),
        db_int(key->plan.requests_a_day),
        db_int(key->plan.heads_a_day),
        db_int(key->plan.bytes_a_day),
        db_int(key->plan.concurrency),
        db_int(key->plan.rate_milli),
        db_int(key->plan.burst),
        db_int(key->created_ms),
        db_int(key->revoked_ms),
    };
    return store_write(
        st, true, "INSERT INTO keys (" COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)",
        values, 12, NULL, error);
}

static bool take_bytes(const db_value *value, uint8_t *out, size_t n)
{
    bool fits = value->n_bytes == n;
    if (fits) {
        memcpy(out, value->bytes, n);
    }
    return fits;
}

static wi_status take_key(const db_result *result, size_t row, store_key *out, wi_error *error)
{
    *out = (store_key){0};
    if (!store_take_text(result, row, 0, &out->id) ||
        !store_take_text(result, row, 1, &out->name)) {
        store_key_free(out);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (!take_bytes(db_cell(result, row, 2), out->salt, sizeof out->salt) ||
        !take_bytes(db_cell(result, row, 3), out->hash, sizeof out->hash)) {
        store_key_free(out);
        return store_fail(error, WI_ERR_FORMAT,
                          "database: a key's salt or hash has a wrong length");
    }
    out->plan = (store_plan){
        .requests_a_day = db_cell_int(result, row, 4),
        .heads_a_day = db_cell_int(result, row, 5),
        .bytes_a_day = db_cell_int(result, row, 6),
        .concurrency = db_cell_int(result, row, 7),
        .rate_milli = db_cell_int(result, row, 8),
        .burst = db_cell_int(result, row, 9),
    };
    out->created_ms = db_cell_int(result, row, 10);
    out->revoked_ms = db_cell_int(result, row, 11);
    return WI_OK;
}

wi_status store_key_get(store *st, const char *id, store_key *out, wi_error *error)
{
    db_result result = {0};
    db_value value = db_text(id);
    *out = (store_key){0};
    wi_status status =
        store_read(st, "SELECT " COLUMNS " FROM keys WHERE id = $1", &value, 1, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no key '%.100s'", id);
    } else if (status == WI_OK) {
        status = take_key(&result, 0, out, error);
    }
    db_result_free(&result);
    return status;
}

wi_status store_key_list(store *st, store_key **out, size_t *n, wi_error *error)
{
    db_result result = {0};
    wi_status status = store_read(st, "SELECT " COLUMNS " FROM keys ORDER BY created_ms, id", NULL,
                                  0, &result, error);
    *n = 0;
    *out = status == WI_OK ? calloc(result.n_rows + 1, sizeof **out) : NULL;
    if (status == WI_OK && !*out) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; status == WI_OK && i < result.n_rows; i++) {
        status = take_key(&result, i, &(*out)[i], error);
        *n += status == WI_OK;
    }
    if (status != WI_OK) {
        store_keys_free(out, *n);
        *n = 0;
    }
    db_result_free(&result);
    return status;
}

wi_status store_key_revoke(store *st, const char *id, int64_t now_ms, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(now_ms), db_text(id)};
    wi_status status = store_write(
        st, true, "UPDATE keys SET revoked_ms = $1 WHERE id = $2 AND revoked_ms = 0 RETURNING id",
        values, 2, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no good key '%.100s'", id);
    }
    db_result_free(&result);
    return status;
}

void store_key_free(store_key *key)
{
    free(key->id);
    free(key->name);
    *key = (store_key){0};
}

void store_keys_free(store_key **keys, size_t n)
{
    for (size_t i = 0; *keys && i < n; i++) {
        store_key_free(&(*keys)[i]);
    }
    free(*keys);
    *keys = NULL;
}
