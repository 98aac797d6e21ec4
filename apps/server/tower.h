/* The image tower of a model, shared by all threads that encode: opened by the first that needs it, closed by the last
 * that has given it back. Threads: any. */
#ifndef SERVER_TOWER_H
#define SERVER_TOWER_H

#include "../store/fail.h"
#include <stdbool.h>
#include <whatsit/model.h>

typedef struct srv_tower srv_tower;

/* How it is opened. */
typedef struct srv_tower_options {
    wi_status (*open)(void *context, wi_model **out, wi_error *error);
    void *context;
} srv_tower_options;

/* NULL: out of memory. */
srv_tower *srv_tower_new(const srv_tower_options *options);
/* Nobody may have joined it. */
void srv_tower_free(srv_tower **tower);
/* *out is good until srv_tower_leave. */
wi_status srv_tower_join(srv_tower *tower, const wi_model **out, wi_error *error);
void srv_tower_leave(srv_tower *tower);
bool srv_tower_is_open(const srv_tower *tower);

#endif
