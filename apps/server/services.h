/* The server's parts, for whoever handles a request. Names only: who uses a part includes its header, and no part
 * sees this file. */
#ifndef SERVER_SERVICES_H
#define SERVER_SERVICES_H

#include "../store/fail.h"
#include <stdatomic.h>

struct srv_config;
struct store;
struct srv_memory;
struct srv_access;
struct srv_catalog;
struct srv_heads;
struct srv_jobs;
struct srv_decoder;
struct srv_metrics;
struct srv_web;
struct srv_http;
struct srv_health;
struct srv_log;
struct srv_burden;
struct srv_webhook;
struct srv_search;
struct srv_libraries;
struct srv_thumbnails;
struct srv_server;

typedef struct srv_services {
    const struct srv_config *config;
    struct store *store;
    struct srv_memory *memory;
    struct srv_access *access;
    struct srv_catalog *catalog;
    struct srv_heads *heads;
    struct srv_jobs *jobs;
    struct srv_decoder *decoder;
    struct srv_burden *burden;
    struct srv_metrics *metrics;
    struct srv_health *health;
    struct srv_webhook *webhook;
    struct srv_search *search;
    struct srv_libraries *libraries; /* of photos */
    struct srv_thumbnails *thumbnails;
    struct srv_log *log;
    struct srv_web *web;       /* NULL: none */
    struct srv_http *http;     /* NULL: requests do not come by HTTP */
    struct srv_server *server; /* for whoever may reload it */
    wi_status (*reload)(struct srv_server *server, wi_error *error);
    atomic_bool draining;
} srv_services;

#endif
