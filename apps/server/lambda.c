#include "lambda.h"
#include "access.h"
#include "cors.h"
#include "pictures.h"
#include "router.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    MAX_EVENT_BYTES = 16 << 20,
    MAX_ANSWER_BYTES =
        4600000, /* as base64, and with its headers, below the 6,291,556 bytes of AWS */
    SPARE_MS = 2000
};

/* ---- events ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* In place: %XX, and '+' for a space where it means that. */
static void unescape(char *text, bool plus)
{
    char *to = text;
    for (; *text; text++) {
        if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
            *to++ = (char)(hex(text[1]) * 16 + hex(text[2]));
            text += 2;
        } else {
            *to++ = plus && *text == '+' ? ' ' : *text;
        }
    }
    *to = '\0';
}

static bool read_query(srv_request *request, const char *raw)
{
    bool good = true;
    while (raw && *raw && good) {
        size_t n = strcspn(raw, "&");
        char *pair = strndup(raw, n);
        char *value = pair ? strchr(pair, '=') : NULL;
        if (value) {
            *value++ = '\0';
            unescape(value, true);
        }
        if (pair) {
            unescape(pair, true);
        }
        good = pair && srv_pairs_add(&request->query, pair, value);
        free(pair);
        raw += n + (raw[n] == '&');
    }
    return good;
}

/* API Gateway puts the name of a stage before the path, unless it is $default. */
static void strip_stage(char *path, const char *stage)
{
    size_t n = stage && strcmp(stage, "$default") ? strlen(stage) : 0;
    if (n > 0 && path[0] == '/' && !strncmp(path + 1, stage, n) &&
        (path[n + 1] == '/' || !path[n + 1])) {
        memmove(path, path + n + 1, strlen(path + n + 1) + 1);
        if (!path[0]) {
            strcpy(path, "/");
        }
    }
}

static bool read_event(srv_services *services, const json_t *event, srv_request *request)
{
    const json_t *http = json_object_get(json_object_get(event, "requestContext"), "http");
    const char *method = json_string_value(json_object_get(http, "method"));
    const char *path = json_string_value(json_object_get(event, "rawPath"));
    const char *address = json_string_value(json_object_get(http, "sourceIp"));
    const json_t *body = json_object_get(event, "body"), *value;
    const char *name;
    wi_error error = {0};
    if (!method || !path) {
        return false;
    }
    request->services = services;
    request->method = strdup(method);
    request->path = strdup(path);
    snprintf(request->address, sizeof request->address, "%s", address ? address : "?");
    bool good = request->method && request->path &&
                read_query(request, json_string_value(json_object_get(event, "rawQueryString")));
    json_object_foreach((json_t *)(uintptr_t)json_object_get(event, "headers"), name, value)
    {
        good = good && json_is_string(value) &&
               srv_pairs_add(&request->headers, name, json_string_value(value));
    }
    if (good && json_is_string(body) && json_is_true(json_object_get(event, "isBase64Encoded"))) {
        good =
            srv_base64(json_string_value(body), &request->body, &request->n_body, &error) == WI_OK;
    } else if (good && json_is_string(body)) {
        request->n_body = json_string_length(body);
        request->body = malloc(request->n_body + 1);
        good = request->body != NULL;
        if (good) {
            memcpy(request->body, json_string_value(body), request->n_body);
        }
    }
    good = good && !strstr(path, "%00");
    if (good) {
        strip_stage(request->path, json_string_value(json_object_get(
                                       json_object_get(event, "requestContext"), "stage")));
        srv_access_name(services->access, request);
        unescape(request->path, false);
        request->head_only = !strcmp(request->method, "HEAD");
    }
    return good;
}

static void handle(srv_request *request, srv_response *response)
{
    const srv_config *config = request->services->config;
    char allowed[64];
    if (!srv_request_ok(request, response)) {
        return;
    }
    if (!strcmp(request->method, "OPTIONS")) {
        srv_preflight(config, request, response);
    } else if (!srv_route_find(request, allowed, sizeof allowed)) {
        srv_error(request, response, allowed[0] ? 405 : 404, "not_found",
                  allowed[0] ? "this path takes %s" : "there is nothing here%s", allowed);
        if (allowed[0]) {
            srv_header(response, "Allow", allowed);
        }
    } else if (request->n_body > config->max_body_bytes) {
        srv_error(request, response, 413, "too_large", "the body is over the limit of %zu bytes",
                  config->max_body_bytes);
    } else {
        srv_route_run(request, response);
    }
}

/* The body as bytes: parts of files are read, and events are told once. */
static bool take_body(srv_request *request, srv_response *response)
{
    if (response->fd >= 0) {
        uint64_t n = response->n_bytes;
        char *bytes = n <= MAX_ANSWER_BYTES ? malloc(n + 1) : NULL;
        if (!bytes || pread(response->fd, bytes, n, response->offset) != (ssize_t)n) {
            free(bytes);
            srv_error(request, response, 413, "too_large",
                      "an answer may have %d bytes here: ask for a range", MAX_ANSWER_BYTES);
            return true;
        }
        close(response->fd);
        response->fd = -1;
        response->body = bytes;
        response->n_body = n;
    } else if (response->events_of_job) {
        srv_error(request, response, 422, "unsupported", "events cannot be streamed here");
    } else if (response->n_body > MAX_ANSWER_BYTES) {
        srv_error(request, response, 413, "too_large",
                  "the answer has %zu bytes and %d are allowed here: ask for a range, or for less "
                  "at once",
                  response->n_body, MAX_ANSWER_BYTES);
    }
    return response->body || response->fixed_body || response->n_body == 0;
}

