/* Keys and who may ask. */
#include "access.h"
#include "router.h"
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ID_BYTES = 8, SECRET_BYTES = 24 };

static void hash_secret(const uint8_t salt[STORE_SALT_BYTES], const char *secret,
                        uint8_t out[STORE_HASH_BYTES])
{
    /* The secret is 192 random bits: a slow hash would protect nothing that a fast one does not. */
    crypto_generichash(out, STORE_HASH_BYTES, (const uint8_t *)secret, strlen(secret), salt,
                       STORE_SALT_BYTES);
}

wi_status srv_key_new(store_key *key, char text[SRV_KEY_TEXT_BYTES], wi_error *error)
{
    uint8_t id[ID_BYTES], secret[SECRET_BYTES];
    char id_text[2 * ID_BYTES + 1], secret_text[2 * SECRET_BYTES + 1];
    randombytes_buf(id, sizeof id);
    randombytes_buf(secret, sizeof secret);
    randombytes_buf(key->salt, sizeof key->salt);
    sodium_bin2hex(id_text, sizeof id_text, id, sizeof id);
    sodium_bin2hex(secret_text, sizeof secret_text, secret, sizeof secret);
    hash_secret(key->salt, secret_text, key->hash);
    snprintf(text, SRV_KEY_TEXT_BYTES, "wk_%s_%s", id_text, secret_text);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(secret_text, sizeof secret_text);
    key->id = strdup(id_text);
    return key->id ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
}

bool srv_key_id(const char *text, char *id, size_t n_id)
{
    const char *end = !strncmp(text, "wk_", 3) ? strchr(text + 3, '_') : NULL;
    size_t n = end ? (size_t)(end - text) - 3 : 0;
    if (n == 0 || n >= n_id) {
        return false;
    }
    memcpy(id, text + 3, n);
    id[n] = '\0';
    return true;
}

bool srv_key_matches(const store_key *key, const char *text)
{
    uint8_t hash[STORE_HASH_BYTES];
    const char *secret = strrchr(text, '_');
    hash_secret(key->salt, secret ? secret + 1 : "", hash);
    return sodium_memcmp(hash, key->hash, sizeof hash) == 0 && key->revoked_ms == 0;
}

/* Clients of other interfaces must send a key of some kind: what is not one of ours counts as none. */
static const char *key_text(const srv_request *request)
{
    const char *text = srv_pairs_get(&request->headers, "Authorization");
    if (text && !strncasecmp(text, "Bearer ", 7)) {
        text += 7 + strspn(text + 7, " ");
    } else {
        text = srv_pairs_get(&request->headers, "X-Api-Key");
    }
    return text && !strncmp(text, "wk_", 3) ? text : NULL;
}

/* A page of the web may make a browser send requests to this machine, under a name of its own. */
static bool is_own_name(const srv_config *config, const char *host)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]", "::1"};
    char name[256];
    if (!host) {
        return true;
    }
    snprintf(name, sizeof name, "%s", host);
    char *colon = strrchr(name, ':');
    if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1) && !strstr(name, "::1")) {
        *colon = '\0';
    } else if (name[0] == '[') {
        char *bracket = strchr(name, ']');
        if (bracket) {
            bracket[1] = '\0';
        }
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (!strcasecmp(name, own[i])) {
            return true;
        }
    }
    return (config->host && !strcasecmp(name, config->host)) || !strcmp(name, config->address);
}

static bool is_allowed_origin(const srv_request *request)
{
    const srv_config *config = &request->server->config;
    const char *origin = srv_pairs_get(&request->headers, "Origin");
    const char *host = srv_pairs_get(&request->headers, "Host");
    if (!origin) {
        return true;
    }
    for (size_t i = 0; i < config->n_origins; i++) {
        if (!strcmp(config->origins[i], origin) || !strcmp(config->origins[i], "*")) {
            return true;
        }
    }
    const char *name = strstr(origin, "://");
    return name && host && !strcasecmp(name + 3, host);
}

static bool may_be_anonymous(const srv_request *request, srv_response *response)
{
    const srv_server *server = request->server;
    bool local = request->is_local && !server->config.require_key;
    if (!server->config.anonymous && !local) {
        srv_error(request, response, 401, "no_key",
                  "a key is needed: send it as 'Authorization: Bearer KEY'");
        return false;
    }
    if (local && !server->config.anonymous &&
        (!is_own_name(&server->config, srv_pairs_get(&request->headers, "Host")) ||
         !is_allowed_origin(request))) {
        srv_error(request, response, 403, "foreign_page",
                  "a request without a key must come from this machine's own pages");
        return false;
    }
    return true;
}

bool srv_access_may_begin(const srv_request *request, srv_response *response)
{
    return request->route->flags & SRV_OPEN || key_text(request) ||
           may_be_anonymous(request, response);
}

