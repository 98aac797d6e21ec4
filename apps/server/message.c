#include "message.h"
#include "memory.h"
#include "services.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <whatsit/digest.h>

bool srv_pairs_add(srv_pairs *pairs, const char *name, const char *value)
{
    if (pairs->n == pairs->capacity) {
        size_t capacity = pairs->capacity ? 2 * pairs->capacity : 16;
        srv_pair *items = realloc(pairs->items, capacity * sizeof *items);
        if (!items) {
            return false;
        }
        pairs->items = items;
        pairs->capacity = capacity;
    }
    srv_pair pair = {strdup(name), strdup(value ? value : "")};
    if (!pair.name || !pair.value) {
        free(pair.name);
        free(pair.value);
        return false;
    }
    pairs->items[pairs->n++] = pair;
    return true;
}

const char *srv_pairs_get(const srv_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->n; i++) {
        if (!strcasecmp(pairs->items[i].name, name)) {
            return pairs->items[i].value;
        }
    }
    return NULL;
}

void srv_pairs_free(srv_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].value);
    }
    free(pairs->items);
    *pairs = (srv_pairs){0};
}

static size_t count_commas(const void *text, size_t n_bytes)
{
    size_t n = 0;
    const char *at = text, *end = at + n_bytes;
    while (at < end && (at = memchr(at, ',', (size_t)(end - at)))) {
        n++;
        at++;
    }
    return n;
}

size_t srv_request_n_words(const srv_request *request)
{
    const char *type = srv_pairs_get(&request->headers, "Content-Type");
    size_t n = 0;
    for (size_t i = 0; i < request->query.n; i++) {
        n += count_commas(request->query.items[i].value, strlen(request->query.items[i].value));
    }
    bool is_json = type && !strncasecmp(type, "application/json", 16);
    return n + (is_json ? count_commas(request->body, request->n_body) : 0);
}

bool srv_request_take(srv_request *request, size_t n_bytes)
{
    bool taken = srv_memory_take(request->services->memory, request->asker.client, n_bytes);
    request->n_taken += taken ? n_bytes : 0;
    return taken;
}

void srv_request_free(srv_request *request)
{
    if (request->services) {
        srv_memory_give(request->services->memory, request->asker.client, request->n_taken);
    }
    free(request->method);
    free(request->path);
    srv_pairs_free(&request->query);
    srv_pairs_free(&request->headers);
    free(request->body);
    for (size_t i = 0; i < SRV_MAX_PARAMS; i++) {
        free(request->params[i]);
    }
    store_key_free(&request->key);
    *request = (srv_request){0};
}

const char *srv_request_owner(const srv_request *request)
{
    return request->key.id ? request->key.id : request->owner;
}

bool srv_text_ok(const char *text)
{
    json_t *value = json_string(text);
    bool good = value != NULL;
    json_decref(value);
    return good;
}

static bool pairs_ok(const srv_pairs *pairs)
{
    bool good = true;
    for (size_t i = 0; i < pairs->n && good; i++) {
        good = srv_text_ok(pairs->items[i].name) && srv_text_ok(pairs->items[i].value);
    }
    return good;
}

bool srv_request_ok(const srv_request *request, srv_response *response)
{
    const char *what = !srv_text_ok(request->method) || !srv_text_ok(request->path) ? "path"
                       : !pairs_ok(&request->query)                                 ? "query"
                       : !pairs_ok(&request->headers)                               ? "headers"
                                                                                    : NULL;
    if (what) {
        srv_error(request, response, 400, "not_utf8", "the request's %s is not UTF-8", what);
    }
    return !what;
}

void srv_response_init(srv_response *response)
{
    *response = (srv_response){.fd = -1};
}

static void drop_body(srv_response *response)
{
    free(response->body);
    free(response->events_of_job);
    if (response->fd >= 0) {
        close(response->fd);
    }
    response->body = NULL;
    response->fixed_body = NULL;
    response->events_of_job = NULL;
    response->n_body = 0;
    response->fd = -1;
}