json_t *srv_lambda_answer(srv_services *services, const json_t *event)
{
    srv_request request = {0};
    srv_response response;
    json_t *answer = NULL;
    srv_response_init(&response);
    if (read_event(services, event, &request)) {
        handle(&request, &response);
        srv_common_headers(services->config, &request, &response);
        take_body(&request, &response);
        const void *body = response.body ? response.body : response.fixed_body;
        char *text = srv_to_base64(body ? body : "", request.head_only ? 0 : response.n_body);
        json_t *headers = json_object();
        for (size_t i = 0; i < response.n_headers; i++) {
            json_object_set_new(headers, response.headers[i].name,
                                json_string(response.headers[i].value));
        }
        answer = json_pack("{s:i,s:o,s:s,s:b}", "statusCode", (int)response.status, "headers",
                           headers, "body", text ? text : "", "isBase64Encoded", 1);
        free(text);
    }
    srv_response_free(&response);
    srv_request_free(&request);
    return answer;
}

/* ---- the loop ---- */

typedef struct transfer {
    char *bytes;
    size_t n;
    char id[128];
    int64_t deadline_ms; /* of the event; 0: not told */
} transfer;

static size_t on_bytes(char *bytes, size_t size, size_t n, void *context)
{
    transfer *t = context;
    size_t total = size * n;
    if (total > MAX_EVENT_BYTES - t->n) {
        return 0;
    }
    char *larger = realloc(t->bytes, t->n + total + 1);
    if (!larger) {
        return 0;
    }
    memcpy(larger + t->n, bytes, total);
    larger[t->n + total] = '\0';
    t->bytes = larger;
    t->n += total;
    return total;
}

static size_t on_header(char *line, size_t size, size_t n, void *context)
{
    static const char wanted[] = "Lambda-Runtime-Aws-Request-Id:";
    static const char deadline[] = "Lambda-Runtime-Deadline-Ms:";
    transfer *t = context;
    size_t total = size * n, skip = sizeof wanted - 1;
    char number[32] = "";
    if (total > sizeof deadline && total < sizeof deadline + sizeof number &&
        !strncasecmp(line, deadline, sizeof deadline - 1)) {
        memcpy(number, line + sizeof deadline - 1, total - sizeof deadline + 1);
        t->deadline_ms = strtoll(number, NULL, 10);
    }
    if (total > skip && !strncasecmp(line, wanted, skip)) {
        while (skip < total && line[skip] == ' ') {
            skip++;
        }
        size_t length = 0;
        while (skip + length < total && length + 1 < sizeof t->id && line[skip + length] > ' ') {
            t->id[length] = line[skip + length];
            length++;
        }
        t->id[length] = '\0';
    }
    return total;
}

/* GET, or POST when there is a body. Returns the HTTP status; 0: nobody answered. */
static long ask(CURL *curl, const char *url, const char *body, transfer *out)
{
    long status = 0;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, out);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    return status;
}

static long answer_event(srv_services *services, CURL *curl, const char *api, const transfer *event)
{
    char url[400];
    transfer ignored = {0};
    json_t *value = json_loadb(event->bytes, event->n, 0, NULL);
    json_t *answer = value ? srv_lambda_answer(services, value) : NULL;
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    snprintf(url, sizeof url, "http://%.200s/2018-06-01/runtime/invocation/%s/%s", api, event->id,
             text ? "response" : "error");
    long status =
        ask(curl, url,
            text ? text
                 : "{\"errorType\":\"Event\",\"errorMessage\":\"not an event of API Gateway "
                   "version 2\"}",
            &ignored);
    free(ignored.bytes);
    free(text);
    json_decref(answer);
    json_decref(value);
    return status;
}

/* Between events the function is frozen: jobs are finished before the next one is asked for, while this one's time lasts.
 * Its answer is with the client already. */
static void finish_jobs(const srv_services *services, int64_t deadline_ms, const atomic_bool *stop)
{
    int64_t n = 1;
    while (!*stop && n > 0 && store_now_ms() < deadline_ms - SPARE_MS &&
           store_job_count(services->store, NULL, &n, NULL) == WI_OK && n > 0) {
        usleep(50000);
    }
}

wi_status srv_lambda_run(srv_services *services, const char *api, atomic_bool *stop,
                         wi_error *error)
{
    char url[300];
    wi_status status = WI_OK;
    CURL *curl = curl_easy_init();
    snprintf(url, sizeof url, "http://%.200s/2018-06-01/runtime/invocation/next", api);
    if (!curl) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    while (!*stop && status == WI_OK) {
        transfer event = {0};
        long code = ask(curl, url, NULL, &event);
        if (code != 200 || !event.id[0]) {
            status = store_fail(error, WI_ERR_IO, "the runtime at %.100s does not answer (%ld)",
                                api, code);
        } else {
            answer_event(services, curl, api, &event);
            finish_jobs(services, event.deadline_ms, stop);
        }
        free(event.bytes);
    }
    curl_easy_cleanup(curl);
    return *stop ? WI_OK : status;
}

void srv_lambda_failed(const char *api, const char *message)
{
    char url[300];
    transfer ignored = {0};
    CURL *curl = curl_easy_init();
    json_t *value = json_pack("{s:s,s:s}", "errorType", "Init", "errorMessage", message);
    char *text = json_dumps(value, JSON_COMPACT);
    snprintf(url, sizeof url, "http://%.200s/2018-06-01/runtime/init/error", api);
    if (curl && text) {
        ask(curl, url, text, &ignored);
    }
    free(ignored.bytes);
    free(text);
    json_decref(value);
    curl_easy_cleanup(curl);
}
