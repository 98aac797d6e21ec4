#include "admin.h"
#include "handlers.h"
#include "log.h"
#include "router.h"
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_BODY_BYTES = 64 << 10, MAX_CONNECTIONS = 16, TIMEOUT_S = 30 };

struct srv_admin {
    srv_services *services;
    struct MHD_Daemon *daemon;
    char *path;
};

/* One request, from its first byte to its end. */
typedef struct call {
    srv_request request;
    srv_response response;
    bool too_large;
} call;

static enum MHD_Result add_pair(void *context, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    (void)kind;
    return srv_pairs_add(context, name, value) ? MHD_YES : MHD_NO;
}

static void free_call(call *c)
{
    srv_request_free(&c->request);
    srv_response_free(&c->response);
    free(c);
}

static call *begin(srv_admin *admin, struct MHD_Connection *connection, const char *url,
                   const char *method)
{
    call *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    srv_response_init(&c->response);
    c->request.services = admin->services;
    c->request.method = strdup(method);
    c->request.path = strdup(url);
    c->request.is_local = true;
    c->request.asker.client = srv_client_of("administrator");
    if (!c->request.method || !c->request.path) {
        free_call(c);
        return NULL;
    }
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_pair, &c->request.headers);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_pair, &c->request.query);
    return c;
}

static void add_body(call *c, const char *bytes, size_t n)
{
    srv_request *request = &c->request;
    uint8_t *larger = request->n_body + n <= MAX_BODY_BYTES && !c->too_large
                          ? realloc(request->body, request->n_body + n)
                          : NULL;
    c->too_large = !larger;
    if (larger) {
        memcpy(larger + request->n_body, bytes, n);
        request->body = larger;
        request->n_body += n;
    }
}

static void run(call *c)
{
    char allowed[64];
    const srv_route *route = srv_route_find_in(srv_admin_routes, srv_n_admin_routes, &c->request,
                                               allowed, sizeof allowed);
    if (!srv_request_ok(&c->request, &c->response)) {
        return;
    }
    if (c->too_large) {
        srv_error(&c->request, &c->response, 413, "too_large", "the body is over %d bytes",
                  MAX_BODY_BYTES);
    } else if (route) {
        route->handler(&c->request, &c->response);
    } else if (allowed[0]) {
        srv_header(&c->response, "Allow", allowed);
        srv_error(&c->request, &c->response, 405, "method", "this path takes %s", allowed);
    } else {
        srv_error(&c->request, &c->response, 404, "not_found", "there is nothing here");
    }
}

static void tell(const call *c)
{
    const srv_request *request = &c->request;
    const srv_log_line line = {
        .id = "-",
        .client = "administrator",
        .method = request->method,
        .path = request->path,
        .route = request->route ? request->route->pattern : NULL,
        .code = c->response.code,
        .status = c->response.status,
        .n_in = request->n_body,
        .n_out = c->response.n_body,
    };
    if (srv_log_has_requests(request->services->log)) {
        srv_log_request(request->services->log, &line);
    }
}

static enum MHD_Result send_answer(call *c, struct MHD_Connection *connection)
{
    srv_response *from = &c->response;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        from->n_body, from->body ? from->body : (void *)(uintptr_t)"", MHD_RESPMEM_MUST_COPY);
    tell(c);
    if (!response) {
        return MHD_NO;
    }
    srv_header(from, "Cache-Control", "no-store");
    for (size_t i = 0; i < from->n_headers; i++) {
        MHD_add_response_header(response, from->headers[i].name, from->headers[i].value);
    }
    enum MHD_Result result = MHD_queue_response(connection, from->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *n_upload, void **state)
{
    call *c = *state;
    (void)version;
    if (!c) {
        *state = begin(context, connection, url, method);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*n_upload > 0) {
        add_body(c, upload, *n_upload);
        *n_upload = 0;
        return MHD_YES;
    }
    run(c);
    return send_answer(c, connection);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    if (*state) {
        free_call(*state);
        *state = NULL;
    }
}

