#include "router.h"
#include "access.h"
#include "models.h"
#include "services.h"
#include <stdlib.h>
#include <string.h>

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

const srv_route *srv_route_find_in(const srv_route *routes, size_t n, srv_request *request,
                                   char *allowed, size_t n_allowed)
{
    const char *method = request->head_only ? "GET" : request->method;
    allowed[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (fits(routes[i].pattern, request->path, request->params)) {
            if (!strcmp(routes[i].method, method)) {
                request->route = &routes[i];
                request->errors = routes[i].errors;
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

const srv_route *srv_route_find(srv_request *request, char *allowed, size_t n_allowed)
{
    return srv_route_find_in(srv_routes, srv_n_routes, request, allowed, n_allowed);
}

void srv_route_run(srv_request *request, srv_response *response)
{
    if (srv_access_begin(request->services->access, request, response)) {
        request->models = srv_models_hold(request->services->catalog);
        request->route->handler(request, response);
        srv_models_release(&request->models);
        srv_access_end(request->services->access, request);
    }
}
