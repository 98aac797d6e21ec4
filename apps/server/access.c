#include "access.h"
#include "clock.h"
#include "forwarded.h"
#include "keys.h"
#include "limits.h"
#include "route.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { N_GOOD = 4096, GOOD_FOR_MS = 600000 };

struct srv_access {
    const srv_config *config;
    store *st;
    srv_limits *limits;
    srv_net allowed[SRV_MAX_NETS];
    size_t n_allowed;
    uint8_t secret[32]; /* by which addresses become owners */
    pthread_mutex_t mutex;
    struct {
        uint64_t key; /* its number, whole */
        double at_ms;
    } good[N_GOOD]; /* keys that were good a while ago */
};

wi_status srv_access_open(const srv_config *config, store *st, srv_access **out, wi_error *error)
{
    srv_access *access = calloc(1, sizeof *access);
    if (!access) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_mutex_init(&access->mutex, NULL);
    wi_status status = srv_limits_open(&access->limits, error);
    status =
        status ? status
               : srv_nets_read("allow", config->allowed, config->n_allowed, access->allowed, error);
    access->n_allowed = config->n_allowed;
    status = status ? status : store_secret(st, "addresses", access->secret, error);
    if (status != WI_OK) {
        srv_access_close(&access);
        return status;
    }
    access->config = config;
    access->st = st;
    *out = access;
    return WI_OK;
}

void srv_access_close(srv_access **access)
{
    if (*access) {
        srv_limits_close(&(*access)->limits);
        pthread_mutex_destroy(&(*access)->mutex);
    }
    free(*access);
    *access = NULL;
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

/* An address as it is written, such as "192.168.1.5:8080" or "[fe80::1]": no page of the web can have it for a name. */
static bool is_address(const char *host)
{
    char name[80];
    uint8_t bytes[16];
    const bool v6 = host[0] == '[';
    const size_t n = v6 ? strcspn(host, "]") : strcspn(host, ":");
    if (n == 0 || n >= sizeof name) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(n - v6), host + v6);
    return inet_pton(v6 ? AF_INET6 : AF_INET, name, bytes) == 1;
}

static bool is_allowed_origin(const srv_config *config, const srv_request *request)
{
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

static bool may_be_anonymous(const srv_access *access, const srv_request *request,
                             srv_response *response)
{
    const srv_config *config = access->config;
    bool local = request->is_local && !config->require_key;
    if (!config->anonymous && !local && !request->is_allowed) {
        srv_error(request, response, 401, "no_key",
                  "a key is needed: send it as 'Authorization: Bearer KEY'");
        return false;
    }
    if (local && !config->anonymous &&
        (!is_own_name(config, srv_pairs_get(&request->headers, "Host")) ||
         !is_allowed_origin(config, request))) {
        srv_error(request, response, 403, "foreign_page",
                  "a request without a key must come from this machine's own pages");
        return false;
    }
    return true;
}

bool srv_access_may_begin(srv_access *access, const srv_request *request, srv_response *response)
{
    return request->route->flags & SRV_OPEN || key_text(request) ||
           may_be_anonymous(access, request, response);
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

/* Heads of addresses belong to a keyed hash of them: the database holds nobody's address. */
static void own(const srv_access *access, const char *bucket, char owner[40])
{
    uint8_t hash[16];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)bucket, strlen(bucket), access->secret,
                       sizeof access->secret);
    owner[0] = '~';
    sodium_bin2hex(owner + 1, 39, hash, sizeof hash);
}

void srv_access_name(srv_access *access, srv_request *request)
{
    char name[80], id[40], address[64];
    struct in6_addr bytes;
    const char *text = key_text(request);
    request->is_allowed = access->n_allowed > 0 && srv_address_read(request->address, &bytes) &&
                          srv_net_has(access->allowed, access->n_allowed, &bytes);
    bucket_of(request->address, address);
    if (!request->is_local) {
        own(access, address, request->owner);
    }
    if (text && srv_key_id(text, id, sizeof id)) {
        snprintf(name, sizeof name, "key %s", id);
    } else {
        snprintf(name, sizeof name, request->is_local ? "here" : "from %s", address);
    }
    request->asker.client = srv_client_of(name);
    request->asker.is_guest = !request->is_local && !request->is_allowed && name[0] != 'k';
}

static bool allow_anonymous(srv_access *access, srv_request *request, srv_response *response)
{
    const srv_config *config = access->config;
    unsigned retry_s = 0;
    char text[24], name[64];
    if (!may_be_anonymous(access, request, response)) {
        return false;
    }
    bucket_of(request->address, name);
    if (!request->is_local && !request->is_allowed &&
        !srv_limits_take(access->limits, name, config->rate, config->burst, &retry_s)) {
        snprintf(text, sizeof text, "%u", retry_s);
        srv_header(response, "Retry-After", text);
        srv_error(request, response, 429, "too_fast", "too many requests from this address");
        return false;
    }
    return true;
}

/* Wrong keys are guesses: each address has few of them. */
enum { WRONG_KEYS_A_MINUTE = 30, WRONG_KEYS_AT_ONCE = 60 };

