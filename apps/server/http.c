#define _GNU_SOURCE
#include "http.h"
#include "access.h"
#include "clock.h"
#include "config.h"
#include "cors.h"
#include "door.h"
#include "exchange.h"
#include "forwarded.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "router.h"
#include "web.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MEMORY_A_CONNECTION = 32 << 10,
    FIRST_BODY_BYTES = 64 << 10,
    SLOWEST_BYTES_A_MS = 32, /* what a client must manage to send or to read */
    MAX_DROPPED_BYTES = 64 << 20,
    TICK_MS = 100,
    MAX_FILES = 1 << 20
};

/* Each state has as long as the server's timeout, and longer for every byte that has to pass. The door ends those that
 * take too long. */
static void set_state(srv_exchange *x, srv_client_state state, uint64_t n_bytes)
{
    double patience_ms =
        x->http->services->config->timeout_s * 1e3 + (double)n_bytes / SLOWEST_BYTES_A_MS;
    if (x->client) {
        x->client->state = state;
        x->client->deadline_ms = state == SRV_CLIENT_WAITS ? 0 : srv_clock_ms() + patience_ms;
    }
}

static void prolong(srv_exchange *x, size_t n_bytes)
{
    if (x->client) {
        x->client->deadline_ms = x->client->deadline_ms + (double)n_bytes / SLOWEST_BYTES_A_MS;
    }
}

/* ---- answers ---- */

/* Takes what the response owns. */
static struct MHD_Response *make_response(srv_exchange *x)
{
    srv_response *from = &x->response;
    struct MHD_Response *out = NULL;
    if (from->events_of_job) {
        out = srv_stream_open(x->http, x->connection, from->events_of_job,
                              x->request.key.id ? x->request.key.id : x->request.address);
        if (!out) {
            free(from->events_of_job);
            from->events_of_job = NULL;
            srv_error(&x->request, from, 503, "too_many_streams", "too many streams are open");
        }
    }
    if (!out && from->fd >= 0) {
        out = MHD_create_response_from_fd_at_offset64(from->n_bytes, from->fd,
                                                      (uint64_t)from->offset);
        from->fd = out ? -1 : from->fd;
    } else if (!out && from->fixed_body) {
        out = MHD_create_response_from_buffer(from->n_body, (void *)(uintptr_t)from->fixed_body,
                                              MHD_RESPMEM_PERSISTENT);
    } else if (!out && from->body) {
        out = MHD_create_response_from_buffer(from->n_body, from->body, MHD_RESPMEM_MUST_FREE);
        from->body = out ? NULL : from->body;
    } else if (!out) {
        out = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
    }
    return out;
}

static void tell(srv_exchange *x, uint64_t n_out)
{
    const srv_services *services = x->http->services;
    const srv_request *request = &x->request;
    double begun = x->received_ms > 0 ? x->received_ms : x->started_ms;
    double seconds = (srv_clock_ms() - begun) / 1e3;
    srv_metrics_count(services->metrics, request->route, x->response.status, x->response.code,
                      seconds);
    if (!srv_log_has_requests(services->log)) {
        return;
    }
    const srv_log_line line = {
        .id = x->id,
        .client = request->address,
        .key = request->key.id,
        .method = request->method,
        .path = request->path,
        .route = request->route ? request->route->pattern : NULL,
        .code = x->response.code,
        .trace = srv_pairs_get(&request->headers, "traceparent"),
        .status = x->response.status,
        .n_in = request->n_body + x->n_dropped,
        .n_out = n_out,
        .seconds = seconds,
        .waited_s = x->waited_ms / 1e3,
    };
    srv_log_request(services->log, &line);
}

