/* What the administrator's socket answers: keys, what they have used, models, a reload. */
#include "accounts.h"
#include "fields.h"
#include "handlers.h"
#include "models.h"
#include "pictures.h"
#include "services.h"
#include <stdlib.h>
#include <string.h>
#include <whatsit/places.h>

enum { DAY_MS = 86400000, HOUR_MS = 3600000, MAX_DAYS = 36500, MAX_PATH_BYTES = 4096 };
static const char *const no_names[] = {NULL};

/* ---- keys ---- */

static const srv_field key_fields[] = {
    {"name", SRV_TEXT},          {"requests_a_day", SRV_NUMBER}, {"heads_a_day", SRV_NUMBER},
    {"bytes_a_day", SRV_NUMBER}, {"concurrency", SRV_NUMBER},    {"rate_milli", SRV_NUMBER},
    {"burst", SRV_NUMBER},       {"heads_kept", SRV_NUMBER},     {"bytes_kept", SRV_NUMBER},
    {"expires_ms", SRV_NUMBER},  {"expires_days", SRV_NUMBER},   {"read_only", SRV_BOOL},
    {"only_heads", SRV_TEXT},
};

/* What the body names, and the rest as it was; below 0: no limit. */
static void change_plan(const json_t *body, store_plan *plan)
{
    const struct {
        const char *name;
        int64_t *value;
    } all[] = {{"requests_a_day", &plan->requests_a_day}, {"heads_a_day", &plan->heads_a_day},
               {"bytes_a_day", &plan->bytes_a_day},       {"concurrency", &plan->concurrency},
               {"rate_milli", &plan->rate_milli},         {"burst", &plan->burst},
               {"heads_kept", &plan->heads_kept},         {"bytes_kept", &plan->bytes_kept}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const json_t *value = json_object_get(body, all[i].name);
        if (value) {
            *all[i].value = json_integer_value(value) < 0 ? -1 : json_integer_value(value);
        }
    }
    srv_plan_settle(plan);
}

static bool change_scope(const srv_request *request, const json_t *body, store_key *key,
                         srv_response *response)
{
    const json_t *days = json_object_get(body, "expires_days");
    const json_t *when = json_object_get(body, "expires_ms");
    const char *heads = json_string_value(json_object_get(body, "only_heads"));
    const json_t *read_only = json_object_get(body, "read_only");
    const json_int_t n_days = json_integer_value(days);
    if ((days && when) || n_days < 0 || n_days > MAX_DAYS || json_integer_value(when) < 0) {
        srv_error(
            request, response, 422, "expires",
            "'expires_days' is a number from 0 (for ever) to %d, or 'expires_ms' a time since "
            "1970",
            MAX_DAYS);
        return false;
    }
    if (days || when) {
        key->expires_ms = when     ? json_integer_value(when)
                          : n_days ? store_now_ms() + n_days * DAY_MS
                                   : 0;
    }
    if (heads) {
        free(key->only_heads);
        key->only_heads = strdup(heads);
    }
    key->read_only = read_only ? json_is_true(read_only) : key->read_only;
    if (heads && !key->only_heads) {
        srv_error(request, response, 503, "nomem", "out of memory");
        return false;
    }
    return true;
}

static void handle_keys(srv_request *request, srv_response *response)
{
    store_key *keys = NULL;
    size_t n = 0;
    wi_error error = {0};
    if (!srv_query_check(request, no_names, response)) {
        return;
    }
    if (store_key_list(request->services->store, &keys, &n, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, srv_key_json(&keys[i]));
    }
    store_keys_free(&keys, n);
    srv_json(response, 200, json_pack("{s:o}", "keys", list));
}

static json_t *read_key(srv_request *request, srv_response *response)
{
    return srv_query_check(request, no_names, response)
               ? srv_read_json(request, key_fields, sizeof key_fields / sizeof key_fields[0],
                               no_names, response)
               : NULL;
}

