/* The administrator's socket: keys, usage and models over HTTP, at a path of the file system that nobody else can open.
 * It is a Unix socket and nothing but one, so that no request from a network or of a web page ever reaches it; whoever may
 * open it (its mode is 0600) may do everything. */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "../store/fail.h"
#include "services.h"

typedef struct srv_admin srv_admin;

/* Makes the socket and answers there, with threads of its own. A socket that a dead server has left is replaced.
 * Owns: services are borrowed; the caller closes *out
 * Errors: WI_ERR_IO: a server answers there, something else lies there, or it cannot be made */
/* Whether a socket may lie there, or one does. */
wi_status srv_admin_check(const char *path, wi_error *error);
wi_status srv_admin_open(srv_services *services, const char *path, srv_admin **out,
                         wi_error *error);
/* Finishes what is under way and removes the socket. */
void srv_admin_close(srv_admin **admin);

#endif
