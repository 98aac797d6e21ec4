/* /v1/jobs. */
#include "archive.h"
#include "handlers.h"
#include "heads.h"
#include "jobs.h"
#include "models.h"
#include "pictures.h"
#include "services.h"
#include "webhook.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LISTED = 1000 };

/* A job is shown to its owner only. */
static bool find_job(const srv_request *request, store_job *job, srv_response *response)
{
    wi_error error = {0};
    wi_status status = store_job_get(request->services->store, request->params[0], job, &error);
    if (status == WI_OK && strcmp(job->owner, srv_request_owner(request))) {
        store_job_free(job);
        status =
            store_fail(&error, WI_ERR_NOT_FOUND, "there is no job '%.100s'", request->params[0]);
    }
    if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    return status == WI_OK;
}

void srv_handle_jobs_list(srv_request *request, srv_response *response)
{
    store_job *jobs = NULL;
    size_t n = 0;
    wi_error error = {0};
    if (store_job_list(request->services->store, srv_request_owner(request), MAX_LISTED, &jobs, &n,
                       &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, srv_job_json(&jobs[i]));
    }
    srv_json(response, 200, json_pack("{s:o}", "jobs", list));
    store_jobs_free(&jobs, n);
}

void srv_handle_job_get(srv_request *request, srv_response *response)
{
    store_job job = {0};
    if (find_job(request, &job, response)) {
        srv_header(response, "Cache-Control", "no-store");
        srv_json(response, 200, srv_job_json(&job));
    }
    store_job_free(&job);
}

void srv_handle_job_events(srv_request *request, srv_response *response)
{
    store_job job = {0};
    if (find_job(request, &job, response)) {
        srv_header(response, "Cache-Control", "no-store");
        srv_header(response, "Content-Type", "text/event-stream");
        srv_header(response, "X-Accel-Buffering", "no");
        response->status = 200;
        response->events_of_job = strdup(job.id);
    }
    store_job_free(&job);
}

void srv_handle_job_cancel(srv_request *request, srv_response *response)
{
    store_job job = {0};
    wi_error error = {0};
    if (!find_job(request, &job, response)) {
        return;
    }
    if (srv_job_is_over(&job)) {
        srv_json(response, 200, srv_job_json(&job));
    } else if (store_job_cancel(request->services->store, job.id, store_now_ms(), &error) ==
               WI_OK) {
        store_job_free(&job);
        if (find_job(request, &job, response)) {
            srv_json(response, 202, srv_job_json(&job));
        }
    } else {
        srv_error_of(request, response, &error);
    }
    store_job_free(&job);
}

void srv_handle_job_result(srv_request *request, srv_response *response)
{
    store_job job = {0};
    wi_error error = {0};
    if (!find_job(request, &job, response)) {
        return;
    }
    if (strcmp(job.kind, "classify")) {
        srv_error(request, response, 404, "not_found", "a job of a head leaves the head");
    } else if (strcmp(job.state, "done")) {
        srv_error(request, response, 409, "not_done", "the job is %s", job.state);
    } else if (store_job_file(request->services->store, job.id, true, &response->body,
                              &response->n_body, &error) != WI_OK) {
        srv_error_of(request, response, &error);
    } else {
        srv_header(response, "Content-Type", "application/json");
        response->status = 200;
    }
    store_job_free(&job);
}

/* ---- an archive of pictures ---- */

static bool is_archive(const srv_request *request)
{
    return srv_is_type(request, "application/zip") ||
           srv_is_type(request, "application/x-zip-compressed") ||
           srv_is_type(request, "application/x-tar");
}