/* Whoever has one IPv6 address has 2^64 of them: they share a bucket. */
static void bucket_of(const char *address, char name[64])
{
    struct in6_addr in6;
    snprintf(name, 64, "%s", address);
    if (inet_pton(AF_INET6, address, &in6) == 1 && !IN6_IS_ADDR_V4MAPPED(&in6)) {
        memset(in6.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &in6, name, 64);
    }
}

static bool allow_anonymous(srv_request *request, srv_response *response)
{
    srv_server *server = request->server;
    unsigned retry_s = 0;
    char text[24], name[64];
    if (!may_be_anonymous(request, response)) {
        return false;
    }
    bucket_of(request->address, name);
    if (!request->is_local && !srv_limits_take(server->limits, name, server->config.rate,
                                               server->config.burst, &retry_s)) {
        snprintf(text, sizeof text, "%u", retry_s);
        srv_header(response, "Retry-After", text);
        srv_error(request, response, 429, "too_fast", "too many requests from this address");
        return false;
    }
    return true;
}

/* Fills *key, which stays empty on failure. */
static bool find_key(const srv_request *request, srv_response *response, const char *text,
                     store_key *key)
{
    wi_error error = {0};
    char id[40];
    wi_status status = srv_key_id(text, id, sizeof id)
                           ? store_key_get(request->server->store, id, key, &error)
                           : WI_ERR_NOT_FOUND;
    if (status != WI_OK && status != WI_ERR_NOT_FOUND) {
        srv_error(request, response, 503, "database", "the database does not answer");
        return false;
    }
    if (status != WI_OK || !srv_key_matches(key, text)) {
        store_key_free(key);
        srv_error(request, response, 401, "bad_key", "this key is not known or was revoked");
        return false;
    }
    return true;
}

bool srv_access_has_key(const srv_request *request)
{
    return !(request->route->flags & SRV_OPEN) && key_text(request);
}

bool srv_access_may_send(const srv_request *request, srv_response *response)
{
    store_key key = {0};
    bool good = find_key(request, response, key_text(request), &key);
    store_key_free(&key);
    return good;
}

static void number_header(srv_response *response, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    srv_header(response, name, text);
}

static int64_t left_today(int64_t now_ms)
{
    return 86400 - now_ms / 1000 % 86400;
}

/* The day's quota, exact over all servers of the store. */
static bool take_quota(srv_request *request, srv_response *response)
{
    const store_plan *plan = &request->key.plan;
    wi_error error = {0};
    bool taken = false;
    store_usage used;
    int64_t now = store_now_ms();
    store_usage cost = {.day = store_day(now),
                        .requests = 1,
                        .heads = request->route->flags & SRV_MAKES_HEAD ? 1 : 0,
                        .bytes = (int64_t)request->n_body};
    if (store_usage_take(request->server->store, request->key.id, &cost, plan, &taken, &used,
                         &error) != WI_OK) {
        srv_error(request, response, 503, "database", "the database does not answer");
        return false;
    }
    if (plan->requests_a_day >= 0) {
        int64_t left = plan->requests_a_day - used.requests;
        number_header(response, "RateLimit-Limit", plan->requests_a_day);
        number_header(response, "RateLimit-Remaining", left > 0 ? left : 0);
        number_header(response, "RateLimit-Reset", left_today(now));
    }
    if (!taken) {
        const char *what =
            plan->requests_a_day >= 0 && used.requests >= plan->requests_a_day      ? "requests"
            : plan->heads_a_day >= 0 && used.heads + cost.heads > plan->heads_a_day ? "heads"
                                                                                    : "bytes";
        number_header(response, "Retry-After", left_today(now));
        srv_error(request, response, 429, "quota", "this key has used its %s for today", what);
    }
    return taken;
}

bool srv_access_begin(srv_request *request, srv_response *response)
{
    srv_server *server = request->server;
    const char *text = key_text(request);
    unsigned retry_s = 0;
    if (request->route->flags & SRV_OPEN) {
        return true;
    }
    if (!text) {
        return allow_anonymous(request, response);
    }
    if (!find_key(request, response, text, &request->key)) {
        return false;
    }
    const store_plan *plan = &request->key.plan;
    if (plan->rate_milli >= 0 &&
        !srv_limits_take(server->limits, request->key.id, (double)plan->rate_milli / 1e3,
                         (double)plan->burst, &retry_s)) {
        number_header(response, "Retry-After", retry_s);
        srv_error(request, response, 429, "too_fast", "this key asks faster than its plan allows");
        return false;
    }
    if (!srv_limits_enter(server->limits, request->key.id, plan->concurrency)) {
        srv_error(request, response, 429, "too_many_at_once",
                  "this key has as many requests under way as its plan allows");
        return false;
    }
    if (!take_quota(request, response)) {
        srv_limits_leave(server->limits, request->key.id);
        return false;
    }
    return true;
}

void srv_access_end(srv_request *request)
{
    if (request->key.id && !(request->route->flags & SRV_OPEN)) {
        srv_limits_leave(request->server->limits, request->key.id);
    }
}
