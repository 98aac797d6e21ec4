/* /v1/models, the model file for browsers, and what the server says about itself. */
#include "http.h"
#include "metrics.h"
#include "models.h"
#include "openapi.h"
#include "router.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *model_json(srv_model *model, bool is_default)
{
    const srv_model_about *about = srv_model_describe(model);
    char url[300];
    json_t *value = json_pack(
        "{s:s,s:s,s:i,s:s,s:b,s:s,s:i,s:i,s:i,s:s,s:s,s:s,s:s,s:I,s:b}", "id", about->name,
        "object", "model", "created", 0, "owned_by", "whatsit", "default", is_default,
        "fingerprint", about->fingerprint, "dim", (int)about->dim, "image_px", (int)about->image_px,
        "context_length", (int)about->context_length, "weights", about->weights, "format",
        about->format, "licence", about->licence, "source", about->source, "n_parameters",
        (json_int_t)about->n_parameters, "sigmoid", about->sigmoid);
    json_object_set_new(value, "logit_scale", json_real((double)about->logit_scale));
    if (about->is_file) {
        snprintf(url, sizeof url, "/v1/models/%.100s/file/%s", about->name, about->file_sha256);
        json_object_set_new(value, "file",
                            json_pack("{s:s,s:s,s:I}", "url", url, "sha256", about->file_sha256,
                                      "n_bytes", (json_int_t)about->file_bytes));
    } else {
        json_object_set_new(value, "file", json_null());
    }
    return value;
}

void srv_handle_models(srv_request *request, srv_response *response)
{
    json_t *list = json_array();
    srv_model *model;
    for (size_t i = 0; (model = srv_models_at(request->models, i)); i++) {
        json_array_append_new(list, model_json(model, i == 0));
    }
    srv_json(response, 200, json_pack("{s:s,s:o}", "object", "list", "data", list));
}

static srv_model *find(const srv_request *request, srv_response *response)
{
    srv_model *model = srv_models_find(request->models, request->params[0]);
    if (!model) {
        srv_error(request, response, 404, "not_found", "there is no model '%.100s'",
                  request->params[0]);
    }
    return model;
}

void srv_handle_model(srv_request *request, srv_response *response)
{
    srv_model *model = find(request, response);
    if (model) {
        bool is_default = model == srv_models_at(request->models, 0);
        srv_json(response, 200, model_json(model, is_default));
    }
}

/* The path is the server's own; the request chooses among models by name only. */
void srv_handle_model_file(srv_request *request, srv_response *response)
{
    srv_model *model = find(request, response);
    const srv_model_about *about = model ? srv_model_describe(model) : NULL;
    char tag[70];
    if (!model) {
        return;
    }
    if (!about->is_file || (request->params[1] && strcmp(request->params[1], about->file_sha256))) {
        srv_error(request, response, 404, "not_found",
                  about->is_file
                      ? "the model's file has another hash now: see /v1/models"
                      : "this model is a folder: 'whatsit model convert' makes one file");
        return;
    }
    snprintf(tag, sizeof tag, "\"%s\"", about->file_sha256);
    srv_header(response, "ETag", tag);
    srv_header(response, "Cache-Control",
               request->params[1] ? "public, max-age=31536000, immutable" : "no-cache");
    if (srv_etag_matches(request, about->file_sha256)) {
        srv_empty(response, 304);
        return;
    }
    int fd = srv_model_file(model);
    if (fd < 0) {
        srv_error(request, response, 503, "changed",
                  "the model's file has changed: reload the server");
        return;
    }
    srv_header(response, "Content-Type", "application/octet-stream");
    srv_file_answer(request, response, about->file_sha256, fd, about->file_bytes);
}

/* ---- the server itself ---- */

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
    if (request->server->draining) {
        srv_error(request, response, 503, "draining", "the server is shutting down");
    } else if (store_ping(request->server->store, &error) != WI_OK) {
        srv_error(request, response, 503, "database", "the database does not answer");
    } else {
        srv_text(response, 200, "text/plain; charset=utf-8", "ready\n");
    }
}

void srv_handle_metrics(srv_request *request, srv_response *response)
{
    char *text = srv_metrics_text(request->server);
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
    if (store_usage_get(request->server->store, srv_request_owner(request), 31, days, &n, &error) !=
        WI_OK) {
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