static bool check_archive(srv_request *request, size_t *n, srv_response *response)
{
    srv_archive archive = {0};
    wi_error error = {0};
    if (request->asker.is_guest) {
        srv_error(request, response, 403, "no_key", "archives are for those who have a key");
        return false;
    }
    if (!is_archive(request)) {
        srv_error(request, response, 415, "not_an_archive",
                  "the body must be application/zip or application/x-tar");
        return false;
    }
    if (srv_archive_read(request->body, request->n_body, SRV_MAX_UNPACKED_BYTES, &archive,
                         &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return false;
    }
    *n = archive.n;
    srv_archive_free(&archive);
    return true;
}

/* Takes 'webhook' out of the query, whose other names are those of /v1/classify. False: it may not be told. */
static bool take_webhook(srv_request *request, char **url, srv_response *response)
{
    srv_pairs *query = &request->query;
    for (size_t i = 0; i < query->n;) {
        if (strcmp(query->items[i].name, "webhook")) {
            i++;
            continue;
        }
        free(*url);
        free(query->items[i].name);
        *url = query->items[i].value;
        query->items[i] = query->items[--query->n];
    }
    if (*url && !srv_webhook_allows(request->services->webhook, *url)) {
        srv_error(request, response, 403, "webhook",
                  "'webhook' is no address that this server may tell: its operator lists them with "
                  "--webhook");
        return false;
    }
    return true;
}

void srv_handle_job_new(srv_request *request, srv_response *response)
{
    size_t n = 0;
    char id[40], place[64];
    wi_error error = {0};
    store_job job = {0};
    char *url = NULL, secret[SRV_WEBHOOK_SECRET_BYTES];
    if (!take_webhook(request, &url, response) || !check_archive(request, &n, response) ||
        !srv_classify_check(request, response)) {
        free(url);
        return;
    }
    json_t *asked = json_array();
    if (url) {
        json_array_append_new(asked, json_pack("[s,s]", "webhook", url));
    }
    for (size_t i = 0; i < request->query.n; i++) {
        json_array_append_new(
            asked, json_pack("[s,s]", request->query.items[i].name, request->query.items[i].value));
    }
    const store_job what = {.owner = (char *)(uintptr_t)srv_request_owner(request),
                            .kind = (char *)(uintptr_t)"classify",
                            .total = (int64_t)n,
                            .file = request->body,
                            .n_file = request->n_body};
    wi_status status = srv_jobs_add(request->services->jobs, &what, asked, id, &error);
    status = status ? status : store_job_get(request->services->store, id, &job, &error);
    if (status == WI_OK) {
        snprintf(place, sizeof place, "/v1/jobs/%.33s", id);
        srv_header(response, "Location", place);
        json_t *said = srv_job_json(&job);
        if (url) {
            srv_webhook_secret(request->services->webhook, what.owner, secret);
            json_object_set_new(said, "webhook_secret", json_string(secret));
        }
        srv_json(response, 202, said);
    } else {
        srv_error_of(request, response, &error);
    }
    free(url);
    json_decref(asked);
    store_job_free(&job);
}

/* The key may have been revoked since: then nothing more is done for it. */
static bool stand_for(srv_request *request, const char *owner, srv_response *response)
{
    wi_error error = {0};
    request->is_local = !owner[0];
    if (!owner[0]) {
        return true;
    }
    wi_status status = store_key_get(request->services->store, owner, &request->key, &error);
    if (status == WI_OK && request->key.revoked_ms) {
        srv_error(request, response, 403, "revoked", "the key has been revoked");
    } else if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    return status == WI_OK && !request->key.revoked_ms;
}

json_t *srv_look_for_job(void *context, const char *owner, const json_t *asked, const void *bytes,
                         size_t n_bytes, unsigned *status)
{
    srv_response response;
    srv_request request = {.services = context,
                           .asker = {.client = srv_client_of(owner), .gives_way = true},
                           .body = (uint8_t *)(uintptr_t)bytes,
                           .n_body = n_bytes};
    srv_response_init(&response);
    request.models = srv_models_hold(request.services->catalog);
    for (size_t i = 0; i < json_array_size(asked); i++) {
        const json_t *pair = json_array_get(asked, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        if (strcmp(name, "webhook")) {
            srv_pairs_add(&request.query, name, json_string_value(json_array_get(pair, 1)));
        }
    }
    if (stand_for(&request, owner, &response)) {
        srv_handle_classify(&request, &response);
    }
    *status = response.status;
    json_t *found = json_loadb(response.body, response.n_body, 0, NULL);
    srv_models_release(&request.models);
    request.body = NULL; /* the caller's */
    srv_request_free(&request);
    srv_response_free(&response);
    return found;
}