static bool too_many_wrong(srv_access *access, const srv_request *request, bool one_more,
                           srv_response *response)
{
    char name[80], address[64];
    unsigned retry_s = 0;
    bucket_of(request->address, address);
    snprintf(name, sizeof name, "wrong %s", address);
    bool fits = one_more ? srv_limits_take(access->limits, name, WRONG_KEYS_A_MINUTE / 60.0,
                                           WRONG_KEYS_AT_ONCE, &retry_s)
                         : srv_limits_has(access->limits, name, WRONG_KEYS_A_MINUTE / 60.0,
                                          WRONG_KEYS_AT_ONCE, &retry_s);
    if (!fits && !one_more) {
        char text[24];
        snprintf(text, sizeof text, "%u", retry_s);
        srv_header(response, "Retry-After", text);
        srv_error(request, response, 429, "wrong_keys", "too many wrong keys from this address");
    }
    return !fits;
}

/* Whoever shares an address with one who guesses goes on with a key that has worked. */
static bool was_good(srv_access *access, uint64_t number)
{
    pthread_mutex_lock(&access->mutex);
    bool good = access->good[number % N_GOOD].key == number &&
                srv_clock_ms() - access->good[number % N_GOOD].at_ms < GOOD_FOR_MS;
    pthread_mutex_unlock(&access->mutex);
    return good;
}

/* Fills *key, which stays empty on failure. */
static bool find_key(srv_access *access, const srv_request *request, srv_response *response,
                     const char *text, store_key *key)
{
    wi_error error = {0};
    char id[40];
    uint64_t number = srv_client_of(text);
    if (!was_good(access, number) && too_many_wrong(access, request, false, response)) {
        return false;
    }
    wi_status status = srv_key_id(text, id, sizeof id) ? store_key_get(access->st, id, key, &error)
                                                       : WI_ERR_NOT_FOUND;
    if (status != WI_OK && status != WI_ERR_NOT_FOUND) {
        srv_error_of(request, response, &error);
        return false;
    }
    /* A key that is not there is compared as well: how long it takes does not tell which identifiers exist. */
    if (!srv_key_matches(key, text, store_now_ms())) {
        store_key_free(key);
        too_many_wrong(access, request, true, response);
        srv_error(request, response, 401, "bad_key",
                  "this key is not known, is over or was revoked");
        return false;
    }
    pthread_mutex_lock(&access->mutex);
    access->good[number % N_GOOD].key = number;
    access->good[number % N_GOOD].at_ms = srv_clock_ms();
    pthread_mutex_unlock(&access->mutex);
    return true;
}

bool srv_access_has_key(const srv_request *request)
{
    return !(request->route->flags & SRV_OPEN) && key_text(request);
}

bool srv_access_may_send(srv_access *access, const srv_request *request, srv_response *response)
{
    store_key key = {0};
    bool good = find_key(access, request, response, key_text(request), &key);
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
static bool take_quota(srv_access *access, srv_request *request, srv_response *response)
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
    if (store_usage_take(access->st, request->key.id, &cost, plan, &taken, &used, &error) !=
        WI_OK) {
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

bool srv_access_begin(srv_access *access, srv_request *request, srv_response *response)
{
    const char *text = key_text(request);
    unsigned retry_s = 0;
    if (request->route->flags & SRV_OPEN) {
        return true;
    }
    if (!text) {
        return allow_anonymous(access, request, response);
    }
    if (!find_key(access, request, response, text, &request->key)) {
        return false;
    }
    const store_plan *plan = &request->key.plan;
    if (request->key.read_only && request->route->flags & SRV_CHANGES) {
        srv_error(request, response, 403, "read_only", "this key may look, and change nothing");
        return false;
    }
    if (plan->rate_milli >= 0 &&
        !srv_limits_take(access->limits, request->key.id, (double)plan->rate_milli / 1e3,
                         (double)plan->burst, &retry_s)) {
        number_header(response, "Retry-After", retry_s);
        srv_error(request, response, 429, "too_fast", "this key asks faster than its plan allows");
        return false;
    }
    if (!srv_limits_enter(access->limits, request->key.id, plan->concurrency)) {
        srv_error(request, response, 429, "too_many_at_once",
                  "this key has as many requests under way as its plan allows");
        return false;
    }
    if (!take_quota(access, request, response)) {
        srv_limits_leave(access->limits, request->key.id);
        return false;
    }
    return true;
}

bool srv_access_may_see_own(const srv_access *access, const srv_request *request,
                            srv_response *response)
{
    const srv_config *config = access->config;
    const char *host = srv_pairs_get(&request->headers, "Host");
    if (request->key.id) {
        const bool limited = request->key.only_heads && request->key.only_heads[0];
        if (limited) {
            srv_error(
                request, response, 403, "limited_key",
                "this key is for some heads only, and does not see the photos of this server");
        }
        return !limited;
    }
    if (!(request->is_local && !config->require_key) && !request->is_allowed) {
        srv_error(request, response, 401, "no_key",
                  "a key is needed for the photos of this server: send it as 'Authorization: "
                  "Bearer KEY'");
        return false;
    }
    if (!(is_own_name(config, host) || is_address(host)) || !is_allowed_origin(config, request)) {
        srv_error(request, response, 403, "foreign_page",
                  "without a key, photos are shown to this server's own pages alone; a name of it "
                  "is given with --host");
        return false;
    }
    return true;
}

void srv_access_end(srv_access *access, srv_request *request)
{
    if (request->key.id && !(request->route->flags & SRV_OPEN)) {
        srv_limits_leave(access->limits, request->key.id);
    }
}
