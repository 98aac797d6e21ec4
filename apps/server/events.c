/* Server-sent events: a stream sleeps, its connection suspended, until the ticker has news. */
#include "clock.h"
#include "exchange.h"
#include "jobs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STREAMS = 256, MAX_STREAMS_EACH = 64, HEARTBEAT_MS = 10000, POLL_MS = 400 };

typedef struct srv_stream {
    srv_http *http;
    struct MHD_Connection *connection;
    char *job, *owner;
    char text[2048]; /* what is to be sent */
    size_t n, sent;
    char last[256]; /* state and progress that were sent last */
    bool suspended, over;
    double told_ms, polled_ms;
    struct srv_stream *next;
} srv_stream;

static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t max)
{
    srv_stream *stream = context;
    srv_http *http = stream->http;
    ssize_t n = 0;
    (void)position;
    pthread_mutex_lock(&http->streams_mutex);
    if (stream->sent < stream->n) {
        size_t left = stream->n - stream->sent;
        n = (ssize_t)(left < max ? left : max);
        memcpy(buffer, stream->text + stream->sent, (size_t)n);
        stream->sent += (size_t)n;
    } else if (stream->over || http->streams_end) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&http->streams_mutex);
    return n;
}

static void free_stream(void *context)
{
    srv_stream *stream = context, **at;
    srv_http *http = stream->http;
    pthread_mutex_lock(&http->streams_mutex);
    for (at = &http->streams; *at && *at != stream; at = &(*at)->next) {
    }
    if (*at) {
        *at = stream->next;
        http->n_streams--;
    }
    pthread_mutex_unlock(&http->streams_mutex);
    free(stream->job);
    free(stream->owner);
    free(stream);
}

/* Called with the mutex held. */
static bool fits(const srv_http *http, const char *owner)
{
    unsigned n_own = 0;
    for (const srv_stream *stream = http->streams; stream; stream = stream->next) {
        n_own += !strcmp(stream->owner, owner);
    }
    return http->n_streams < MAX_STREAMS && n_own < MAX_STREAMS_EACH && !http->streams_end;
}

struct MHD_Response *srv_stream_open(srv_http *http, struct MHD_Connection *connection,
                                     const char *job, const char *owner)
{
    srv_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        return NULL;
    }
    stream->http = http;
    stream->connection = connection;
    stream->job = strdup(job);
    stream->owner = strdup(owner);
    stream->told_ms = srv_clock_ms();
    pthread_mutex_lock(&http->streams_mutex);
    bool opens = stream->job && stream->owner && fits(http, owner);
    if (opens) {
        stream->next = http->streams;
        http->streams = stream;
        http->n_streams++;
    }
    pthread_mutex_unlock(&http->streams_mutex);
    struct MHD_Response *response =
        opens ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, read_stream, stream,
                                                  free_stream)
              : NULL;
    if (!response) {
        free_stream(stream);
    }
    return response;
}

/* Called with the mutex held. */
static void say(srv_stream *stream, const store_job *job, double now)
{
    char state[256];
    snprintf(state, sizeof state, "%s %lld %lld", job->state, (long long)job->done,
             (long long)job->total);
    if (strcmp(state, stream->last)) {
        json_t *value = srv_job_json(job);
        char *text = json_dumps(value, JSON_COMPACT);
        bool over = srv_job_is_over(job);
        int n = snprintf(stream->text, sizeof stream->text, "event: %s\ndata: %s\n\n",
                         over ? "end" : "progress", text ? text : "{}");
        stream->n = n > 0 && (size_t)n < sizeof stream->text ? (size_t)n : 0;
        stream->sent = 0;
        stream->over = over;
        stream->told_ms = now;
        snprintf(stream->last, sizeof stream->last, "%s", state);
        free(text);
        json_decref(value);
    } else if (now - stream->told_ms > HEARTBEAT_MS) {
        stream->n = (size_t)snprintf(stream->text, sizeof stream->text, ": still here\n\n");
        stream->sent = 0;
        stream->told_ms = now;
    }
}

/* The jobs of the streams that are to be polled; the caller frees. */
static size_t due(srv_http *http, double now, char *jobs[MAX_STREAMS])
{
    size_t n = 0;
    pthread_mutex_lock(&http->streams_mutex);
    for (srv_stream *stream = http->streams; stream && n < MAX_STREAMS; stream = stream->next) {
        if (stream->suspended && now - stream->polled_ms > POLL_MS) {
            stream->polled_ms = now;
            jobs[n] = strdup(stream->job);
            n += jobs[n] != NULL;
        }
    }
    pthread_mutex_unlock(&http->streams_mutex);
    return n;
}

/* The database is asked without the mutex, which the threads that read requests need too. */
static void poll_job(srv_http *http, const char *id, double now)
{
    store_job job = {0};
    wi_status status = store_job_get(http->services->store, id, &job, NULL);
    pthread_mutex_lock(&http->streams_mutex);
    for (srv_stream *stream = http->streams; stream; stream = stream->next) {
        if (stream->suspended && !strcmp(stream->job, id)) {
            stream->over = stream->over || status == WI_ERR_NOT_FOUND;
            if (status == WI_OK) {
                say(stream, &job, now);
            }
        }
    }
    pthread_mutex_unlock(&http->streams_mutex);
    store_job_free(&job);
}

void srv_streams_tick(srv_http *http, bool end)
{
    char *jobs[MAX_STREAMS];
    double now = srv_clock_ms();
    size_t n = end ? 0 : due(http, now, jobs);
    for (size_t i = 0; i < n; i++) {
        poll_job(http, jobs[i], now);
        free(jobs[i]);
    }
    pthread_mutex_lock(&http->streams_mutex);
    http->streams_end = http->streams_end || end;
    for (srv_stream *stream = http->streams; stream; stream = stream->next) {
        if (stream->suspended && (end || stream->over || stream->sent < stream->n)) {
            stream->suspended = false;
            MHD_resume_connection(stream->connection);
        }
    }
    pthread_mutex_unlock(&http->streams_mutex);
}
