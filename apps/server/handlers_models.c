/* /v1/models, the model file for browsers, and what the server says about itself. */
#include "handlers.h"
#include "models.h"
#include "services.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *srv_model_json(srv_model *model, bool is_default)
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
        json_array_append_new(list, srv_model_json(model, i == 0));
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
        srv_json(response, 200, srv_model_json(model, is_default));
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