void srv_response_free(srv_response *response)
{
    drop_body(response);
    for (size_t i = 0; i < response->n_headers; i++) {
        free(response->headers[i].name);
        free(response->headers[i].value);
    }
    srv_response_init(response);
}

void srv_header(srv_response *response, const char *name, const char *value)
{
    for (size_t i = 0; i < response->n_headers; i++) {
        if (!strcasecmp(response->headers[i].name, name)) {
            char *copy = strdup(value);
            if (copy) {
                free(response->headers[i].value);
                response->headers[i].value = copy;
            }
            return;
        }
    }
    srv_pair pair = {strdup(name), strdup(value)};
    if (response->n_headers == SRV_MAX_HEADERS || !pair.name || !pair.value) {
        free(pair.name);
        free(pair.value);
        return;
    }
    response->headers[response->n_headers++] = pair;
}

void srv_text(srv_response *response, unsigned status, const char *type, const char *text)
{
    drop_body(response);
    response->status = status;
    response->body = strdup(text);
    response->n_body = response->body ? strlen(text) : 0;
    srv_header(response, "Content-Type", type);
}

void srv_empty(srv_response *response, unsigned status)
{
    drop_body(response);
    response->status = status;
}

void srv_json(srv_response *response, unsigned status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    drop_body(response);
    srv_header(response, "Content-Type", "application/json");
    if (!text) {
        static const char failed[] =
            "{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,"
            "\"code\":\"internal\"}}";
        response->status = 500;
        response->fixed_body = failed;
        response->n_body = sizeof failed - 1;
        return;
    }
    response->status = status;
    response->body = text;
    response->n_body = strlen(text);
}

static const char *error_type(unsigned status)
{
    return status == 401 || status == 403 ? "authentication_error"
           : status == 429                ? "rate_limit_error"
           : status == 503                ? "overloaded_error"
           : status >= 500                ? "server_error"
                                          : "invalid_request_error";
}

