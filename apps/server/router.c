#include "router.h"
#include "access.h"
#include "models.h"
#include <stdlib.h>
#include <string.h>

static const srv_route routes[] = {
    {"POST", "/v1/classify", 0, SRV_ERRORS_OWN, srv_handle_classify},
    {"POST", "/v1/embed", 0, SRV_ERRORS_OWN, srv_handle_embed},
    {"GET", "/v1/heads", 0, SRV_ERRORS_OWN, srv_handle_heads_list},
    {"POST", "/v1/heads", SRV_MAKES_HEAD, SRV_ERRORS_OWN, srv_handle_head_new},
    {"GET", "/v1/heads/{name}", 0, SRV_ERRORS_OWN, srv_handle_head_get},
    {"DELETE", "/v1/heads/{name}", 0, SRV_ERRORS_OWN, srv_handle_head_delete},
    {"GET", "/v1/jobs/{id}", 0, SRV_ERRORS_OWN, srv_handle_job_get},
    {"DELETE", "/v1/jobs/{id}", 0, SRV_ERRORS_OWN, srv_handle_job_cancel},
    {"GET", "/v1/jobs/{id}/events", 0, SRV_ERRORS_OWN, srv_handle_job_events},
    {"GET", "/v1/models", 0, SRV_ERRORS_OWN, srv_handle_models},
    {"GET", "/v1/models/{name}", 0, SRV_ERRORS_OWN, srv_handle_model},
    {"GET", "/v1/models/{name}/file", 0, SRV_ERRORS_OWN, srv_handle_model_file},
    {"GET", "/v1/models/{name}/file/{sha256}", 0, SRV_ERRORS_OWN, srv_handle_model_file},
    {"GET", "/v1/usage", 0, SRV_ERRORS_OWN, srv_handle_usage},
    {"GET", "/healthz", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_healthz},
    {"GET", "/readyz", SRV_OPEN, SRV_ERRORS_OWN, srv_handle_readyz},
    {"GET", "/metrics", SRV_OPEN, SRV_ERRORS_OWN, srv_handle_metrics},
    {"GET", "/openapi.json", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_openapi},
    /* clients that exist */
    {"POST", "/v1/embeddings", 0, SRV_ERRORS_OWN, srv_handle_openai_embeddings},
    {"POST", "/models/{name...}", 0, SRV_ERRORS_PLAIN, srv_handle_hugging_face},
    {"POST", "/hf", 0, SRV_ERRORS_PLAIN, srv_handle_hugging_face},
    {"GET", "/ping", SRV_OPEN | SRV_INLINE, SRV_ERRORS_DETAIL, srv_handle_immich_ping},
    {"GET", "/", SRV_OPEN | SRV_INLINE, SRV_ERRORS_DETAIL, srv_handle_immich_root},
    {"POST", "/predict", 0, SRV_ERRORS_DETAIL, srv_handle_immich_predict},
};

const srv_route *srv_route_at(size_t index)
{
    return index < sizeof routes / sizeof routes[0] ? &routes[index] : NULL;
}

/* Does the path fit? Fills params, which are freed when it does not. */
static bool fits(const char *pattern, const char *path, char **params)
{
    size_t n = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        const char *end = strchr(pattern, '}');
        bool rest = end - pattern > 3 && !strncmp(end - 3, "...", 3);
        size_t length = rest ? strlen(path) : strcspn(path, "/");
        if (length == 0 || n == SRV_MAX_PARAMS) {
            return false;
        }
        free(params[n]);
        params[n++] = strndup(path, length);
        path += length;
        pattern = end + 1;
    }
    return !*path;
}

static void forget_params(srv_request *request)
{
    for (size_t i = 0; i < SRV_MAX_PARAMS; i++) {
        free(request->params[i]);
        request->params[i] = NULL;
    }
}

const srv_route *srv_route_find(srv_request *request, char *allowed, size_t n_allowed)
{
    const char *method = request->head_only ? "GET" : request->method;
    allowed[0] = '\0';
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (fits(routes[i].pattern, request->path, request->params)) {
            if (!strcmp(routes[i].method, method)) {
                request->route = &routes[i];
                return &routes[i];
            }
            if (strlen(allowed) + strlen(routes[i].method) + 9 < n_allowed) {
                strcat(allowed, allowed[0] ? ", " : "");
                strcat(allowed, routes[i].method);
                strcat(allowed, !strcmp(routes[i].method, "GET") ? ", HEAD" : "");
            }
        }
        forget_params(request);
    }
    return NULL;
}

void srv_route_run(srv_request *request, srv_response *response)
{
    if (srv_access_begin(request, response)) {
        request->models = srv_models_hold(request->server);
        request->route->handler(request, response);
        srv_models_release(&request->models);
        srv_access_end(request);
    }
}
