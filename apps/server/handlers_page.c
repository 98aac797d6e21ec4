/* The page for a person who opens the server in a browser: what it is, a picture to try, and the interface. */
#include "embedded.h"
#include "handlers.h"
#include "services.h"
#include "web.h"
#include <string.h>

static void answer(srv_response *response, const char *type, const unsigned char *bytes, size_t n)
{
    srv_header(response, "Content-Type", type);
    srv_header(response, "Cache-Control", "no-cache");
    srv_header(response, "Content-Security-Policy",
               "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
               "form-action 'none'; "
               "base-uri 'none'; frame-ancestors 'none'");
    response->status = 200;
    response->fixed_body = bytes;
    response->n_body = n;
}

void srv_handle_page(srv_request *request, srv_response *response)
{
    (void)request;
    answer(response, "text/html; charset=utf-8", srv_file_page_html, srv_file_page_html_bytes);
}

void srv_handle_page_css(srv_request *request, srv_response *response)
{
    (void)request;
    answer(response, "text/css; charset=utf-8", srv_file_page_css, srv_file_page_css_bytes);
}

void srv_handle_page_js(srv_request *request, srv_response *response)
{
    (void)request;
    answer(response, "text/javascript; charset=utf-8", srv_file_page_js, srv_file_page_js_bytes);
}

/* For a browser the app, where it is served, else the page; for Immich its greeting. */
void srv_handle_root(srv_request *request, srv_response *response)
{
    const char *accept = srv_pairs_get(&request->headers, "Accept");
    if (!accept || !strstr(accept, "text/html")) {
        srv_json(response, 200, json_pack("{s:s}", "message", "Immich ML"));
    } else if (!srv_web_answer(request->services->web, request, response)) {
        srv_handle_page(request, response);
    }
}
