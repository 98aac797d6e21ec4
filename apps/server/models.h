/* The models that are served at one moment. A set never changes: a reload puts another in its place, and
 * each request sees the one that it began with until its end. */
#ifndef SERVER_MODELS_H
#define SERVER_MODELS_H

#include "model.h"

/* Opens what the configuration names. Errors: those of opening; WI_ERR_ARG: an alias of no model */
wi_status srv_models_open(srv_server *server, srv_models **out, wi_error *error);
/* The set of now; give it back. */
srv_models *srv_models_hold(srv_server *server);
void srv_models_release(srv_models **models);

/* By name or alias; NULL or "": the default. NULL when there is none. Borrowed from the set. */
srv_model *srv_models_find(const srv_models *models, const char *name);
/* NULL past the end. */
srv_model *srv_models_at(const srv_models *models, size_t index);

/* Opens what has changed under its path since. What cannot be opened stays as it was, and the first
 * error is told. */
wi_status srv_models_reload(srv_server *server, wi_error *error);
/* Gives back what has been idle; call it now and then. */
void srv_models_tick(srv_server *server);

#endif
