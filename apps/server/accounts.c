#include "accounts.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

void srv_plan_default(store_plan *plan)
{
    *plan = (store_plan){
        .requests_a_day = 10000,
        .heads_a_day = 100,
        .bytes_a_day = -1,
        .concurrency = 8,
        .rate_milli = -1,
        .burst = -1,
        .heads_kept = 1000,
        .bytes_kept = (int64_t)2048 << 20,
    };
}

void srv_plan_settle(store_plan *plan)
{
    if (plan->rate_milli >= 0 && plan->burst < 1) {
        plan->burst = plan->rate_milli < 250 ? 1 : plan->rate_milli / 250;
    }
}

json_t *srv_key_json(const store_key *key)
{
    const char *state = key->revoked_ms                                       ? "revoked"
                        : key->expires_ms && key->expires_ms < store_now_ms() ? "over"
                                                                              : "good";
    return json_pack(
        "{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:s}", "id", key->id, "name",
        key->name, "state", state, "requests_a_day", (json_int_t)key->plan.requests_a_day,
        "heads_a_day", (json_int_t)key->plan.heads_a_day, "bytes_a_day",
        (json_int_t)key->plan.bytes_a_day, "concurrency", (json_int_t)key->plan.concurrency,
        "rate_milli", (json_int_t)key->plan.rate_milli, "burst", (json_int_t)key->plan.burst,
        "heads_kept", (json_int_t)key->plan.heads_kept, "bytes_kept",
        (json_int_t)key->plan.bytes_kept, "created_ms", (json_int_t)key->created_ms, "expires_ms",
        (json_int_t)key->expires_ms, "read_only", key->read_only, "only_heads",
        key->only_heads ? key->only_heads : "");
}

json_t *srv_key_secret_json(const store_key *key, const char *text)
{
    return json_pack("{s:s,s:s,s:s}", "id", key->id, "name", key->name, "key", text);
}

wi_status srv_key_make(store *st, store_key *key, char text[SRV_KEY_TEXT_BYTES], wi_error *error)
{
    wi_status status = srv_key_new(key, text, error);
    key->created_ms = store_now_ms();
    return status == WI_OK ? store_key_put(st, key, error) : status;
}

wi_status srv_key_rotate(store *st, store_key *key, int64_t grace_ms, char text[SRV_KEY_TEXT_BYTES],
                         wi_error *error)
{
    memcpy(key->old_salt, key->salt, sizeof key->salt);
    memcpy(key->old_hash, key->hash, sizeof key->hash);
    key->old_until_ms = grace_ms > 0 ? store_now_ms() + grace_ms : 1;
    wi_status status = srv_key_new(key, text, error);
    return status == WI_OK ? store_key_change(st, key, error) : status;
}

static wi_status visit_key(store *st, const store_key *key, size_t n_days, srv_usage_visitor *visit,
                           void *context, wi_error *error)
{
    size_t n = 0;
    store_usage *days = calloc(n_days, sizeof *days);
    wi_status status = days ? store_usage_get(st, key->id, n_days, days, &n, error)
                            : store_fail(error, WI_ERR_NOMEM, "out of memory");
    const int64_t first = store_day(store_now_ms()) - (int64_t)n_days;
    for (size_t i = 0; status == WI_OK && i < n && days[i].day > first; i++) {
        visit(context, key, &days[i]);
    }
    free(days);
    return status;
}

wi_status srv_usage_visit(store *st, const char *only, size_t n_days, srv_usage_visitor *visit,
                          void *context, wi_error *error)
{
    store_key *keys = NULL;
    size_t n = 0;
    wi_status status = store_key_list(st, &keys, &n, error);
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        if (!only || !strcmp(keys[i].id, only)) {
            status = visit_key(st, &keys[i], n_days, visit, context, error);
        }
    }
    store_keys_free(&keys, n);
    return status;
}

void srv_day_text(int64_t day, char text[16])
{
    time_t when = (time_t)day * 86400;
    struct tm date;
    gmtime_r(&when, &date);
    strftime(text, 16, "%Y-%m-%d", &date);
}

json_t *srv_usage_json(const store_key *key, const store_usage *day, bool named)
{
    char date[16];
    srv_day_text(day->day, date);
    json_t *line = json_pack("{s:s,s:s,s:I,s:I,s:I}", "day", date, "key", key->id, "requests",
                             (json_int_t)day->requests, "heads", (json_int_t)day->heads, "bytes",
                             (json_int_t)day->bytes);
    if (named) {
        json_object_set_new(line, "name", json_string(key->name));
    }
    return line;
}

void srv_usage_csv(FILE *out, const store_key *key, const store_usage *day)
{
    char date[16];
    srv_day_text(day->day, date);
    fprintf(out, "%s,%s,\"", date, key->id);
    for (const char *c = key->name; *c; c++) {
        fputs(*c == '"' ? "\"\"" : (const char[]){*c, '\0'}, out);
    }
    fprintf(out, "\",%lld,%lld,%lld\n", (long long)day->requests, (long long)day->heads,
            (long long)day->bytes);
}
