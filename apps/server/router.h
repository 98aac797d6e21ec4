/* Method and path -> route. Every route of the server is a row of one table in router.c. */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "message.h"

typedef enum srv_error_form {
    SRV_ERRORS_OWN = 0, /* {"error":{"message","type","param","code"}}, as OpenAI's */
    SRV_ERRORS_PLAIN,   /* {"error":"..."}: Hugging Face */
    SRV_ERRORS_DETAIL   /* {"detail":"..."}: Immich */
} srv_error_form;

enum {
    SRV_OPEN = 1,      /* needs no key, costs nothing */
    SRV_INLINE = 2,    /* answered at once by the thread that reads: must not wait */
    SRV_MAKES_HEAD = 4 /* costs one of the key's heads */
};

typedef void srv_handler(srv_request *request, srv_response *response);

typedef struct srv_route {
    const char *method;
    const char *pattern; /* {name} stands for one part of the path, {name...} for all the rest */
    unsigned flags;
    srv_error_form errors;
    srv_handler *handler;
} srv_route;

/* Fills request->route and params. NULL: *allowed is "" (no such path) or the methods there are. */
const srv_route *srv_route_find(srv_request *request, char *allowed, size_t n_allowed);
/* NULL past the end. */
const srv_route *srv_route_at(size_t index);

/* Access, quotas, then the handler; response is always filled. Threads: any worker. */
void srv_route_run(srv_request *request, srv_response *response);

srv_handler srv_handle_classify, srv_handle_embed;
srv_handler srv_handle_heads_list, srv_handle_head_new, srv_handle_head_get, srv_handle_head_delete;
srv_handler srv_handle_job_get, srv_handle_job_events, srv_handle_job_cancel;
srv_handler srv_handle_models, srv_handle_model, srv_handle_model_file;
srv_handler srv_handle_healthz, srv_handle_readyz, srv_handle_metrics, srv_handle_openapi;
srv_handler srv_handle_hugging_face, srv_handle_openai_embeddings;
srv_handler srv_handle_immich_ping, srv_handle_immich_root, srv_handle_immich_predict;
srv_handler srv_handle_usage;

#endif
