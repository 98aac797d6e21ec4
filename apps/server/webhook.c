#include "webhook.h"
#include "../store/store.h"
#include "clock.h"
#include "forwarded.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_WAITING = 256, MAX_TRIES = 3, TIMEOUT_S = 10, LOOK_MS = 200, MAX_URL = 2000 };
/* After each try that failed. */
static const double pauses_ms[MAX_TRIES] = {5e3, 30e3, 0};

/* Addresses that no name from the world's may lead to: this machine, its neighbours, and those of special use
 * (RFC 6890), also as IPv6 writes them. */
static const char *const not_public[] = {
    "0.0.0.0/8",       "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12",   "192.0.0.0/24",   "192.0.2.0/24",  "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",   "240.0.0.0/4",    "::/128",
    "::1/128",         "64:ff9b::/32",   "100::/64",      "2001::/23",      "2001:db8::/32",
    "2002::/16",       "fc00::/7",       "fe80::/10",     "ff00::/8"};
enum { N_NOT_PUBLIC = sizeof not_public / sizeof not_public[0] };

typedef struct origin {
    char *scheme, *host, *port;
    bool is_address; /* named as such: it may be anywhere */
} origin;

typedef struct letter {
    struct letter *next;
    char *url, *body;
    char secret[SRV_WEBHOOK_SECRET_BYTES];
    unsigned n_tries;
    double due_ms;
} letter;

struct srv_webhook {
    srv_log *log;
    uint8_t secret[32];
    origin origins[SRV_MAX_ORIGINS];
    size_t n_origins;
    srv_net nets[N_NOT_PUBLIC];
    pthread_t thread;
    bool has_thread, stop;
    pthread_mutex_t mutex;
    letter *waiting;
    size_t n_waiting;
};

/* ---- origins ---- */

static void free_origin(origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
    *o = (origin){0};
}

/* What is before the path. False: not an address of the web, or one with a user in it. */
static bool read_origin(const char *url, bool alone, origin *out)
{
    char *user = NULL, *path = NULL, *query = NULL;
    struct in6_addr address;
    CURLU *parts = curl_url();
    *out = (origin){0};
    bool good = parts && strlen(url) <= MAX_URL &&
                curl_url_set(parts, CURLUPART_URL, url, 0) == 0 &&
                curl_url_get(parts, CURLUPART_SCHEME, &out->scheme, 0) == 0 &&
                curl_url_get(parts, CURLUPART_HOST, &out->host, 0) == 0 &&
                curl_url_get(parts, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT) == 0 &&
                (!strcmp(out->scheme, "http") || !strcmp(out->scheme, "https")) &&
                curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;
    if (good && alone) {
        good = curl_url_get(parts, CURLUPART_PATH, &path, 0) == 0 && !strcmp(path, "/") &&
               curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_NO_QUERY;
    }
    if (good) {
        char bare[64];
        snprintf(bare, sizeof bare, "%s", out->host + (out->host[0] == '['));
        bare[strcspn(bare, "]")] = '\0';
        out->is_address = srv_address_read(bare, &address) || !strcasecmp(out->host, "localhost");
    } else {
        free_origin(out);
    }
    curl_free(user);
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(parts);
    return good;
}

static const origin *find(const srv_webhook *hook, const char *url)
{
    origin asked;
    const origin *found = NULL;
    if (!read_origin(url, false, &asked)) {
        return NULL;
    }
    for (size_t i = 0; i < hook->n_origins && !found; i++) {
        const origin *o = &hook->origins[i];
        if (!strcmp(o->scheme, asked.scheme) && !strcasecmp(o->host, asked.host) &&
            !strcmp(o->port, asked.port)) {
            found = o;
        }
    }
    free_origin(&asked);
    return found;
}

bool srv_webhook_allows(const srv_webhook *hook, const char *url)
{
    return find(hook, url) != NULL;
}

void srv_webhook_secret(const srv_webhook *hook, const char *owner,
                        char text[SRV_WEBHOOK_SECRET_BYTES])
{
    uint8_t bytes[32];
    crypto_generichash(bytes, sizeof bytes, (const uint8_t *)owner, strlen(owner), hook->secret,
                       sizeof hook->secret);
    sodium_bin2hex(text, SRV_WEBHOOK_SECRET_BYTES, bytes, sizeof bytes);
}

/* ---- sending ---- */

typedef struct call {
    const srv_webhook *hook;
    bool anywhere, refused;
} call;

/* Where a name leads to is known here, and nowhere before: names can lead to another place each time they are asked. */
static curl_socket_t open_socket(void *context, curlsocktype kind, struct curl_sockaddr *address)
{
    call *c = context;
    struct in6_addr to;
    (void)kind;
    if (!c->anywhere &&
        (!srv_address_of(&address->addr, &to) || srv_net_has(c->hook->nets, N_NOT_PUBLIC, &to))) {
        c->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t drop(char *bytes, size_t size, size_t n, void *context)
{
    size_t *left = context;
    (void)bytes;
    if (size * n > *left) {
        return 0;
    }
    *left -= size * n;
    return size * n;
}

/* "t=MILLISECONDS,v1=HEX": HMAC-SHA256 with the owner's secret, as the text it is, of "MILLISECONDS.BODY". */
static void sign(const letter *l, char *out, size_t n_out)
{
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char hex[2 * sizeof mac + 1], time[32];
    snprintf(time, sizeof time, "%lld", (long long)store_now_ms());
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)l->secret, strlen(l->secret));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)time, strlen(time));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)".", 1);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)l->body, strlen(l->body));
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    snprintf(out, n_out, "X-Whatsit-Signature: t=%s,v1=%s", time, hex);
}

