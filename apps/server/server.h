/* The server's parts, joined. Nothing but the command line includes this file. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "../store/fail.h"
#include "config.h"
#include "services.h"

typedef struct srv_server srv_server;

/* Opens everything but the listening socket. Call it before any thread has begun.
 * Owns: the caller closes *out; config's strings are borrowed. */
wi_status srv_server_open(const srv_config *config, srv_server **out, wi_error *error);
/* Opens the listening socket, and answers. */
wi_status srv_server_listen(srv_server *server, wi_error *error);
/* "http://127.0.0.1:8080 (decoding: seccomp, database: sqlite)" */
void srv_server_describe(const srv_server *server, char *text, size_t n_text);
srv_services *srv_server_services(srv_server *server);
/* Says for wait_s that it is about to end (/readyz), so that nothing is sent here any more; then takes no connections,
 * and lets what runs finish, for at most timeout_s. */
void srv_server_drain(srv_server *server, unsigned wait_s, unsigned timeout_s);
/* Reads label lists, static files and models anew; requests under way keep what they hold. What cannot
 * be read stays as it was; the first error is told. */
wi_status srv_server_reload(srv_server *server, wi_error *error);
void srv_server_close(srv_server **server);

#endif
