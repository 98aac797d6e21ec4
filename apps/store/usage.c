#include "store.h"
#include "tx.h"

int64_t store_day(int64_t now_ms)
{
    return now_ms / 86400000;
}

static bool over(int64_t limit, int64_t cost)
{
    return limit >= 0 && cost > limit;
}

static const char take_sql[] =
    "INSERT INTO usage (key_id, day, requests, heads, bytes) VALUES ($1,$2,$3,$4,$5)"
    " ON CONFLICT (key_id, day) DO UPDATE SET requests = usage.requests + excluded.requests,"
    " heads = usage.heads + excluded.heads, bytes = usage.bytes + excluded.bytes WHERE"
    " usage.requests + excluded.requests <= CAST($6 AS BIGINT)"
    " AND usage.heads + excluded.heads <= CAST($7 AS BIGINT)"
    " AND usage.bytes + excluded.bytes <= CAST($8 AS BIGINT) RETURNING requests, heads, bytes";

static int64_t bound(int64_t limit)
{
    return limit < 0 ? INT64_MAX : limit;
}

wi_status store_usage_take(store *st, const char *key, const store_usage *cost,
                           const store_plan *plan, bool *taken, store_usage *now, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {
        db_text(key),
        db_int(cost->day),
        db_int(cost->requests),
        db_int(cost->heads),
        db_int(cost->bytes),
        db_int(bound(plan->requests_a_day)),
        db_int(bound(plan->heads_a_day)),
        db_int(bound(plan->bytes_a_day)),
    };
    /* The first request of a day inserts, where the statement compares nothing. */
    bool fits = !over(plan->requests_a_day, cost->requests) &&
                !over(plan->heads_a_day, cost->heads) && !over(plan->bytes_a_day, cost->bytes);
    wi_status status = fits ? store_write(st, false, take_sql, values, 8, &result, error) : WI_OK;
    *taken = status == WI_OK && result.n_rows == 1;
    *now = (store_usage){.day = cost->day};
    if (status == WI_OK && !*taken) {
        db_result_free(&result);
        status = store_read(
            st, "SELECT requests, heads, bytes FROM usage WHERE key_id = $1 AND day = $2", values,
            2, &result, error);
    }
    if (status == WI_OK && result.n_rows > 0) {
        now->requests = db_cell_int(&result, 0, 0);
        now->heads = db_cell_int(&result, 0, 1);
        now->bytes = db_cell_int(&result, 0, 2);
    }
    db_result_free(&result);
    return status;
}

wi_status store_usage_get(store *st, const char *key, size_t max, store_usage *out, size_t *n,
                          wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(key), db_int((int64_t)max)};
    wi_status status = store_read(st,
                                  "SELECT day, requests, heads, bytes FROM usage WHERE key_id = $1"
                                  " ORDER BY day DESC LIMIT $2",
                                  values, 2, &result, error);
    *n = status == WI_OK ? result.n_rows : 0;
    for (size_t i = 0; i < *n; i++) {
        out[i] = (store_usage){db_cell_int(&result, i, 0), db_cell_int(&result, i, 1),
                               db_cell_int(&result, i, 2), db_cell_int(&result, i, 3)};
    }
    db_result_free(&result);
    return status;
}
