/* /v1/heads. */
#include "config.h"
#include "fields.h"
#include "handlers.h"
#include "heads.h"
#include "jobs.h"
#include "keys.h"
#include "models.h"
#include "pictures.h"
#include "recipes.h"
#include "services.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More prompts than this take long enough to be a job; so do more examples. */
enum { QUICK_PROMPTS = 400, QUICK_EXAMPLES = 16, MAX_PROMPTS = 2000000, MAX_LISTED = 1000 };

static json_t *stored_json(const srv_request *request, const store_head *head)
{
    json_t *value =
        json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:s,s:b,s:I}", "name", head->name, "kind", head->kind,
                  "model", head->model, "fingerprint", head->fingerprint, "n_labels",
                  (json_int_t)head->n_labels, "n_bytes", (json_int_t)head->n_bytes, "etag",
                  head->etag, "shipped", 0, "created_ms", (json_int_t)head->created_ms);
    json_object_set_new(value, "visibility", json_string(head->visibility));
    json_object_set_new(value, "own",
                        json_boolean(!strcmp(head->owner, srv_request_owner(request))));
    json_object_set_new(value, "expires_ms",
                        head->expires_ms ? json_integer((json_int_t)head->expires_ms)
                                         : json_null());
    return value;
}

/* ---- list ---- */

static json_t *shipped_json(const srv_request *request)
{
    json_t *list = json_array();
    char *name;
    for (size_t i = 0; (name = srv_heads_shipped_at(request->services->heads, i)); i++) {
        if (srv_key_sees_head(&request->key, name)) {
            json_array_append_new(list, json_pack("{s:s,s:b}", "name", name, "shipped", 1));
        }
        free(name);
    }
    return list;
}

