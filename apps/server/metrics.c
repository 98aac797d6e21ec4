#include "metrics.h"
#include "decoder.h"
#include "encoder.h"
#include "http.h"
#include "models.h"
#include "router.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ROUTES = 48, N_CLASSES = 6, N_BUCKETS = 10 };

static const double bounds[N_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 10};

struct srv_metrics {
    atomic_uint_fast64_t counts[MAX_ROUTES][N_CLASSES];
    atomic_uint_fast64_t buckets[N_BUCKETS + 1];
    atomic_uint_fast64_t n, sum_us;
};

wi_status srv_metrics_open(srv_server *server, srv_metrics **out, wi_error *error)
{
    (void)server;
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
    for (size_t i = 0; route && i + 1 < MAX_ROUTES; i++) {
        if (srv_route_at(i) == route) {
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

static void write_requests(srv_metrics *metrics, FILE *out)
{
    uint64_t n = 0;
    fprintf(out, "# HELP whatsit_requests_total Answered requests.\n"
                 "# TYPE whatsit_requests_total counter\n");
    for (size_t i = 0; i < MAX_ROUTES; i++) {
        const srv_route *route = i + 1 < MAX_ROUTES ? srv_route_at(i) : NULL;
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

static void write_models(const srv_models *models, FILE *out)
{
    static const char *const names[] = {"batches_total", "images_total", "encode_seconds_total",
                                        "images_waiting", "towers_open"};
    for (size_t kind = 0; kind < sizeof names / sizeof names[0]; kind++) {
        fprintf(out, "# TYPE whatsit_%s %s\n", names[kind], kind < 3 ? "counter" : "gauge");
        srv_model *model;
        for (size_t i = 0; (model = srv_models_at(models, i)); i++) {
            srv_encoder_figures figures;
            srv_encoder_measure(srv_model_encoder(model), &figures);
            unsigned towers = srv_model_towers_open(model);
            double values[] = {(double)figures.n_batches, (double)figures.n_images, figures.seconds,
                               (double)figures.n_waiting, (double)((towers & 1u) + (towers >> 1))};
            fprintf(out, "whatsit_%s{model=\"%s\"} %.15g\n", names[kind],
                    srv_model_describe(model)->name, values[kind]);
        }
    }
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return resident;
}

char *srv_metrics_text(srv_server *server)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out) {
        return NULL;
    }
    srv_http_load load = {0};
    if (server->http) {
        srv_http_get_load(server->http, &load);
    }
    write_requests(server->metrics, out);
    srv_models *models = srv_models_hold(server);
    write_models(models, out);
    srv_models_release(&models);
    fprintf(out,
            "# TYPE whatsit_connections gauge\nwhatsit_connections %u\n"
            "# TYPE whatsit_requests_waiting gauge\nwhatsit_requests_waiting %u\n"
            "# TYPE whatsit_requests_running gauge\nwhatsit_requests_running %u\n"
            "# TYPE whatsit_decoder_deaths_total counter\nwhatsit_decoder_deaths_total %llu\n"
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %lld\n",
            load.n_connections, load.n_waiting, load.n_running,
            (unsigned long long)srv_decoder_deaths(server->decoder),
            (long long)resident_pages() * sysconf(_SC_PAGESIZE));
    return fclose(out) == 0 ? text : NULL;
}
