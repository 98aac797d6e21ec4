/* What the server says about itself. */
#include "decoder.h"
#include "embedded.h"
#include "handlers.h"
#include "health.h"
#include "http.h"
#include "memory.h"
#include "metrics.h"
#include "models.h"
#include "services.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void srv_handle_healthz(srv_request *request, srv_response *response)
{
    (void)request;
    srv_header(response, "Cache-Control", "no-store");
    srv_text(response, 200, "text/plain; charset=utf-8", "ok\n");
}

/* Never waits: what is told was seen a moment ago. */
void srv_handle_readyz(srv_request *request, srv_response *response)
{
    srv_services *services = request->services;
    json_t *reasons = srv_health_reasons(services->health);
    if (services->draining) {
        json_array_append_new(reasons, json_pack("{s:s,s:s,s:n}", "reason", "draining", "message",
                                                 "the server is shutting down", "since_ms"));
    }
    bool ready = json_array_size(reasons) == 0;
    srv_header(response, "Cache-Control", "no-store");
    if (!ready) {
        srv_header(response, "Retry-After", "2");
    }
    srv_json(response, ready ? 200 : 503,
             json_pack("{s:b,s:o}", "ready", ready, "reasons", reasons));
}

static void write_models(const srv_models *models, FILE *out)
{
    enum { N_COUNTERS = 5 };
    static const char *const names[] = {"batches_total",          "images_total",
                                        "encode_seconds_total",   "described_batches_total",
                                        "described_images_total", "images_waiting",
                                        "describing_waiting",     "towers_open"};
    for (size_t kind = 0; kind < sizeof names / sizeof names[0]; kind++) {
        fprintf(out, "# TYPE whatsit_%s %s\n", names[kind],
                kind < N_COUNTERS ? "counter" : "gauge");
        srv_model *model;
        for (size_t i = 0; (model = srv_models_at(models, i)); i++) {
            srv_encoder_figures figures;
            srv_describer_figures words;
            srv_model_measure(model, &figures);
            srv_model_measure_words(model, &words);
            unsigned towers = srv_model_towers_open(model);
            double values[] = {(double)figures.n_batches, (double)figures.n_images,
                               figures.seconds,           (double)words.n_batches,
                               (double)words.n_pictures,  (double)figures.n_waiting,
                               (double)words.n_waiting,   (double)((towers & 1u) + (towers >> 1))};
            fprintf(out, "whatsit_%s{model=\"%s\"} %.15g\n", names[kind],
                    srv_model_describe(model)->name, values[kind]);
        }
    }
}

static void write_decoding(const srv_decoder_figures *f, FILE *out)
{
    static const char *const classes[SRV_N_DECODING] = {"cheap", "heavy", "costly"};
    static const char *const names[] = {"decoded_pictures_total", "decoding_seconds_total",
                                        "decoding_waiting", "decoding_oldest_seconds"};
    for (size_t kind = 0; kind < sizeof names / sizeof names[0]; kind++) {
        fprintf(out, "# TYPE whatsit_%s %s\n", names[kind], kind < 2 ? "counter" : "gauge");
        for (size_t class = 0; class < SRV_N_DECODING; class ++) {
            const double values[] = {(double)f->n_pictures[class], f->seconds[class],
                                     (double)f->n_waiting[class], f->age_s[class]};
            fprintf(out, "whatsit_%s{class=\"%s\"} %.15g\n", names[kind], classes[class],
                    values[kind]);
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

static char *metrics_text(srv_services *services)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out) {
        return NULL;
    }
    srv_http_load load = {0};
    if (services->http) {
        srv_http_get_load(services->http, &load);
    }
    srv_decoder_figures decoding;
    srv_decoder_measure(services->decoder, &decoding);
    srv_metrics_write(services->metrics, out);
    write_decoding(&decoding, out);
    srv_models *models = srv_models_hold(services->catalog);
    write_models(models, out);
    srv_models_release(&models);
    fprintf(out,
            "# TYPE whatsit_connections gauge\nwhatsit_connections %u\n"
            "# TYPE whatsit_requests_waiting gauge\nwhatsit_requests_waiting %u\n"
            "# TYPE whatsit_requests_oldest_seconds gauge\nwhatsit_requests_oldest_seconds %.3f\n"
            "# TYPE whatsit_requests_running gauge\nwhatsit_requests_running %u\n"
            "# TYPE whatsit_decoder_deaths_total counter\nwhatsit_decoder_deaths_total %llu\n"
            "# TYPE whatsit_held_bytes gauge\nwhatsit_held_bytes %zu\n"
            "# TYPE whatsit_database_errors_total counter\nwhatsit_database_errors_total %llu\n"
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %lld\n",
            load.n_connections, load.n_waiting, load.age_s, load.n_running,
            (unsigned long long)decoding.n_deaths, srv_memory_held(services->memory),
            (unsigned long long)srv_health_database_errors(services->health),
            (long long)resident_pages() * sysconf(_SC_PAGESIZE));
    return fclose(out) == 0 ? text : NULL;
}

void srv_handle_metrics(srv_request *request, srv_response *response)
{
    char *text = metrics_text(request->services);
    if (!text) {
        srv_error(request, response, 503, "nomem", "out of memory");
        return;
    }
    srv_header(response, "Cache-Control", "no-store");
    srv_text(response, 200, "text/plain; version=0.0.4; charset=utf-8", text);
    free(text);
}

void srv_handle_openapi(srv_request *request, srv_response *response)
{
    (void)request;
    srv_header(response, "Content-Type", "application/json");
    srv_header(response, "Cache-Control", "no-cache");
    response->status = 200;
    response->fixed_body = srv_file_openapi;
    response->n_body = srv_file_openapi_bytes;
}

void srv_handle_usage(srv_request *request, srv_response *response)
{
    store_usage days[31];
    size_t n = 0;
    wi_error error = {0};
    if (store_usage_get(request->services->store, srv_request_owner(request), 31, days, &n,
                        &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I,s:I,s:I,s:I}", "day", (json_int_t)days[i].day,
                                              "requests", (json_int_t)days[i].requests, "heads",
                                              (json_int_t)days[i].heads, "bytes",
                                              (json_int_t)days[i].bytes));
    }
    srv_json(response, 200, json_pack("{s:s?,s:o}", "key", request->key.id, "days", list));
}
