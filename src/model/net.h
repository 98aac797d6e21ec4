/* The towers of one model, and the walk over all their parts. */
#ifndef WI_MODEL_NET_H
#define WI_MODEL_NET_H

#include "model/params.h"

typedef struct wi_net {
    wi_tower tower[WI_N_ROLES]; /* by wi_role */
} wi_net;

/* Opens the towers that params has; their weights are still to be bound or packed.
 * Errors: WI_ERR_NOMEM; WI_ERR_FORMAT, WI_ERR_UNSUPPORTED for towers that do not go together. */
wi_status wi_net_open(const wi_params *params, wi_net *out, wi_error *error);
void wi_net_close(wi_net *net);

/* Visits every part of the towers that are open, image first, until one visit fails. */
wi_status wi_net_walk(const wi_net *net, wi_part_visitor *visit, void *context, wi_error *error);

/* What the towers demand of their weights beyond the walk, once these are there. */
wi_status wi_net_check(const wi_net *net, wi_error *error);

#endif