static enum MHD_Result send_answer(srv_exchange *x)
{
    srv_common_headers(x->http->services->config, &x->request, &x->response);
    srv_header(&x->response, "X-Request-Id", x->id);
    if (x->http->services->draining) {
        srv_header(&x->response, "Connection", "close");
    }
    uint64_t n_bytes = x->response.fd >= 0 ? x->response.n_bytes : x->response.n_body;
    tell(x, n_bytes);
    struct MHD_Response *response = make_response(x);
    if (!response) {
        return MHD_NO;
    }
    for (size_t i = 0; i < x->response.n_headers; i++) {
        MHD_add_response_header(response, x->response.headers[i].name,
                                x->response.headers[i].value);
    }
    /* Streams of events last as long as their jobs: libmicrohttpd's own timeout ends those that stall. */
    set_state(x, x->response.events_of_job ? SRV_CLIENT_WAITS : SRV_CLIENT_READS, n_bytes);
    enum MHD_Result result = MHD_queue_response(x->connection, x->response.status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- requests ---- */

static enum MHD_Result add_pair(void *context, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    (void)kind;
    return srv_pairs_add(context, name, value) ? MHD_YES : MHD_NO;
}

static void read_address(srv_exchange *x, const char **wrong)
{
    const srv_client *client = x->client;
    *wrong =
        srv_forwarded_read(&x->request, client ? (const struct sockaddr *)&client->address : NULL,
                           client && client->by_proxy, x->http->proxies, x->http->n_proxies);
    x->request.asker.gone = client ? &client->gone : NULL;
}

/* A proxy in front may have given it a name already. */
static bool is_id(const char *text)
{
    size_t n = text ? strlen(text) : 0;
    return n >= 8 && n <= 64 &&
           strspn(text, "0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ-_.") == n;
}

static void name_request(srv_exchange *x)
{
    const char *given = srv_pairs_get(&x->request.headers, "X-Request-Id");
    uint8_t random[8];
    if (is_id(given)) {
        snprintf(x->id, sizeof x->id, "%s", given);
    } else {
        randombytes_buf(random, sizeof random);
        sodium_bin2hex(x->id, sizeof x->id, random, sizeof random);
    }
}

/* The answer, when it is known before the body has come. */
static bool refuse_early(srv_exchange *x)
{
    srv_request *request = &x->request;
    const srv_config *config = x->http->services->config;
    const char *length = srv_pairs_get(&request->headers, "Content-Length");
    char allowed[64];
    if (length && strtoull(length, NULL, 10) > config->max_body_bytes) {
        /* Most clients read no answer before they have sent all: what is not too much is dropped as it comes. */
        x->hopeless = strtoull(length, NULL, 10) > config->max_body_bytes + MAX_DROPPED_BYTES;
        srv_route_find(request, allowed, sizeof allowed);
        srv_error(request, &x->response, 413, "too_large",
                  "the body is over the limit of %zu bytes", config->max_body_bytes);
        return true;
    }
    if (!strcmp(request->method, "OPTIONS")) {
        srv_preflight(config, request, &x->response);
        return true;
    }
    if (srv_route_find(request, allowed, sizeof allowed)) {
        return !srv_access_may_begin(x->http->services->access, request, &x->response);
    }
    bool reads = !strcmp(request->method, "GET") || request->head_only;
    if (reads && srv_web_answer(x->http->services->web, request, &x->response)) {
        return true;
    }
    if (allowed[0]) {
        srv_header(&x->response, "Allow", allowed);
        srv_error(request, &x->response, 405, "method", "this path takes %s", allowed);
    } else {
        srv_error(request, &x->response, 404, "not_found", "there is nothing here");
    }
    return true;
}

/* A target may be told as to a proxy (RFC 9112, 3.2.2): "http://host/path". Nothing depends on the host. */
static const char *path_of(const char *target)
{
    const size_t scheme = !strncasecmp(target, "http://", 7)    ? 7
                          : !strncasecmp(target, "https://", 8) ? 8
                                                                : 0;
    const char *path = scheme ? strchr(target + scheme, '/') : target;
    return path ? path : "/";
}

static srv_exchange *begin(srv_http *http, struct MHD_Connection *connection, const char *url,
                           const char *method)
{
    const char *wrong = NULL;
    srv_exchange *x = calloc(1, sizeof *x);
    if (!x) {
        return NULL;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    x->http = http;
    x->connection = connection;
    x->client = info ? info->socket_context : NULL;
    x->started_ms = srv_clock_ms();
    srv_response_init(&x->response);
    x->request.services = http->services;
    x->request.method = strdup(method);
    x->request.path = strdup(path_of(url));
    x->request.head_only = !strcmp(method, "HEAD");
    if (!x->request.method || !x->request.path) {
        srv_request_free(&x->request);
        free(x);
        return NULL;
    }
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_pair, &x->request.headers);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_pair, &x->request.query);
    atomic_fetch_add(&http->n_exchanges, 1);
    name_request(x);
    read_address(x, &wrong);
    srv_access_name(http->services->access, &x->request);
    set_state(x, SRV_CLIENT_SENDS, 0);
    if (wrong) {
        srv_error(&x->request, &x->response, 400, "forwarded", "%s", wrong);
    }
    x->refused = wrong || !srv_request_ok(&x->request, &x->response) || refuse_early(x);
    return x;
}

static void drop_body(srv_exchange *x)
{
    free(x->request.body);
    x->request.body = NULL;
    srv_memory_give(x->http->services->memory, x->request.asker.client, x->capacity);
    x->request.n_body = x->capacity = x->n_allocated = 0;
}

static void refuse(srv_exchange *x, unsigned status, const char *code, const char *message)
{
    drop_body(x);
    x->refused = true;
    srv_error(&x->request, &x->response, status, code, "%s", message);
}

/* Memory for a body of at least so many bytes. Of an announced one, what was taken for it grows with what comes. */
static bool grow_body(srv_exchange *x, size_t n)
{
    srv_memory *memory = x->http->services->memory;
    uint64_t client = x->request.asker.client;
    size_t most = x->http->services->config->max_body_bytes;
    size_t size = x->n_allocated ? 2 * x->n_allocated : FIRST_BODY_BYTES;
    while (size < n) {
        size *= 2;
    }
    size = size < most ? size : most;
    size_t added = size > x->capacity ? size - x->capacity : 0;
    if (x->is_announced) {
        size = size < x->capacity ? size : x->capacity;
        added = 0;
    }
    if (!srv_memory_take(memory, client, added)) {
        return false;
    }
    uint8_t *larger = realloc(x->request.body, size);
    if (!larger) {
        srv_memory_give(memory, client, added);
        return false;
    }
    x->request.body = larger;
    x->n_allocated = size;
    x->capacity += added;
    return true;
}

static void add_body(srv_exchange *x, const char *bytes, size_t n)
{
    srv_request *request = &x->request;
    prolong(x, n);
    if (x->refused) {
        x->n_dropped += n;
        return;
    }
    if (n > x->http->services->config->max_body_bytes - request->n_body) {
        refuse(x, 413, "too_large", "the body is over the limit");
        return;
    }
    if (request->n_body + n > x->n_allocated && !grow_body(x, request->n_body + n)) {
        refuse(x, 503, "busy", "too much is being sent at once: try again");
        return;
    }
    memcpy(request->body + request->n_body, bytes, n);
    request->n_body += n;
}

static bool has_body(const srv_exchange *x)
{
    const char *length = srv_pairs_get(&x->request.headers, "Content-Length");
    return (length && strtoull(length, NULL, 10) > 0) ||
           srv_pairs_get(&x->request.headers, "Transfer-Encoding");
}

/* Nothing more is read from a client that is told so before it sends: it may not send at all. */
static enum MHD_Result after_headers(srv_exchange *x)
{
    const char *expected = srv_pairs_get(&x->request.headers, "Expect");
    bool waits = expected && !strcasecmp(expected, "100-continue");
    if (x->hopeless || (x->refused && waits && has_body(x))) {
        return send_answer(x);
    }
    return MHD_YES;
}

/* A body counts before it is read: all that is announced must fit beside what others have announced. */
static void make_room(srv_exchange *x)
{
    const char *length = srv_pairs_get(&x->request.headers, "Content-Length");
    size_t n = length ? (size_t)strtoull(length, NULL, 10) : 0;
    if (x->refused || n == 0) {
        return;
    }
    if (srv_memory_take(x->http->services->memory, x->request.asker.client, n)) {
        x->capacity = n;
        x->is_announced = true;
    } else {
        refuse(x, 503, "busy", "too much is being sent at once: try again");
    }
}

static enum MHD_Result on_headers(srv_exchange *x)
{
    make_room(x);
    if (x->refused || !has_body(x) || !srv_access_has_key(&x->request)) {
        return after_headers(x);
    }
    set_state(x, SRV_CLIENT_WAITS, 0);
    if (srv_workers_look(x->http, x)) {
        return MHD_YES;
    }
    refuse(x, 503, "busy", "this server is about to end");
    return after_headers(x);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *n_upload, void **state)
{
    srv_http *http = context;
    srv_exchange *x = *state;
    (void)version;
    if (!x) {
        x = begin(http, connection, url, method);
        *state = x;
        return x ? on_headers(x) : MHD_NO;
    }
    if (x->at_door) {
        x->at_door = false;
        set_state(x, SRV_CLIENT_SENDS, 0);
        return after_headers(x);
    }
    if (*n_upload > 0) {
        add_body(x, upload, *n_upload);
        *n_upload = 0;
        /* A body of unknown length could go on for ever. */
        uint64_t most = (uint64_t)http->services->config->max_body_bytes + MAX_DROPPED_BYTES;
        return x->n_dropped > most ? MHD_NO : MHD_YES;
    }
    if (x->answered || x->refused) {
        return send_answer(x);
    }
    x->received_ms = srv_clock_ms();
    set_state(x, SRV_CLIENT_WAITS, 0);
    if (x->request.route->flags & SRV_INLINE) {
        srv_route_run(&x->request, &x->response);
        return send_answer(x);
    }
    if (!srv_workers_take(http, x)) {
        srv_error(&x->request, &x->response, 503, "busy", "too many requests wait: try again");
        return send_answer(x);
    }
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    srv_exchange *x = *state;
    (void)context;
    (void)connection;
    (void)code;
    if (x) {
        set_state(x, SRV_CLIENT_IDLE, 0);
        if (x->client) {
            atomic_fetch_add(&x->client->n_done, 1);
        }
        atomic_fetch_sub(&x->http->n_exchanges, 1);
        drop_body(x);
        srv_response_free(&x->response);
        srv_request_free(&x->request);
        free(x);
        *state = NULL;
    }
}

/* ---- connections ---- */

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    srv_http *http = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = info ? atomic_load(&http->by_fd[info->connect_fd]) : NULL;
    } else if (*socket_context) {
        srv_client *client = *socket_context;
        client->is_done = true;
        srv_client_release(client);
        *socket_context = NULL;
    }
}

