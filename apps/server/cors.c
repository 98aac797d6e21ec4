#include "cors.h"
#include <string.h>
#include <strings.h>

/* Origins are compared letter by letter, as browsers write them (RFC 6454, section 6.2): lower case, no path, no port that
 * goes without saying. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    const char *port = host ? strrchr(host + 3, ':') : NULL;
    const bool usual = port && ((!strncmp(text, "https:", 6) && !strcmp(port, ":443")) ||
                                (!strncmp(text, "http:", 5) && !strcmp(port, ":80")));
    return !strcmp(text, "*") || !strcmp(text, "null") ||
           (host && host > text && host[3] && !usual && !strpbrk(host + 3, "/?#@\\") &&
            strcspn(text, " \t\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(text));
}

wi_status srv_cors_check(const srv_config *config, wi_error *error)
{
    for (size_t i = 0; i < config->n_origins; i++) {
        if (!is_origin(config->origins[i])) {
            return store_fail(error, WI_ERR_ARG,
                              "--cors is an origin as browsers send it, such as "
                              "https://example.org, not '%.80s'",
                              config->origins[i]);
        }
    }
    return WI_OK;
}

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
