/* Method and path -> route. Every route of the server is a row of one table in routes.c. */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "route.h"

/* In another table. */
const srv_route *srv_route_find_in(const srv_route *routes, size_t n, srv_request *request,
                                   char *allowed, size_t n_allowed);
/* Fills request->route and params. NULL: *allowed is "" (no such path) or the methods there are. */
const srv_route *srv_route_find(srv_request *request, char *allowed, size_t n_allowed);

/* Access, quotas, then the handler; response is always filled. Threads: any worker. */
void srv_route_run(srv_request *request, srv_response *response);

#endif
