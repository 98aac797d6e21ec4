#include "metrics.h"
#include "route.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUTES = 48, N_CLASSES = 6, N_BUCKETS = 10 };

static const double bounds[N_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 10};

struct srv_metrics {
    atomic_uint_fast64_t counts[MAX_ROUTES][N_CLASSES];
    atomic_uint_fast64_t buckets[N_BUCKETS + 1];
    atomic_uint_fast64_t n, sum_us;
};

wi_status srv_metrics_open(srv_metrics **out, wi_error *error)
{
    *out = calloc(1, sizeof **out);
    return *out ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
}

void srv_metrics_close(srv_metrics **metrics)
{
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

void srv_metrics_count(srv_metrics *metrics, const srv_route *route, unsigned status,
                       double seconds)
{
    size_t bucket = 0;
    while (bucket < N_BUCKETS && seconds > bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add(&metrics->counts[index_of(route)][status / 100 % N_CLASSES], 1);
    atomic_fetch_add(&metrics->buckets[bucket], 1);
    atomic_fetch_add(&metrics->n, 1);
    atomic_fetch_add(&metrics->sum_us, (uint64_t)(seconds * 1e6));
}

void srv_metrics_write(srv_metrics *metrics, FILE *out)
{
    uint64_t n = 0;
    fprintf(out, "# HELP whatsit_requests_total Answered requests.\n"
                 "# TYPE whatsit_requests_total counter\n");
    for (size_t i = 0; i < MAX_ROUTES; i++) {
        const srv_route *route = i < srv_n_routes ? &srv_routes[i] : NULL;
        if (!route && i + 1 < MAX_ROUTES) {
            i = MAX_ROUTES - 1;
        }
        for (unsigned class = 1; class < N_CLASSES; class ++) {
            uint64_t count = metrics->counts[i][class];
            if (count > 0) {
                fprintf(out,
                        "whatsit_requests_total{method=\"%s\",route=\"%s\",status=\"%uxx\"} %llu\n",
                        route ? route->method : "", route ? route->pattern : "none", class,
                        (unsigned long long)count);
            }
        }
    }
    fprintf(out, "# HELP whatsit_request_seconds Time from a request's end to its answer.\n"
                 "# TYPE whatsit_request_seconds histogram\n");
    for (size_t i = 0; i <= N_BUCKETS; i++) {
        n += metrics->buckets[i];
        if (i < N_BUCKETS) {
            fprintf(out, "whatsit_request_seconds_bucket{le=\"%g\"} %llu\n", bounds[i],
                    (unsigned long long)n);
        }
    }
    fprintf(out,
            "whatsit_request_seconds_bucket{le=\"+Inf\"} %llu\nwhatsit_request_seconds_sum %.6f\n"
            "whatsit_request_seconds_count %llu\n",
            (unsigned long long)n, (double)metrics->sum_us / 1e6, (unsigned long long)n);
}