/* From the door: a connection that begins with a good head. */
static bool take_connection(void *context, int fd, srv_client *client)
{
    srv_http *http = context;
    if ((size_t)fd >= http->n_by_fd) {
        close(fd);
        return false;
    }
    atomic_store(&http->by_fd[fd], client);
    socklen_t n = client->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in);
    return MHD_add_connection(http->daemon, fd, (const struct sockaddr *)&client->address, n) ==
           MHD_YES;
}

static void on_refused(void *context, unsigned status)
{
    srv_http *http = context;
    srv_metrics_count(http->services->metrics, NULL, status, "framing", 0);
}

static void *look_after(void *context)
{
    srv_http *http = context;
    bool stop = false;
    for (unsigned i = 0; !stop; i++) {
        usleep(TICK_MS * 1000);
        pthread_mutex_lock(&http->streams_mutex);
        stop = http->ticker_stop;
        pthread_mutex_unlock(&http->streams_mutex);
        srv_streams_tick(http, stop || http->services->draining);
        if (i % 5 == 0) {
            http->tick(http->tick_context);
        }
    }
    return NULL;
}

/* ---- the daemon ---- */

static wi_status listen_on(const srv_config *config, int *out, uint16_t *port, wi_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    int one = 1;
    snprintf(service, sizeof service, "%u", config->port);
    int code = getaddrinfo(config->address, service, &hints, &found);
    if (code != 0) {
        return store_fail(error, WI_ERR_IO, "%.100s: %s", config->address, gai_strerror(code));
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool good =
        fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1024) == 0;
    int number = errno;
    freeaddrinfo(found);
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    if (!good || getsockname(fd, (struct sockaddr *)&bound, &n) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return store_fail(error, WI_ERR_IO, "cannot listen on %.100s port %u: %s", config->address,
                          config->port, strerror(number));
    }
    *port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                             : ((struct sockaddr_in6 *)&bound)->sin6_port);
    *out = fd;
    return WI_OK;
}

