#include "cors.h"
#include <string.h>
#include <strings.h>

static bool is_allowed(const srv_config *config, const char *origin)
{
    for (size_t i = 0; origin && i < config->n_origins; i++) {
        if (!strcmp(config->origins[i], origin) || !strcmp(config->origins[i], "*")) {
            return true;
        }
    }
    return false;
}

static bool has_header(const srv_response *response, const char *name)
{
    for (size_t i = 0; i < response->n_headers; i++) {
        if (!strcasecmp(response->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

void srv_common_headers(const srv_config *config, const srv_request *request,
                        srv_response *response)
{
    const char *origin = srv_pairs_get(&request->headers, "Origin");
    bool shared = is_allowed(config, origin);
    srv_header(response, "X-Content-Type-Options", "nosniff");
    srv_header(response, "Referrer-Policy", "no-referrer");
    srv_header(response, "Cross-Origin-Resource-Policy", shared ? "cross-origin" : "same-origin");
    if (!has_header(response, "Content-Security-Policy")) {
        srv_header(response, "Content-Security-Policy",
                   "default-src 'none'; frame-ancestors 'none'");
    }
    if (!has_header(response, "Cache-Control")) {
        srv_header(response, "Cache-Control", "no-store");
    }
    if (config->n_origins > 0) {
        srv_header(response, "Vary", "Origin, Accept-Encoding");
    }
    if (shared) {
        srv_header(response, "Access-Control-Allow-Origin", origin);
        srv_header(response, "Access-Control-Expose-Headers",
                   "ETag, Location, Retry-After, RateLimit-Limit, RateLimit-Remaining, "
                   "RateLimit-Reset");
    }
}

void srv_preflight(const srv_config *config, const srv_request *request, srv_response *response)
{
    const char *origin = srv_pairs_get(&request->headers, "Origin");
    if (!is_allowed(config, origin)) {
        srv_error(request, response, 403, "cors",
                  "requests from other sites' pages are not allowed");
        return;
    }
    srv_header(response, "Access-Control-Allow-Methods", "GET, POST, DELETE");
    srv_header(response, "Access-Control-Allow-Headers",
               "Authorization, Content-Type, Prefer, X-Api-Key");
    srv_header(response, "Access-Control-Max-Age", "86400");
    srv_empty(response, 204);
}
