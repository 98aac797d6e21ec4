/* HTTP: libmicrohttpd's threads read requests, a bounded queue hands them to workers, answers go back.
 * The only file that sees microhttpd.h. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "server.h"

typedef struct srv_http_load {
    unsigned n_connections, n_waiting, n_running;
    unsigned n_busy; /* connections with a request that is being read, worked on or answered */
} srv_http_load;

/* Listens and answers; sets server->http. Errors: WI_ERR_IO (the port is taken), WI_ERR_NOMEM */
wi_status srv_http_open(srv_server *server, wi_error *error);
uint16_t srv_http_port(const srv_http *http);
void srv_http_get_load(srv_http *http, srv_http_load *out);
/* Takes no more connections, and asks those there are to close. */
void srv_http_stop_listening(srv_http *http);
void srv_http_close(srv_http **http);

/* Headers that every answer carries; also for answers that travel otherwise. */
void srv_http_common_headers(const srv_request *request, srv_response *response);

#endif
