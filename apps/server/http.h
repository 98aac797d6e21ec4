/* HTTP: libmicrohttpd's threads read requests, a bounded queue hands them to workers, answers go back.
 * The only file that sees microhttpd.h. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "../store/fail.h"
#include "services.h"

typedef struct srv_http srv_http;

typedef struct srv_http_load {
    unsigned n_connections, n_waiting, n_running;
    double age_s;    /* of the request that has waited longest */
    unsigned n_busy; /* connections with a request that is being read, worked on or answered */
} srv_http_load;

/* Listens and answers. tick is called now and then, by a thread that may wait.
 * Errors: WI_ERR_IO (the port is taken), WI_ERR_NOMEM */
wi_status srv_http_open(srv_services *services, void (*tick)(void *), void *context, srv_http **out,
                        wi_error *error);
uint16_t srv_http_port(const srv_http *http);
void srv_http_get_load(srv_http *http, srv_http_load *out);
/* Takes no more connections, and asks those there are to close. */
void srv_http_stop_listening(srv_http *http);
void srv_http_close(srv_http **http);

#endif
