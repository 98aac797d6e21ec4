/* What answers each route. */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H

#include "route.h"

srv_handler srv_handle_classify, srv_handle_describe, srv_handle_embed;
srv_handler srv_handle_heads_list, srv_handle_head_new, srv_handle_head_get, srv_handle_head_delete;
srv_handler srv_handle_jobs_list, srv_handle_job_get, srv_handle_job_events, srv_handle_job_cancel;
srv_handler srv_handle_job_new, srv_handle_job_result;
/* Would /v1/classify answer a request with this query, whatever the picture? False: response says why not. */
bool srv_classify_check(srv_request *request, srv_response *response);
/* srv_jobs_options.look; the context is the services. */
json_t *srv_look_for_job(void *context, const char *owner, const json_t *asked, const void *bytes,
                         size_t n_bytes, unsigned *status);
srv_handler srv_handle_models, srv_handle_model, srv_handle_model_file;
srv_handler srv_handle_healthz, srv_handle_readyz, srv_handle_metrics, srv_handle_openapi;
srv_handler srv_handle_hugging_face, srv_handle_openai_embeddings;
srv_handler srv_handle_immich_ping, srv_handle_immich_predict;
srv_handler srv_handle_root, srv_handle_page, srv_handle_page_css, srv_handle_page_js;
srv_handler srv_handle_cohere_embed, srv_handle_ollama_embed;
srv_handler srv_handle_usage;
srv_handler srv_handle_index_put, srv_handle_index_status, srv_handle_index_get;
srv_handler srv_handle_index_delete, srv_handle_search;
srv_handler srv_handle_libraries, srv_handle_photo, srv_handle_thumbnail, srv_handle_preview;
struct srv_model;
/* What everybody may know of a model that is served. */
json_t *srv_model_json(struct srv_model *model, bool is_default);
/* The administrator's (handlers_admin.c), whom nobody else asks for. */
extern const srv_route srv_admin_routes[];
extern const size_t srv_n_admin_routes;

#endif
