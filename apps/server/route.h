/* One row of the table of routes. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "message.h"

enum {
    SRV_OPEN = 1,       /* needs no key, costs nothing */
    SRV_INLINE = 2,     /* answered at once by the thread that reads: must not wait */
    SRV_MAKES_HEAD = 4, /* costs one of the key's heads */
    SRV_CHANGES = 8,    /* not for keys that may only look */
    SRV_LIGHT = 16      /* never works on pictures or words: does not wait behind what does */
};

typedef void srv_handler(srv_request *request, srv_response *response);

typedef struct srv_route {
    const char *method;
    const char *pattern; /* {name} stands for one part of the path, {name...} for all the rest */
    unsigned flags;
    srv_error_form errors;
    srv_handler *handler;
} srv_route;

/* All routes (routes.c). */
extern const srv_route srv_routes[];
extern const size_t srv_n_routes;

#endif