/* NULL: it was taken. */
static const char *deliver(const srv_webhook *hook, const letter *l)
{
    char signature[160];
    size_t left = 64 << 10;
    long status = 0;
    const origin *to = find(hook, l->url);
    call c = {.hook = hook, .anywhere = to && to->is_address};
    CURL *curl = to ? curl_easy_init() : NULL;
    if (!curl) {
        return "not allowed";
    }
    sign(l, signature, sizeof signature);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, signature);
    curl_easy_setopt(curl, CURLOPT_URL, l->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, l->body);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "whatsit");
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &c);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &left);
    CURLcode done = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return c.refused           ? "a name leads to an address that is not public"
           : done != CURLE_OK  ? curl_easy_strerror(done)
           : status / 100 == 2 ? NULL
                               : "no answer with 2xx";
}

static void free_letter(letter *l)
{
    free(l->url);
    free(l->body);
    free(l);
}

/* One whose time has come; it no longer waits. */
static letter *take(srv_webhook *hook, bool *stop)
{
    double now = srv_clock_ms();
    pthread_mutex_lock(&hook->mutex);
    letter **at = &hook->waiting;
    while (*at && (*at)->due_ms > now) {
        at = &(*at)->next;
    }
    letter *l = *at;
    if (l) {
        *at = l->next;
        hook->n_waiting--;
    }
    *stop = hook->stop;
    pthread_mutex_unlock(&hook->mutex);
    return l;
}

static void put(srv_webhook *hook, letter *l)
{
    pthread_mutex_lock(&hook->mutex);
    bool fits = hook->n_waiting < MAX_WAITING;
    if (fits) {
        letter **end = &hook->waiting;
        while (*end) {
            end = &(*end)->next;
        }
        l->next = NULL;
        *end = l;
        hook->n_waiting++;
    }
    pthread_mutex_unlock(&hook->mutex);
    if (!fits) {
        srv_log_say(hook->log, SRV_LOG_WARN, "webhook", "too many wait: %.200s is not told",
                    l->url);
        free_letter(l);
    }
}

static void *run(void *context)
{
    srv_webhook *hook = context;
    for (bool stop = false; !stop;) {
        letter *l = take(hook, &stop);
        if (!l || stop) {
            if (l) {
                free_letter(l);
            }
            usleep(LOOK_MS * 1000);
            continue;
        }
        const char *why = deliver(hook, l);
        if (why) {
            /* of one subject the log says something once in a while */
            srv_log_say(hook->log, SRV_LOG_WARN, why, "webhook %.200s (try %u of %d)", l->url,
                        l->n_tries + 1, MAX_TRIES);
        }
        l->due_ms = srv_clock_ms() + pauses_ms[l->n_tries++];
        if (!why || l->n_tries == MAX_TRIES) {
            free_letter(l);
        } else {
            put(hook, l);
        }
    }
    return NULL;
}

void srv_webhook_send(srv_webhook *hook, const char *url, const char *owner, const json_t *body)
{
    letter *l = calloc(1, sizeof *l);
    if (!l) {
        return;
    }
    l->url = strdup(url);
    l->body = json_dumps(body, JSON_COMPACT);
    srv_webhook_secret(hook, owner, l->secret);
    if (l->url && l->body) {
        put(hook, l);
    } else {
        free_letter(l);
    }
}

/* ---- opening ---- */

wi_status srv_webhook_open(const srv_config *config, const uint8_t *secret, srv_log *log,
                           srv_webhook **out, wi_error *error)
{
    srv_webhook *hook = calloc(1, sizeof *hook);
    wi_status status = hook ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < config->n_webhooks && status == WI_OK; i++) {
        if (read_origin(config->webhooks[i], true, &hook->origins[i])) {
            hook->n_origins++;
        } else {
            status = store_fail(error, WI_ERR_ARG,
                                "--webhook is an origin such as https://example.org, not '%.80s'",
                                config->webhooks[i]);
        }
    }
    for (size_t i = 0; i < N_NOT_PUBLIC && status == WI_OK; i++) {
        if (!srv_net_read(not_public[i], &hook->nets[i])) {
            status = store_fail(error, WI_ERR_INTERNAL, "%s", not_public[i]);
        }
    }
    if (status == WI_OK) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        hook->log = log;
        memcpy(hook->secret, secret, sizeof hook->secret);
        pthread_mutex_init(&hook->mutex, NULL);
        hook->has_thread =
            config->n_webhooks == 0 || pthread_create(&hook->thread, NULL, run, hook) == 0;
        status =
            hook->has_thread ? WI_OK : store_fail(error, WI_ERR_NOMEM, "cannot start a thread");
        hook->has_thread = hook->has_thread && config->n_webhooks > 0;
    }
    if (status != WI_OK) {
        srv_webhook_close(&hook);
        return status;
    }
    *out = hook;
    return WI_OK;
}

void srv_webhook_close(srv_webhook **hook)
{
    srv_webhook *h = *hook;
    if (!h) {
        return;
    }
    if (h->has_thread) {
        pthread_mutex_lock(&h->mutex);
        h->stop = true;
        pthread_mutex_unlock(&h->mutex);
        pthread_join(h->thread, NULL);
    }
    while (h->waiting) {
        letter *l = h->waiting;
        h->waiting = l->next;
        free_letter(l);
    }
    for (size_t i = 0; i < h->n_origins; i++) {
        free_origin(&h->origins[i]);
    }
    free(h);
    *hook = NULL;
}
