/* What the server says about itself. */
#include "decoder.h"
#include "handlers.h"
#include "http.h"
#include "metrics.h"
#include "models.h"
#include "openapi.h"
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

void srv_handle_readyz(srv_request *request, srv_response *response)
{
    wi_error error = {0};
    srv_header(response, "Cache-Control", "no-store");
    if (request->services->draining) {
        srv_error(request, response, 503, "draining", "the server is shutting down");
    } else if (store_ping(request->services->store, &error) != WI_OK) {
        srv_error(request, response, 503, "database", "the database does not answer");
    } else {
        srv_text(response, 200, "text/plain; charset=utf-8", "ready\n");
    }
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
    srv_metrics_write(services->metrics, out);
    srv_models *models = srv_models_hold(services->catalog);
    write_models(models, out);
    srv_models_release(&models);
    fprintf(out,
            "# TYPE whatsit_connections gauge\nwhatsit_connections %u\n"
            "# TYPE whatsit_requests_waiting gauge\nwhatsit_requests_waiting %u\n"
            "# TYPE whatsit_requests_running gauge\nwhatsit_requests_running %u\n"
            "# TYPE whatsit_decoder_deaths_total counter\nwhatsit_decoder_deaths_total %llu\n"
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %lld\n",
            load.n_connections, load.n_waiting, load.n_running,
            (unsigned long long)srv_decoder_deaths(services->decoder),
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
    response->fixed_body = srv_openapi;
    response->n_body = srv_openapi_bytes;
}

void srv_handle_usage(srv_request *request, srv_response *response)
{
    store_usage days[31];
    size_t n = 0;
    wi_error error = {0};
    if (store_usage_get(request->services->store, srv_request_owner(request), 31, days, &n,
                        &error) != WI_OK) {
        srv_error(request, response, 503, "database", "the database does not answer");
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
