#include "handlers.h"

const srv_route srv_routes[] = {
    {"POST", "/v1/classify", 0, SRV_ERRORS_OWN, srv_handle_classify},
    {"POST", "/v1/describe", 0, SRV_ERRORS_OWN, srv_handle_describe},
    {"POST", "/v1/embed", 0, SRV_ERRORS_OWN, srv_handle_embed},
    {"GET", "/v1/heads", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_heads_list},
    {"POST", "/v1/heads", SRV_MAKES_HEAD | SRV_CHANGES, SRV_ERRORS_OWN, srv_handle_head_new},
    {"GET", "/v1/heads/{name}", 0, SRV_ERRORS_OWN, srv_handle_head_get},
    {"DELETE", "/v1/heads/{name}", SRV_CHANGES | SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_head_delete},
    {"GET", "/v1/jobs", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_jobs_list},
    {"GET", "/v1/jobs/{id}", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_job_get},
    {"DELETE", "/v1/jobs/{id}", SRV_CHANGES | SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_job_cancel},
    {"GET", "/v1/jobs/{id}/events", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_job_events},
    {"GET", "/v1/models", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_models},
    {"GET", "/v1/models/{name}", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_model},
    {"GET", "/v1/models/{name}/file", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_model_file},
    {"GET", "/v1/models/{name}/file/{sha256}", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_model_file},
    {"GET", "/v1/usage", SRV_LIGHT, SRV_ERRORS_OWN, srv_handle_usage},
    {"GET", "/healthz", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_healthz},
    {"GET", "/readyz", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_readyz},
    {"GET", "/metrics", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_metrics},
    {"GET", "/openapi.json", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_openapi},
    /* clients that exist */
    {"POST", "/v1/embeddings", 0, SRV_ERRORS_OWN, srv_handle_openai_embeddings},
    {"POST", "/embeddings", 0, SRV_ERRORS_OWN, srv_handle_openai_embeddings},
    {"POST", "/v2/embed", 0, SRV_ERRORS_MESSAGE, srv_handle_cohere_embed},
    {"POST", "/api/embed", 0, SRV_ERRORS_PLAIN, srv_handle_ollama_embed},
    {"POST", "/models/{name...}", 0, SRV_ERRORS_PLAIN, srv_handle_hugging_face},
    {"POST", "/hf", 0, SRV_ERRORS_PLAIN, srv_handle_hugging_face},
    {"GET", "/ping", SRV_OPEN | SRV_INLINE, SRV_ERRORS_DETAIL, srv_handle_immich_ping},
    {"GET", "/", SRV_OPEN | SRV_INLINE, SRV_ERRORS_DETAIL, srv_handle_root},
    {"GET", "/docs", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_page},
    {"GET", "/docs/page.css", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_page_css},
    {"GET", "/docs/page.js", SRV_OPEN | SRV_INLINE, SRV_ERRORS_OWN, srv_handle_page_js},
    {"POST", "/predict", 0, SRV_ERRORS_DETAIL, srv_handle_immich_predict},
};

const size_t srv_n_routes = sizeof srv_routes / sizeof srv_routes[0];
