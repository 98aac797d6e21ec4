#include "log.h"
#include "clock.h"
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_SUBJECTS = 16, QUIET_MS = 5000 };

struct srv_log {
    srv_log_options options;
    char *path;
    pthread_mutex_t mutex;
    FILE *requests; /* NULL: none */
    struct {
        const char *name; /* compared by address: they are constants */
        double said_ms;
        unsigned n_left_out;
    } subjects[N_SUBJECTS];
};

static wi_status open_requests(srv_log *log, FILE **out, wi_error *error)
{
    bool here = log->path && !strcmp(log->path, "-");
    *out = !log->path ? NULL : here ? stderr : fopen(log->path, "ae");
    if (log->path && !*out) {
        return store_fail(error, WI_ERR_IO, "%.150s: %s", log->path, strerror(errno));
    }
    return WI_OK;
}

wi_status srv_log_open(const srv_log_options *options, srv_log **out, wi_error *error)
{
    srv_log *log = calloc(1, sizeof *log);
    if (!log || (options->access_path && !(log->path = strdup(options->access_path)))) {
        free(log);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    log->options = *options;
    pthread_mutex_init(&log->mutex, NULL);
    wi_status status = open_requests(log, &log->requests, error);
    if (status != WI_OK) {
        srv_log_close(&log);
    }
    *out = log;
    return status;
}

static void close_requests(FILE *file)
{
    if (file && file != stderr) {
        fclose(file);
    }
}

void srv_log_close(srv_log **log)
{
    if (*log) {
        close_requests((*log)->requests);
        pthread_mutex_destroy(&(*log)->mutex);
        free((*log)->path);
    }
    free(*log);
    *log = NULL;
}

wi_status srv_log_reopen(srv_log *log, wi_error *error)
{
    FILE *file = NULL;
    wi_status status = open_requests(log, &file, error);
    if (status == WI_OK) {
        pthread_mutex_lock(&log->mutex);
        FILE *old = log->requests;
        log->requests = file;
        pthread_mutex_unlock(&log->mutex);
        close_requests(old);
    }
    return status;
}

bool srv_log_has_requests(const srv_log *log)
{
    return log && log->path;
}

static void now_text(char text[40])
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + n, 40 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Bytes of strangers: nothing of theirs may end a line or pass for another one. */
static void plain(const char *from, char *to, size_t n_to)
{
    size_t n = 0;
    for (; from && *from && n + 5 < n_to; from++) {
        unsigned char c = (unsigned char)*from;
        n += (size_t)snprintf(to + n, n_to - n,
                              c > 0x20 && c < 0x7f && c != '"' && c != '\\' ? "%c" : "\\x%02x", c);
    }
    to[n] = '\0';
}

static json_t *text_json(const char *text)
{
    char safe[700];
    json_t *value = text ? json_string(text) : json_null();
    if (!value) {
        plain(text, safe, sizeof safe);
        value = json_string(safe);
    }
    return value;
}

/* How often it was left out before, or -1: leave it out now too. */
static int may_say(srv_log *log, const char *subject)
{
    double now = srv_clock_ms();
    int n = 0;
    for (size_t i = 0; i < N_SUBJECTS; i++) {
        if (!log->subjects[i].name || log->subjects[i].name == subject) {
            bool is_new = !log->subjects[i].name;
            log->subjects[i].name = subject;
            if (!is_new && now - log->subjects[i].said_ms < QUIET_MS) {
                log->subjects[i].n_left_out++;
                return -1;
            }
            n = (int)log->subjects[i].n_left_out;
            log->subjects[i].n_left_out = 0;
            log->subjects[i].said_ms = now;
            return n;
        }
    }
    return n;
}

void srv_log_say(srv_log *log, srv_log_level level, const char *subject, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char text[600], when[40];
    if (!log || level > log->options.level) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    now_text(when);
    pthread_mutex_lock(&log->mutex);
    int n_before = may_say(log, subject);
    if (n_before >= 0 && log->options.json) {
        json_t *value =
            json_pack("{s:s,s:s,s:s,s:o,s:i}", "time", when, "level", names[level], "subject",
                      subject, "message", text_json(text), "left_out", n_before);
        char *line = json_dumps(value, JSON_COMPACT);
        fprintf(stderr, "%s\n", line ? line : "{}");
        free(line);
        json_decref(value);
    } else if (n_before >= 0) {
        for (char *c = text; *c; c++) {
            *c = (unsigned char)*c < 0x20 ? ' ' : *c;
        }
        fprintf(stderr, "whatsit: %s %s: %s: %s", when, names[level], subject, text);
        fprintf(stderr, n_before ? " (and %d times before)\n" : "\n", n_before);
    }
    pthread_mutex_unlock(&log->mutex);
}

static char *json_line(const srv_log_line *l, const char *when)
{
    json_t *value =
        json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:i,s:o,s:I,s:I,s:f,s:f,s:o}", "time", when, "id",
                  text_json(l->id), "client", text_json(l->client), "key", text_json(l->key),
                  "method", text_json(l->method), "path", text_json(l->path), "route",
                  text_json(l->route), "status", (int)l->status, "code", text_json(l->code),
                  "bytes_in", (json_int_t)l->n_in, "bytes_out", (json_int_t)l->n_out, "seconds",
                  l->seconds, "waited", l->waited_s, "traceparent", text_json(l->trace));
    char *line = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(value);
    return line;
}

static char *text_line(const srv_log_line *l, const char *when)
{
    char method[40], path[500], *line = malloc(1200);
    plain(l->method, method, sizeof method);
    plain(l->path, path, sizeof path);
    if (line) {
        snprintf(
            line, 1200, "%s %s %s %s \"%s %s\" %u %s in %llu out %llu %.3f s, waited %.3f s%s%.80s",
            when, l->id, l->client, l->key ? l->key : "-", method, path, l->status,
            l->code ? l->code : "-", (unsigned long long)l->n_in, (unsigned long long)l->n_out,
            l->seconds, l->waited_s, l->trace ? " traceparent " : "", l->trace ? l->trace : "");
    }
    return line;
}

void srv_log_request(srv_log *log, const srv_log_line *l)
{
    char when[40];
    if (!srv_log_has_requests(log)) {
        return;
    }
    now_text(when);
    char *line = log->options.json ? json_line(l, when) : text_line(l, when);
    pthread_mutex_lock(&log->mutex);
    if (line && log->requests) {
        fprintf(log->requests, "%s\n", line);
        fflush(log->requests);
    }
    pthread_mutex_unlock(&log->mutex);
    free(line);
}