static void handle_key_new(srv_request *request, srv_response *response)
{
    store_key key = {0};
    char text[SRV_KEY_TEXT_BYTES];
    wi_error error = {0};
    json_t *body = read_key(request, response);
    const char *name = json_string_value(json_object_get(body, "name"));
    srv_plan_default(&key.plan);
    if (body && (!name || !name[0])) {
        srv_error(request, response, 422, "no_name", "'name' says whose key it is to be");
    } else if (body && change_scope(request, body, &key, response)) {
        change_plan(body, &key.plan);
        key.name = strdup(name);
        if (!key.name) {
            srv_error(request, response, 503, "nomem", "out of memory");
        } else if (srv_key_make(request->services->store, &key, text, &error) != WI_OK) {
            srv_error_of(request, response, &error);
        } else {
            srv_json(response, 201, srv_key_secret_json(&key, text));
        }
    }
    store_key_free(&key);
    json_decref(body);
}

static bool find_key(const srv_request *request, store_key *key, srv_response *response)
{
    wi_error error = {0};
    if (store_key_get(request->services->store, request->params[0], key, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return false;
    }
    return true;
}

static void handle_key_change(srv_request *request, srv_response *response)
{
    store_key key = {0};
    wi_error error = {0};
    json_t *body = read_key(request, response);
    if (body && json_object_get(body, "name")) {
        srv_error(request, response, 422, "name", "a key keeps its name");
    } else if (body && find_key(request, &key, response) &&
               change_scope(request, body, &key, response)) {
        change_plan(body, &key.plan);
        if (store_key_change(request->services->store, &key, &error) != WI_OK) {
            srv_error_of(request, response, &error);
        } else {
            srv_json(response, 200, srv_key_json(&key));
        }
    }
    store_key_free(&key);
    json_decref(body);
}

static void handle_key_rotate(srv_request *request, srv_response *response)
{
    static const srv_field fields[] = {{"grace_hours", SRV_NUMBER}};
    store_key key = {0};
    char text[SRV_KEY_TEXT_BYTES];
    wi_error error = {0};
    json_t *body =
        request->n_body ? srv_read_json(request, fields, 1, no_names, response) : json_object();
    const json_t *given = json_object_get(body, "grace_hours");
    const json_int_t hours = given ? json_integer_value(given) : 24;
    if (body && (hours < 0 || hours > 8760)) {
        srv_error(request, response, 422, "grace", "'grace_hours' is a number from 0 to 8760");
    } else if (body && find_key(request, &key, response)) {
        if (srv_key_rotate(request->services->store, &key, hours * HOUR_MS, text, &error) !=
            WI_OK) {
            srv_error_of(request, response, &error);
        } else {
            srv_json(response, 200, srv_key_secret_json(&key, text));
        }
    }
    store_key_free(&key);
    json_decref(body);
}

static void handle_key_revoke(srv_request *request, srv_response *response)
{
    wi_error error = {0};
    if (store_key_revoke(request->services->store, request->params[0], store_now_ms(), &error) !=
        WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    srv_empty(response, 204);
}

/* ---- usage ---- */

static void add_csv(void *context, const store_key *key, const store_usage *day)
{
    srv_usage_csv(context, key, day);
}

static void add_json(void *context, const store_key *key, const store_usage *day)
{
    json_array_append_new(context, srv_usage_json(key, day, true));
}

static wi_status usage_csv(const srv_request *request, size_t n_days, char **text, wi_error *error)
{
    size_t n = 0;
    FILE *out = open_memstream(text, &n);
    if (!out) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    fputs(SRV_USAGE_CSV, out);
    wi_status status =
        srv_usage_visit(request->services->store, srv_pairs_get(&request->query, "key"), n_days,
                        add_csv, out, error);
    if (fclose(out) != 0 && status == WI_OK) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    return status;
}

static void handle_usage(srv_request *request, srv_response *response)
{
    static const char *const names[] = {"days", "key", "format", NULL};
    const char *days = srv_pairs_get(&request->query, "days");
    const char *format = srv_pairs_get(&request->query, "format");
    char *end = NULL, *text = NULL;
    wi_error error = {0};
    const long n_days = days ? strtol(days, &end, 10) : 31;
    const bool csv = format && !strcmp(format, "csv");
    if (!srv_query_check(request, names, response)) {
        return;
    }
    if (n_days < 1 || n_days > MAX_DAYS || (end && (*end || !*days)) ||
        (format && !csv && strcmp(format, "json"))) {
        srv_error(request, response, 422, "arg",
                  "'days' is a number from 1 to %d, 'format' json or csv", MAX_DAYS);
        return;
    }
    json_t *list = csv ? NULL : json_array();
    wi_status status =
        csv ? usage_csv(request, (size_t)n_days, &text, &error)
            : srv_usage_visit(request->services->store, srv_pairs_get(&request->query, "key"),
                              (size_t)n_days, add_json, list, &error);
    if (status != WI_OK) {
        json_decref(list);
        srv_error_of(request, response, &error);
    } else if (csv) {
        srv_text(response, 200, "text/csv; charset=utf-8", text);
    } else {
        srv_json(response, 200, json_pack("{s:o}", "usage", list));
    }
    free(text);
}

/* ---- models ---- */

static json_t *model_json(srv_model *model, bool is_default)
{
    const srv_model_about *about = srv_model_describe(model);
    const unsigned open = srv_model_towers_open(model);
    srv_encoder_figures figures;
    srv_model_measure(model, &figures);
    json_t *value = srv_model_json(model, is_default);
    json_t *towers = json_array();
    if (open & WI_TOWER_IMAGE) {
        json_array_append_new(towers, json_string("image"));
    }
    if (open & WI_TOWER_TEXT) {
        json_array_append_new(towers, json_string("text"));
    }
    json_object_set_new(value, "path", json_string(about->path));
    json_object_set_new(value, "n_bytes", json_integer((json_int_t)about->disk_bytes));
    json_object_set_new(value, "towers_open", towers);
    json_object_set_new(value, "waiting", json_integer((json_int_t)figures.n_waiting));
    return value;
}

static void handle_models(srv_request *request, srv_response *response)
{
    srv_catalog_figures figures;
    json_t *list = json_array();
    srv_model *model;
    srv_models *models = srv_models_hold(request->services->catalog);
    for (size_t i = 0; (model = srv_models_at(models, i)); i++) {
        json_array_append_new(list, model_json(model, i == 0));
    }
    srv_models_release(&models);
    srv_catalog_measure(request->services->catalog, &figures);
    json_t *body = json_pack("{s:o,s:i,s:I}", "models", list, "leaving", (int)figures.n_leaving,
                             "n_bytes", (json_int_t)figures.n_bytes);
    json_object_set_new(body, "max_bytes",
                        figures.max_bytes ? json_integer((json_int_t)figures.max_bytes)
                                          : json_null());
    srv_json(response, 200, body);
}

/* By a path of this machine, or by the name under which 'whatsit pull' has put it. */
static bool find_model(const srv_request *request, const json_t *body, char path[MAX_PATH_BYTES],
                       srv_response *response)
{
    const char *given = json_string_value(json_object_get(body, "path"));
    const char *name = json_string_value(json_object_get(body, "name"));
    if (!given == !name) {
        srv_error(request, response, 422, "which",
                  "give 'path', of a file or folder on the server, or 'name', of a model that is "
                  "installed");
        return false;
    }
    if (given && (given[0] != '/' || strlen(given) >= MAX_PATH_BYTES)) {
        srv_error(request, response, 422, "path", "'path' begins with '/'");
        return false;
    }
    if (given) {
        strcpy(path, given);
    } else if (strchr(name, '/') || wi_model_find(name, path, MAX_PATH_BYTES, NULL) != WI_OK) {
        srv_error(request, response, 404, "not_found",
                  "no model '%.100s' is installed here: 'whatsit pull' brings one", name);
        return false;
    }
    return true;
}

/* Loading fails for reasons of the files, not of the request's form. */
static void refuse_model(const srv_request *request, srv_response *response, const wi_error *error)
{
    if (error->status == WI_ERR_LIMIT) {
        srv_error(request, response, 409, "no_room", "%s", error->message);
    } else if (error->status == WI_ERR_IO || error->status == WI_ERR_FORMAT) {
        srv_error(request, response, 422, "cannot_open", "%s", error->message);
    } else {
        srv_error_of(request, response, error);
    }
}

static bool name_ok(const char *name)
{
    return name[0] && strlen(name) <= 100 && !strpbrk(name, "/?#%\\\"") && name[0] != '.';
}

static void handle_model_load(srv_request *request, srv_response *response)
{
    static const srv_field fields[] = {
        {"path", SRV_TEXT}, {"name", SRV_TEXT}, {"as", SRV_TEXT}, {"default", SRV_BOOL}};
    char path[MAX_PATH_BYTES];
    wi_error error = {0};
    srv_model *model = NULL;
    json_t *body =
        srv_read_json(request, fields, sizeof fields / sizeof fields[0], no_names, response);
    const char *as = json_string_value(json_object_get(body, "as"));
    const bool first = json_is_true(json_object_get(body, "default"));
    if (body && as && !name_ok(as)) {
        srv_error(request, response, 422, "as", "'as' is a name of 1 to 100 bytes without '/'");
    } else if (body && find_model(request, body, path, response)) {
        const srv_named_path from = {.name = as, .path = path};
        if (srv_catalog_load(request->services->catalog, &from, first, &model, &error) == WI_OK) {
            srv_json(response, 201, model_json(model, first));
            srv_model_release(&model);
        } else {
            refuse_model(request, response, &error);
        }
    }
    json_decref(body);
}

static void handle_model_unload(srv_request *request, srv_response *response)
{
    wi_error error = {0};
    if (srv_catalog_unload(request->services->catalog, request->params[0], &error) == WI_OK) {
        srv_empty(response, 204);
    } else {
        srv_error_of(request, response, &error);
    }
}

static void handle_reload(srv_request *request, srv_response *response)
{
    wi_error error = {0};
    if (request->services->reload(request->services->server, &error) == WI_OK) {
        srv_empty(response, 204);
    } else {
        srv_error(request, response, 422, "cannot_open", "%s; what was there goes on",
                  error.message);
    }
}

const srv_route srv_admin_routes[] = {
    {"GET", "/admin/keys", 0, SRV_ERRORS_OWN, handle_keys},
    {"POST", "/admin/keys", 0, SRV_ERRORS_OWN, handle_key_new},
    {"PATCH", "/admin/keys/{id}", 0, SRV_ERRORS_OWN, handle_key_change},
    {"DELETE", "/admin/keys/{id}", 0, SRV_ERRORS_OWN, handle_key_revoke},
    {"POST", "/admin/keys/{id}/rotate", 0, SRV_ERRORS_OWN, handle_key_rotate},
    {"GET", "/admin/usage", 0, SRV_ERRORS_OWN, handle_usage},
    {"GET", "/admin/models", 0, SRV_ERRORS_OWN, handle_models},
    {"POST", "/admin/models", 0, SRV_ERRORS_OWN, handle_model_load},
    {"DELETE", "/admin/models/{name}", 0, SRV_ERRORS_OWN, handle_model_unload},
    {"POST", "/admin/reload", 0, SRV_ERRORS_OWN, handle_reload},
};

const size_t srv_n_admin_routes = sizeof srv_admin_routes / sizeof srv_admin_routes[0];