static void ignore_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    (void)format;
    (void)arguments;
}

/* ---- the socket ---- */

/* *there: a socket is. */
static wi_status look(const char *path, bool *there, wi_error *error)
{
    struct stat info;
    const size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    const char *slash = strrchr(path, '/');
    if (strlen(path) > most) {
        return store_fail(error, WI_ERR_ARG,
                          "--admin %.100s...: a socket's path has %zu bytes at most", path, most);
    }
    char folder[sizeof((struct sockaddr_un *)0)->sun_path] = ".";
    if (slash) {
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
    *there = lstat(path, &info) == 0;
    if (!*there && (errno != ENOENT || access(folder, W_OK | X_OK) != 0)) {
        return store_fail(error, WI_ERR_IO, "--admin %s: %s", path, strerror(errno));
    }
    if (*there && !S_ISSOCK(info.st_mode)) {
        return store_fail(error, WI_ERR_IO, "--admin %s: there is something else already", path);
    }
    return WI_OK;
}

wi_status srv_admin_check(const char *path, wi_error *error)
{
    bool there = false;
    return look(path, &there, error);
}

/* What a server that was killed left behind goes; whatever else is there stays. */
static wi_status make_way(const struct sockaddr_un *address, wi_error *error)
{
    const char *path = address->sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool lives = fd >= 0 && connect(fd, (const void *)address, sizeof *address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (lives) {
        return store_fail(error, WI_ERR_IO, "--admin %s: another server answers there", path);
    }
    return unlink(path) == 0 ? WI_OK
                             : store_fail(error, WI_ERR_IO, "%s: %s", path, strerror(errno));
}

/* Nobody can connect before listen(), by when the mode is the right one. */
static wi_status open_socket(const char *path, int *out, wi_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool there = false;
    wi_status status = look(path, &there, error);
    if (status == WI_OK) {
        memcpy(address.sun_path, path, strlen(path));
        status = there ? make_way(&address, error) : WI_OK;
    }
    if (status != WI_OK) {
        return status;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool bound = fd >= 0 && bind(fd, (const void *)&address, sizeof address) == 0;
    if (!bound || chmod(path, 0600) != 0 || listen(fd, MAX_CONNECTIONS) != 0) {
        status = store_fail(error, WI_ERR_IO, "--admin %s: %s", path, strerror(errno));
        if (bound) {
            unlink(path);
        }
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    *out = fd;
    return WI_OK;
}

wi_status srv_admin_open(srv_services *services, const char *path, srv_admin **out, wi_error *error)
{
    int fd = -1;
    srv_admin *admin = calloc(1, sizeof *admin);
    char *copy = strdup(path);
    if (!admin || !copy) {
        free(admin);
        free(copy);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    admin->services = services;
    wi_status status = open_socket(path, &fd, error);
    if (status == WI_OK) {
        admin->path = copy;
        /* A thread for each connection: to load a model takes as long as it takes, and holds nobody else up. */
        admin->daemon = MHD_start_daemon(
            MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0,
            NULL, NULL, on_request, admin, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, admin, MHD_OPTION_END);
        if (!admin->daemon) {
            close(fd);
            status = store_fail(error, WI_ERR_IO, "--admin %s: cannot start the HTTP daemon", path);
        }
    } else {
        free(copy);
    }
    if (status != WI_OK) {
        srv_admin_close(&admin);
        return status;
    }
    *out = admin;
    return WI_OK;
}

void srv_admin_close(srv_admin **admin)
{
    srv_admin *a = *admin;
    if (!a) {
        return;
    }
    if (a->path) {
        unlink(a->path);
    }
    if (a->daemon) {
        MHD_stop_daemon(a->daemon);
    }
    free(a->path);
    free(a);
    *admin = NULL;
}