static void ignore_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    (void)format;
    (void)arguments;
}

static wi_status start_daemon(srv_http *http, wi_error *error)
{
    const srv_config *config = http->services->config;
    int fd = -1;
    wi_status status = listen_on(config, &fd, &http->port, error);
    if (status != WI_OK) {
        return status;
    }
    const struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)config->n_io, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
        MHD_OPTION_CONNECTION_LIMIT, 2 * config->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        config->timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_A_CONNECTION,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_ARRAY,
        config->n_io > 1 ? pool : pool + 1, MHD_OPTION_END);
    if (!http->daemon) {
        close(fd);
        return store_fail(error, WI_ERR_IO, "cannot start the HTTP daemon");
    }
    const srv_door_options door = {
        .fd = fd,
        .max_connections = config->max_connections,
        .max_each = config->max_connections / 16 < 16 ? 16 : config->max_connections / 16,
        .timeout_s = config->timeout_s,
        .proxy_protocol = config->proxy_protocol,
        .proxies = http->proxies,
        .n_proxies = http->n_proxies,
        .take = take_connection,
        .refused = on_refused,
        .context = http,
    };
    status = srv_door_open(&door, &http->door_keeper, error);
    if (status != WI_OK) {
        close(fd);
    }
    return status;
}

static wi_status read_proxies(srv_http *http, wi_error *error)
{
    static const char *const here[] = {"127.0.0.0/8", "::1"};
    const srv_config *config = http->services->config;
    const bool named = config->n_proxies > 0;
    http->n_proxies = named ? config->n_proxies : sizeof here / sizeof *here;
    return srv_nets_read("trust-proxy", named ? config->proxies : here, http->n_proxies,
                         http->proxies, error);
}