void srv_handle_heads_list(srv_request *request, srv_response *response)
{
    const char *after = srv_pairs_get(&request->query, "after");
    const char *limit = srv_pairs_get(&request->query, "limit");
    long max = limit ? strtol(limit, NULL, 10) : 100;
    store_head *heads = NULL;
    size_t n = 0;
    wi_error error = {0};
    static const char *const names[] = {"after", "limit", NULL};
    if (!srv_query_check(request, names, response)) {
        return;
    }
    if (max < 1 || max > MAX_LISTED) {
        srv_error(request, response, 400, "arg", "'limit' is a number from 1 to %d", MAX_LISTED);
        return;
    }
    if (store_head_list(request->services->store, srv_request_owner(request),
                        request->key.id || request->is_local, after ? after : "", (size_t)max + 1,
                        &heads, &n, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    bool more = n > (size_t)max;
    json_t *list = after ? json_array() : shipped_json(request);
    for (size_t i = 0; i < n && i < (size_t)max; i++) {
        if (!srv_head_is_visible(request, &heads[i])) {
            continue; /* its time is over, or the key is for other heads */
        }
        json_array_append_new(list, stored_json(request, &heads[i]));
    }
    srv_json(response, 200,
             json_pack("{s:o,s:s?}", "heads", list, "next", more ? heads[max - 1].name : NULL));
    store_heads_free(&heads, n);
}

/* ---- new ---- */

/* Nothing is made that could not be kept. */
static wi_status check_keeping(const srv_request *request, const json_t *body, size_t n_bytes,
                               wi_error *error)
{
    srv_keeping keeping;
    const srv_services *services = request->services;
    wi_status status = srv_keeping_read(services->config, services->store,
                                        srv_request_owner(request), body, &keeping, error);
    int64_t most = keeping.bounds.own_bytes;
    if (status == WI_OK && most >= 0 && (int64_t)n_bytes > most) {
        status =
            store_fail(error, WI_ERR_LIMIT, "a head of %zu bytes: %lld may be kept for you here",
                       n_bytes, (long long)most);
    }
    return status;
}

static const srv_field new_fields[] = {
    {"name", SRV_TEXT},
    {"labels", SRV_LIST},
    {"templates", SRV_TEXTS | SRV_NULL},
    {"examples", SRV_LIST | SRV_NULL},
    {"model", SRV_TEXT | SRV_NULL},
    {"multi", SRV_BOOL | SRV_NULL},
    {"replace", SRV_BOOL | SRV_NULL},
    {"visibility", SRV_TEXT | SRV_NULL},
    {"licence", SRV_TEXT | SRV_NULL},
    {"source", SRV_TEXT | SRV_NULL},
    {"sensitivity", SRV_TEXT | SRV_NULL},
};
static const srv_field example_fields[] = {{"label", SRV_TEXT}, {"image", SRV_TEXT}};

static bool check_fields(const srv_request *request, const json_t *body, srv_response *response)
{
    const json_t *examples = json_object_get(body, "examples");
    bool good = srv_fields_check(request, body, new_fields,
                                 sizeof new_fields / sizeof new_fields[0], response);
    for (size_t i = 0; i < json_array_size(examples) && good; i++) {
        good = srv_fields_check(request, json_array_get(examples, i), example_fields, 2, response);
    }
    return good;
}

/* Everything that can be said at once is checked before a job is made of it. */
static bool check_new(const srv_request *request, const json_t *body, srv_model **model,
                      size_t *n_prompts, srv_response *response)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *wanted = json_string_value(json_object_get(body, "model"));
    const json_t *examples = json_object_get(body, "examples");
    srv_recipe recipe;
    wi_error error = {0};
    if (name && srv_head_name_ok(name) && !srv_key_sees_head(&request->key, name)) {
        srv_error(request, response, 403, "other_heads", "this key is for other heads");
        return false;
    }
    if (!name || !srv_head_name_ok(name)) {
        srv_error(request, response, 422, "bad_name",
                  "'name' is 1 to 100 bytes without / \\ , ? # %% \" and no leading . - ~");
        return false;
    }
    *model = srv_models_find(request->models, wanted);
    if (!*model) {
        srv_error(request, response, 404, "not_found", "there is no model '%.100s'", wanted);
        return false;
    }
    if (examples && !json_is_null(examples) && !json_is_array(examples)) {
        srv_error(request, response, 400, "arg", "'examples' must be a list of {label, image}");
        return false;
    }
    wi_status status = srv_recipe_read(body, &recipe, &error);
    size_t n_labels = recipe.recipe.n_labels;
    *n_prompts = n_labels * (recipe.recipe.n_templates ? recipe.recipe.n_templates : 1);
    if (status == WI_OK &&
        (*n_prompts > MAX_PROMPTS ||
         n_labels * srv_model_describe(*model)->dim * sizeof(float) > SRV_MAX_HEAD_BYTES)) {
        status = store_fail(&error, WI_ERR_LIMIT, "%zu labels and %zu prompts are too many",
                            n_labels, *n_prompts);
    }
    srv_recipe_free(&recipe);
    if (status == WI_OK) {
        status = check_keeping(request, body,
                               n_labels * srv_model_describe(*model)->dim * sizeof(float), &error);
    }
    if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    return status == WI_OK;
}

static bool name_is_free(const srv_request *request, const char *name, bool replace,
                         srv_response *response)
{
    store_head old = {0};
    wi_status status = store_head_find(request->services->store, name, &old, NULL);
    bool own = status == WI_OK && !strcmp(old.owner, srv_request_owner(request));
    store_head_free(&old);
    if (srv_heads_is_shipped(request->services->heads, name)) {
        srv_error(request, response, 409, "taken", "'%.100s' is a head that comes with the program",
                  name);
        return false;
    }
    if (status == WI_OK && !(own && replace)) {
        srv_error(request, response, 409, "taken",
                  own ? "there is a head '%.100s' already: send \"replace\": true"
                      : "there is a head '%.100s' of somebody else",
                  name);
        return false;
    }
    return true;
}

static void location(srv_response *response, const char *base, const char *name)
{
    char text[512];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", base);
    for (const unsigned char *c = (const unsigned char *)name; *c && n + 4 < sizeof text; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        n += (size_t)snprintf(text + n, sizeof text - n, plain ? "%c" : "%%%02X", *c);
    }
    srv_header(response, "Location", text);
}

static void make_now(const srv_request *request, srv_model *model, const json_t *body,
                     const char *name, srv_response *response)
{
    wi_head *head = NULL;
    store_head stored = {0};
    wi_error error = {0};
    srv_keeping keeping;
    wi_status status = srv_head_build(request->services->decoder, model, &request->asker, body,
                                      SRV_LANE_HEADS, NULL, NULL, &head, &error);
    if (status == WI_OK) {
        status = srv_keeping_read(request->services->config, request->services->store,
                                  srv_request_owner(request), body, &keeping, &error);
    }
    if (status == WI_OK) {
        status = srv_head_store(request->services->store, &keeping, head, name, &stored, &error);
    }
    if (status == WI_OK) {
        location(response, "/v1/heads/", name);
        srv_json(response, 201, stored_json(request, &stored));
    } else {
        srv_error_of(request, response, &error);
    }
    store_head_free(&stored);
    wi_head_close(&head);
}

static void make_later(const srv_request *request, const json_t *body, srv_response *response)
{
    char id[40];
    wi_error error = {0};
    store_job job = {0};
    const store_job what = {.owner = (char *)(uintptr_t)srv_request_owner(request),
                            .kind = (char *)(uintptr_t)"head"};
    wi_status status = srv_jobs_add(request->services->jobs, &what, body, id, &error);
    if (status == WI_OK) {
        status = store_job_get(request->services->store, id, &job, &error);
    }
    if (status == WI_OK) {
        location(response, "/v1/jobs/", id);
        srv_json(response, 202, srv_job_json(&job));
    } else {
        srv_error_of(request, response, &error);
    }
    store_job_free(&job);
}

/* A head file as 'whatsit head new' makes it, under ?name=: its labels and prompts are taken as they are, if it is of a
 * model that is served here. */
static void take_file(srv_request *request, srv_response *response)
{
    static const char *const names[] = {"name", "visibility", "replace", NULL};
    const char *name = srv_pairs_get(&request->query, "name");
    const char *visibility = srv_pairs_get(&request->query, "visibility");
    const char *replace = srv_pairs_get(&request->query, "replace");
    bool replaces = replace && (!strcmp(replace, "1") || !strcmp(replace, "true"));
    wi_head *head = NULL;
    wi_head_info info = {0};
    store_head stored = {0};
    srv_keeping keeping;
    wi_error error = {0};
    if (!srv_query_check(request, names, response)) {
        return;
    }
    if (!name || !srv_head_name_ok(name) || !srv_key_sees_head(&request->key, name)) {
        srv_error(request, response, 422, "bad_name",
                  "'name' in the query says how the head is called");
        return;
    }
    if (!name_is_free(request, name, replaces, response)) {
        return;
    }
    json_t *said = json_pack("{s:b,s:s?}", "replace", replaces, "visibility", visibility);
    wi_status status =
        srv_request_take(request, 2 * request->n_body)
            ? wi_head_open_memory(NULL, request->body, request->n_body, &head, &error)
            : store_fail(&error, WI_ERR_NOMEM, "too much is being sent at once: try again");
    if (status == WI_OK) {
        wi_head_get_info(head, &info);
        bool served = false;
        srv_model *model;
        for (size_t i = 0; (model = srv_models_at(request->models, i)); i++) {
            served =
                served || !strcmp(srv_model_describe(model)->fingerprint, info.model_fingerprint);
        }
        status = served ? WI_OK
                        : store_fail(&error, WI_ERR_MISMATCH,
                                     "the head is for the model '%.60s', which is not served here",
                                     info.model_name);
    }
    status = status ? status
                    : srv_keeping_read(request->services->config, request->services->store,
                                       srv_request_owner(request), said, &keeping, &error);
    status = status
                 ? status
                 : srv_head_store(request->services->store, &keeping, head, name, &stored, &error);
    if (status == WI_OK) {
        location(response, "/v1/heads/", name);
        srv_json(response, 201, stored_json(request, &stored));
    } else {
        srv_error_of(request, response, &error);
    }
    json_decref(said);
    store_head_free(&stored);
    wi_head_close(&head);
}

void srv_handle_head_new(srv_request *request, srv_response *response)
{
    if (srv_is_type(request, "application/octet-stream")) {
        take_file(request, response);
        return;
    }
    size_t n_prompts = 0;
    srv_model *model = NULL;
    json_t *body = srv_body_json(request, response);
    if (body && check_fields(request, body, response) &&
        check_new(request, body, &model, &n_prompts, response)) {
        const char *name = json_string_value(json_object_get(body, "name"));
        const char *prefer = srv_pairs_get(&request->headers, "Prefer");
        bool replace = json_is_true(json_object_get(body, "replace"));
        bool quick = n_prompts <= QUICK_PROMPTS &&
                     json_array_size(json_object_get(body, "examples")) <= QUICK_EXAMPLES &&
                     !(prefer && strstr(prefer, "respond-async"));
        if (!name_is_free(request, name, replace, response)) {
            /* answered */
        } else if (quick) {
            make_now(request, model, body, name, response);
        } else {
            make_later(request, body, response);
        }
    }
    json_decref(body);
}

/* ---- one ---- */

/* True: the client has it already, and is told so. */
static bool answer_unchanged(const srv_request *request, const char *etag, srv_response *response)
{
    char tag[70];
    snprintf(tag, sizeof tag, "\"%s\"", etag);
    srv_header(response, "ETag", tag);
    srv_header(response, "Cache-Control", "private, no-cache");
    bool unchanged = srv_etag_matches(request, etag);
    if (unchanged) {
        srv_empty(response, 304);
    }
    return unchanged;
}

static void answer_file(const srv_request *request, store_head *stored, srv_response *response)
{
    uint64_t from, n;
    if (answer_unchanged(request, stored->etag, response) ||
        !srv_part_answer(request, response, stored->etag, (uint64_t)stored->n_bytes, &from, &n)) {
        return;
    }
    memmove(stored->bytes, (char *)stored->bytes + from, n);
    srv_header(response, "Content-Disposition", "attachment; filename=\"head.safetensors\"");
    srv_header(response, "Content-Type", "application/octet-stream");
    response->body = stored->bytes;
    response->n_body = n;
    stored->bytes = NULL;
}

static json_t *labels_json(const wi_head *head)
{
    json_t *list = json_array();
    const char *label;
    for (size_t i = 0; (label = wi_head_label_full(head, i)); i++) {
        const char *group = wi_head_group(head, i);
        json_array_append_new(
            list, json_pack("{s:s,s:s?}", "label", label, "group", group[0] ? group : NULL));
    }
    return list;
}

static json_t *head_json(const srv_request *request, const store_head *stored, const wi_head *head,
                         const char *name)
{
    wi_head_info info;
    json_t *templates = json_array();
    const char *template;
    wi_head_get_info(head, &info);
    for (size_t i = 0; (template = wi_head_template(head, i)); i++) {
        json_array_append_new(templates, json_string(template));
    }
    json_t *value = stored ? stored_json(request, stored)
                           : json_pack("{s:s,s:s,s:s,s:s,s:I,s:b}", "name", name, "kind",
                                       wi_head_kind_name(info.kind), "model", info.model_name,
                                       "fingerprint", info.model_fingerprint, "n_labels",
                                       (json_int_t)info.n_labels, "shipped", 1);
    json_object_set_new(value, "labels", labels_json(head));
    json_object_set_new(value, "templates", templates);
    json_object_set_new(value, "dim", json_integer((json_int_t)info.dim));
    json_object_set_new(value, "multi", json_boolean(info.sigmoid));
    json_object_set_new(value, "n_examples", json_integer((json_int_t)info.n_examples));
    json_object_set_new(value, "licence", json_string(info.licence));
    json_object_set_new(value, "source", json_string(info.source));
    json_object_set_new(value, "sensitivity", json_string(info.sensitivity));
    return value;
}

static bool wants_file(const srv_request *request)
{
    const char *accept = srv_pairs_get(&request->headers, "Accept");
    const char *format = srv_pairs_get(&request->query, "format");
    return (format && !strcmp(format, "safetensors")) ||
           (accept && strstr(accept, "application/octet-stream"));
}

/* A shipped list is compiled for the model that is asked for, and its file made on the spot. */
static void answer_shipped(const srv_request *request, const char *name, srv_response *response)
{
    wi_error error = {0};
    srv_head *head = NULL;
    const char *asked = srv_pairs_get(&request->query, "model");
    srv_model *model = srv_models_find(request->models, asked);
    if (!model) {
        srv_error(request, response, 404, "not_found", "there is no model '%.100s'", asked);
        return;
    }
    wi_status status =
        srv_heads_acquire(request->services->heads, model, request, name, &head, &error);
    if (status == WI_OK && wants_file(request)) {
        store_head made = {.etag = calloc(1, 65)};
        size_t n_bytes = 0;
        status = srv_head_file(srv_head_of(head), &made.bytes, &n_bytes, &error);
        made.n_bytes = (int64_t)n_bytes;
        if (status == WI_OK && made.etag) {
            status = srv_sha256(made.bytes, n_bytes, made.etag, &error);
        }
        if (status == WI_OK) {
            answer_file(request, &made, response);
        }
        store_head_free(&made);
    } else if (status == WI_OK) {
        srv_json(response, 200, head_json(request, NULL, srv_head_of(head), name));
    }
    if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    srv_head_release(request->services->heads, &head);
}

static void answer_stored(const srv_request *request, const char *name, srv_response *response)
{
    store_head stored = {0};
    wi_error error = {0};
    wi_head *head = NULL;
    wi_status status = store_head_get(request->services->store, name, &stored, &error);
    if (status == WI_OK && wants_file(request)) {
        answer_file(request, &stored, response);
    } else if (status == WI_OK) {
        status = wi_head_open_memory(NULL, stored.bytes, (size_t)stored.n_bytes, &head, &error);
        if (status == WI_OK) {
            srv_json(response, 200, head_json(request, &stored, head, name));
        }
    }
    if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    wi_head_close(&head);
    store_head_free(&stored);
}

void srv_handle_head_get(srv_request *request, srv_response *response)
{
    store_head found = {0};
    wi_error error = {0};
    const char *name = request->params[0];
    wi_status status = store_head_find(request->services->store, name, &found, &error);
    if (status == WI_ERR_NOT_FOUND && srv_heads_is_shipped(request->services->heads, name) &&
        srv_key_sees_head(&request->key, name)) {
        answer_shipped(request, name, response);
    } else if (status != WI_OK) {
        srv_error_of(request, response, &error);
    } else if (!srv_head_is_visible(request, &found)) {
        srv_error(request, response, 404, "not_found", "there is no head '%.100s'", name);
    } else if (wants_file(request) && answer_unchanged(request, found.etag, response)) {
        /* answered, and not read */
    } else if (!srv_request_take(request, 2 * (size_t)found.n_bytes)) {
        srv_error(request, response, 503, "busy", "too much is being sent at once: try again");
    } else {
        answer_stored(request, name, response);
    }
    store_head_free(&found);
}

void srv_handle_head_delete(srv_request *request, srv_response *response)
{
    wi_error error = {0};
    if (!srv_key_sees_head(&request->key, request->params[0])) {
        srv_error(request, response, 404, "not_found", "there is no head '%.100s'",
                  request->params[0]);
        return;
    }
    wi_status status = store_head_delete(request->services->store, request->params[0],
                                         srv_request_owner(request), &error);
    if (status == WI_OK) {
        srv_empty(response, 204);
    } else if (status == WI_ERR_MISMATCH) {
        srv_error(request, response, 403, "not_yours", "%s", error.message);
    } else {
        srv_error_of(request, response, &error);
    }
}
