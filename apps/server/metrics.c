#include "metrics.h"
#include "route.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUTES = 64, N_CLASSES = 6, N_BUCKETS = 12, MAX_REASONS = 128 };

static const double bounds[N_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,   0.25,   0.5,   1,    2.5,   10};

typedef struct timing {
    atomic_uint_fast64_t buckets[N_BUCKETS + 1], sum_us;
} timing;

typedef struct reason {
    size_t route;
    unsigned status;
    char code[40];
    uint64_t n;
} reason;

struct srv_metrics {
    atomic_uint_fast64_t counts[MAX_ROUTES][N_CLASSES];
    timing timings[MAX_ROUTES];
    pthread_mutex_t mutex; /* guards the reasons */
    reason reasons[MAX_REASONS];
    size_t n_reasons;
};

wi_status srv_metrics_open(srv_metrics **out, wi_error *error)
{
    *out = calloc(1, sizeof **out);
    if (!*out) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_mutex_init(&(*out)->mutex, NULL);
    return WI_OK;
}

void srv_metrics_close(srv_metrics **metrics)
{
    if (*metrics) {
        pthread_mutex_destroy(&(*metrics)->mutex);
    }
    free(*metrics);
    *metrics = NULL;
}

/* The last row counts requests that fitted no route. */
static size_t index_of(const srv_route *route)
{
    for (size_t i = 0; route && i < srv_n_routes && i + 1 < MAX_ROUTES; i++) {
        if (&srv_routes[i] == route) {
            return i;
        }
    }
    return MAX_ROUTES - 1;
}

static void count_reason(srv_metrics *metrics, size_t route, unsigned status, const char *code)
{
    pthread_mutex_lock(&metrics->mutex);
    reason *r = metrics->reasons, *end = r + metrics->n_reasons;
    while (r < end && !(r->route == route && r->status == status && !strcmp(r->code, code))) {
        r++;
    }
    if (r == end && metrics->n_reasons < MAX_REASONS) {
        metrics->n_reasons++;
        *r = (reason){.route = route, .status = status};
        snprintf(r->code, sizeof r->code, "%s", code);
        end++;
    }
    if (r < end) {
        r->n++;
    }
    pthread_mutex_unlock(&metrics->mutex);
}

void srv_metrics_count(srv_metrics *metrics, const srv_route *route, unsigned status,
                       const char *code, double seconds)
{
    size_t bucket = 0, index = index_of(route);
    while (bucket < N_BUCKETS && seconds > bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add(&metrics->counts[index][status / 100 % N_CLASSES], 1);
    atomic_fetch_add(&metrics->timings[index].buckets[bucket], 1);
    atomic_fetch_add(&metrics->timings[index].sum_us, (uint64_t)(seconds * 1e6));
    if (code && status >= 400) {
        count_reason(metrics, index, status, code);
    }
}

static void names_of(size_t index, const char **method, const char **pattern)
{
    *method = index < srv_n_routes ? srv_routes[index].method : "";
    *pattern = index < srv_n_routes ? srv_routes[index].pattern : "none";
}

static void write_counts(const srv_metrics *metrics, FILE *out)
{
    const char *method, *pattern;
    fprintf(out, "# HELP whatsit_requests_total Answered requests.\n"
                 "# TYPE whatsit_requests_total counter\n");
    for (size_t i = 0; i < MAX_ROUTES; i++) {
        names_of(i, &method, &pattern);
        for (unsigned class = 1; class < N_CLASSES; class ++) {
            uint64_t count = metrics->counts[i][class];
            if (count > 0) {
                fprintf(out,
                        "whatsit_requests_total{method=\"%s\",route=\"%s\",status=\"%uxx\"} %llu\n",
                        method, pattern, class, (unsigned long long)count);
            }
        }
    }
}

static void write_timing(const timing *t, const char *method, const char *pattern, FILE *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= N_BUCKETS; i++) {
        n += t->buckets[i];
        char bound[24] = "+Inf";
        if (i < N_BUCKETS) {
            snprintf(bound, sizeof bound, "%g", bounds[i]);
        }
        fprintf(out, "whatsit_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"%s\"} %llu\n",
                method, pattern, bound, (unsigned long long)n);
    }
    fprintf(out,
            "whatsit_request_seconds_sum{method=\"%s\",route=\"%s\"} %.6f\n"
            "whatsit_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
            method, pattern, (double)t->sum_us / 1e6, method, pattern, (unsigned long long)n);
}

static bool has_any(const timing *t)
{
    bool any = false;
    for (size_t i = 0; i <= N_BUCKETS; i++) {
        any = any || t->buckets[i] > 0;
    }
    return any;
}

void srv_metrics_write(srv_metrics *metrics, FILE *out)
{
    const char *method, *pattern;
    write_counts(metrics, out);
    fprintf(out, "# HELP whatsit_request_seconds Time from a request's last byte to its answer.\n"
                 "# TYPE whatsit_request_seconds histogram\n");
    for (size_t i = 0; i < MAX_ROUTES; i++) {
        if (has_any(&metrics->timings[i])) {
            names_of(i, &method, &pattern);
            write_timing(&metrics->timings[i], method, pattern, out);
        }
    }
    fprintf(out,
            "# HELP whatsit_refusals_total Answers of 400 and above, by the code of their error.\n"
            "# TYPE whatsit_refusals_total counter\n");
    pthread_mutex_lock(&metrics->mutex);
    for (size_t i = 0; i < metrics->n_reasons; i++) {
        const reason *r = &metrics->reasons[i];
        names_of(r->route, &method, &pattern);
        fprintf(
            out,
            "whatsit_refusals_total{method=\"%s\",route=\"%s\",status=\"%u\",reason=\"%s\"} %llu\n",
            method, pattern, r->status, r->code, (unsigned long long)r->n);
    }
    pthread_mutex_unlock(&metrics->mutex);
}