wi_status srv_http_open(srv_services *services, void (*tick)(void *), void *context, srv_http **out,
                        wi_error *error)
{
    srv_http *http = calloc(1, sizeof *http);
    if (!http) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    http->services = services;
    *out = http; /* before there are threads, whose first request may ask for it */
    wi_status status = read_proxies(http, error);
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    http->n_by_fd = files.rlim_cur < MAX_FILES ? (size_t)files.rlim_cur : MAX_FILES;
    http->by_fd = calloc(http->n_by_fd, sizeof *http->by_fd);
    if (!http->by_fd) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    http->tick = tick;
    http->tick_context = context;
    pthread_mutex_init(&http->mutex, NULL);
    pthread_cond_init(&http->door.filled, NULL);
    pthread_mutex_init(&http->streams_mutex, NULL);
    status = status ? status : srv_workers_start(http, error);
    if (status == WI_OK) {
        status = start_daemon(http, error);
    }
    if (status == WI_OK) {
        http->has_ticker = pthread_create(&http->ticker, NULL, look_after, http) == 0;
        status =
            http->has_ticker ? WI_OK : store_fail(error, WI_ERR_NOMEM, "cannot start a thread");
    }
    if (status != WI_OK) {
        srv_http_close(out);
    }
    return status;
}

uint16_t srv_http_port(const srv_http *http)
{
    return http->port;
}

void srv_http_get_load(srv_http *http, srv_http_load *out)
{
    pthread_mutex_lock(&http->mutex);
    out->n_waiting = (unsigned)srv_workers_waiting(http);
    out->age_s = http->oldest ? (srv_clock_ms() - http->oldest->queued_ms) / 1e3 : 0;
    out->n_running = http->n_running;
    pthread_mutex_unlock(&http->mutex);
    unsigned n_busy = 0;
    srv_door_count(http->door_keeper, &out->n_connections, &n_busy);
    out->n_busy = n_busy > http->n_exchanges ? n_busy : http->n_exchanges;
}

void srv_http_stop_listening(srv_http *http)
{
    srv_door_stop_listening(http->door_keeper);
}

void srv_http_close(srv_http **http)
{
    srv_http *h = *http;
    if (!h) {
        return;
    }
    srv_workers_stop(h);
    if (h->has_ticker) {
        pthread_mutex_lock(&h->streams_mutex);
        h->ticker_stop = true;
        pthread_mutex_unlock(&h->streams_mutex);
        pthread_join(h->ticker, NULL);
    }
    if (h->daemon) {
        MHD_stop_daemon(h->daemon);
    }
    srv_door_close(&h->door_keeper);
    free((void *)h->by_fd);
    pthread_mutex_destroy(&h->mutex);
    pthread_cond_destroy(&h->door.filled);
    pthread_mutex_destroy(&h->streams_mutex);
    free(h);
    *http = NULL;
}
