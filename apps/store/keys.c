#include "store.h"
#include "tx.h"
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "id, name, salt, hash, requests_a_day, heads_a_day, bytes_a_day, concurrency, rate_milli,"     \
    " burst, created_ms, revoked_ms, heads_kept, bytes_kept, expires_ms, read_only, only_heads, "  \
    "old_salt, old_hash, old_until_ms"

enum { N_VALUES = 20 };

static void fill_values(const store_key *key, db_value values[N_VALUES])
{
    const store_plan *plan = &key->plan;
    bool old = key->old_until_ms != 0;
    const db_value all[N_VALUES] = {
        db_text(key->id),
        db_text(key->name),
        db_blob(key->salt, sizeof key->salt),
        db_blob(key->hash, sizeof key->hash),
        db_int(plan->requests_a_day),
        db_int(plan->heads_a_day),
        db_int(plan->bytes_a_day),
        db_int(plan->concurrency),
        db_int(plan->rate_milli),
        db_int(plan->burst),
        db_int(key->created_ms),
        db_int(key->revoked_ms),
        db_int(plan->heads_kept),
        db_int(plan->bytes_kept),
        db_int(key->expires_ms),
        db_int(key->read_only),
        db_text(key->only_heads ? key->only_heads : ""),
        old ? db_blob(key->old_salt, sizeof key->old_salt) : db_text(NULL),
        old ? db_blob(key->old_hash, sizeof key->old_hash) : db_text(NULL),
        db_int(key->old_until_ms),
    };
    memcpy(values, all, sizeof all);
}

wi_status store_key_put(store *st, const store_key *key, wi_error *error)
{
    db_value values[N_VALUES];
    fill_values(key, values);
    return store_write(st, true,
                       "INSERT INTO keys (" COLUMNS ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,"
                       "$12,$13,$14,$15,$16,$17,$18,$19,$20)",
                       values, N_VALUES, NULL, error);
}

wi_status store_key_change(store *st, const store_key *key, wi_error *error)
{
    db_result result = {0};
    db_value all[N_VALUES], values[N_VALUES - 2];
    fill_values(key, all);
    memcpy(values, all + 2, 8 * sizeof *values);                    /* salt to burst */
    memcpy(values + 8, all + 11, (N_VALUES - 11) * sizeof *values); /* revoked_ms to the end */
    values[N_VALUES - 3] = all[0];
    wi_status status = store_write(
        st, true,
        "UPDATE keys SET salt = $1, hash = $2, requests_a_day = $3, heads_a_day = $4,"
        " bytes_a_day = $5, concurrency = $6, rate_milli = $7, burst = $8, revoked_ms = $9,"
        " heads_kept = $10, bytes_kept = $11, expires_ms = $12, read_only = $13,"
        " only_heads = $14, old_salt = $15, old_hash = $16, old_until_ms = $17"
        " WHERE id = $18 RETURNING id",
        values, N_VALUES - 2, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no key '%.100s'", key->id);
    }
    db_result_free(&result);
    return status;
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
        .heads_kept = db_cell_int(result, row, 12),
        .bytes_kept = db_cell_int(result, row, 13),
    };
    out->created_ms = db_cell_int(result, row, 10);
    out->revoked_ms = db_cell_int(result, row, 11);
    out->expires_ms = db_cell_int(result, row, 14);
    out->read_only = db_cell_int(result, row, 15) != 0;
    if (!store_take_text(result, row, 16, &out->only_heads)) {
        store_key_free(out);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (take_bytes(db_cell(result, row, 17), out->old_salt, sizeof out->old_salt) &&
        take_bytes(db_cell(result, row, 18), out->old_hash, sizeof out->old_hash)) {
        out->old_until_ms = db_cell_int(result, row, 19);
    }
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
    free(key->only_heads);
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