/* Messages may quote the client's bytes: what is not UTF-8 would make no JSON. */
static json_t *json_message(const char *text)
{
    json_t *value = json_string(text);
    if (!value) {
        char plain[WI_ERROR_MESSAGE_BYTES];
        size_t n = 0;
        for (; text[n] && n + 1 < sizeof plain; n++) {
            plain[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
        }
        plain[n] = '\0';
        value = json_string(plain);
    }
    return value;
}

void srv_error(const srv_request *request, srv_response *response, unsigned status,
               const char *code, const char *format, ...)
{
    char text[WI_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *message = json_message(text);
    srv_error_form form = request->errors;
    json_t *body = form == SRV_ERRORS_DETAIL    ? json_pack("{s:o}", "detail", message)
                   : form == SRV_ERRORS_MESSAGE ? json_pack("{s:o}", "message", message)
                   : form == SRV_ERRORS_PLAIN
                       ? json_pack("{s:o}", "error", message)
                       : json_pack("{s:{s:o,s:s,s:n,s:s}}", "error", "message", message, "type",
                                   error_type(status), "param", "code", code);
    srv_json(response, status, body);
    response->code = code;
    if (status == 503 || status == 429) {
        bool given = false;
        for (size_t i = 0; i < response->n_headers; i++) {
            given = given || !strcasecmp(response->headers[i].name, "Retry-After");
        }
        if (!given) {
            srv_header(response, "Retry-After", "1");
        }
    }
    if (status == 401) {
        srv_header(response, "WWW-Authenticate", "Bearer");
    }
}

void srv_error_of(const srv_request *request, srv_response *response, const wi_error *error)
{
    unsigned status = 500;
    if (error->status == STORE_ERR_DOWN) {
        srv_error(request, response, 503, "database", "the database does not answer");
        return;
    }
    if (error->status == SRV_ERR_BUDGET) {
        srv_error(request, response, 429, "budget", "%s", error->message);
        return;
    }
    switch (error->status) {
    case WI_ERR_ARG:
    case WI_ERR_FORMAT:
        status = 400;
        break;
    case WI_ERR_NOT_FOUND:
        status = 404;
        break;
    case WI_ERR_MISMATCH:
        status = 409;
        break;
    case WI_ERR_LIMIT:
        status = 413;
        break;
    case WI_ERR_UNSUPPORTED:
        status = 422;
        break;
    case WI_ERR_NOMEM:
    case WI_ERR_CANCELLED:
        status = 503;
        break;
    case WI_OK:
    case WI_ERR_IO:
    case WI_ERR_INTERNAL:
    default:
        break;
    }
    srv_error(request, response, status, wi_status_name(error->status), "%s", error->message);
}

wi_status srv_sha256(const void *bytes, size_t n_bytes, char hex[65], wi_error *error)
{
    wi_digest *digest = NULL;
    wi_status status = wi_digest_open(&digest, error);
    if (status == WI_OK) {
        wi_digest_update(digest, bytes, n_bytes);
        wi_digest_finish(digest, hex);
    }
    wi_digest_close(&digest);
    return status;
}

bool srv_etag_matches(const srv_request *request, const char *etag)
{
    const char *asked = srv_pairs_get(&request->headers, "If-None-Match");
    return asked && (!strcmp(asked, "*") || strstr(asked, etag));
}

/* *from, *n within n_total. 0: no range asked or not understood; 206; 416. */
static unsigned read_range(const srv_request *request, const char *etag, uint64_t n_total,
                           uint64_t *from, uint64_t *n)
{
    const char *range = srv_pairs_get(&request->headers, "Range");
    const char *condition = srv_pairs_get(&request->headers, "If-Range");
    unsigned long long first = 0, last = 0;
    char rest;
    *from = 0;
    *n = n_total;
    if (!range || (condition && !strstr(condition, etag)) ||
        strspn(range, "bytes=0123456789-") != strlen(range)) {
        return 0;
    }
    if (sscanf(range, "bytes=%19llu-%19llu%c", &first, &last, &rest) == 2) {
        last = last >= n_total ? n_total - 1 : last;
    } else if (sscanf(range, "bytes=-%19llu%c", &last, &rest) == 1) {
        first = last >= n_total ? 0 : n_total - last;
        if (last == 0) {
            return 416;
        }
        last = n_total - 1;
    } else if (sscanf(range, "bytes=%19llu-%c", &first, &rest) == 1) {
        last = n_total - 1;
    } else {
        return 0;
    }
    if (first >= n_total) {
        return 416;
    }
    if (last < first) {
        return 0;
    }
    *from = first;
    *n = last - first + 1;
    return 206;
}

bool srv_part_answer(const srv_request *request, srv_response *response, const char *etag,
                     uint64_t n_total, uint64_t *from, uint64_t *n)
{
    char range[80];
    unsigned status = read_range(request, etag, n_total, from, n);
    srv_header(response, "Accept-Ranges", "bytes");
    if (status == 416) {
        snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)n_total);
        srv_header(response, "Content-Range", range);
        srv_error(request, response, 416, "range", "the file has %llu bytes",
                  (unsigned long long)n_total);
        return false;
    }
    if (status == 206) {
        snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)*from,
                 (unsigned long long)(*from + *n - 1), (unsigned long long)n_total);
        srv_header(response, "Content-Range", range);
    }
    response->status = status ? status : 200;
    return true;
}

void srv_file_answer(const srv_request *request, srv_response *response, const char *etag, int fd,
                     uint64_t n_total)
{
    uint64_t from, n;
    if (!srv_part_answer(request, response, etag, n_total, &from, &n)) {
        close(fd);
        return;
    }
    response->fd = fd;
    response->offset = (off_t)from;
    response->n_bytes = n;
}
