/* The models that are served at one moment. A set never changes: whatever loads, unloads or reloads a model puts another
 * set in its place, and each request sees the one that it began with until its end. */
#ifndef SERVER_MODELS_H
#define SERVER_MODELS_H

#include "model.h"

typedef struct srv_models srv_models;   /* the set of one moment */
typedef struct srv_catalog srv_catalog; /* which set is that of now */

/* Opens what the configuration names. engine, config: borrowed.
 * Errors: those of opening; WI_ERR_ARG: an alias of no model */
wi_status srv_catalog_open(const srv_engines *engines, const srv_config *config, srv_catalog **out,
                           wi_error *error);
void srv_catalog_close(srv_catalog **catalog);
/* The set of now; give it back. */
srv_models *srv_models_hold(srv_catalog *catalog);
void srv_models_release(srv_models **models);

/* By name or alias; NULL or "": the default. NULL when there is none. Borrowed from the set. */
srv_model *srv_models_find(const srv_models *models, const char *name);
/* NULL past the end. */
srv_model *srv_models_at(const srv_models *models, size_t index);

/* Serves another model from now on, next to those that are there; first: it becomes the default. What is served under
 * that name already only becomes the default.
 * Owns:   *out is held for the caller, who releases it
 * Errors: those of opening; WI_ERR_MISMATCH: another model, or an alias, has its name; WI_ERR_LIMIT: as many models as
 *         there may be, or more than all of them together may take */
wi_status srv_catalog_load(srv_catalog *catalog, const srv_named_path *from, bool first,
                           srv_model **out, wi_error *error);
/* Serves it no more; it is closed when the requests that have begun are over.
 * Errors: WI_ERR_NOT_FOUND; WI_ERR_MISMATCH: it is the default */
wi_status srv_catalog_unload(srv_catalog *catalog, const char *name, wi_error *error);

typedef struct srv_catalog_figures {
    unsigned n_leaving; /* unloaded, and still in use */
    uint64_t n_bytes;   /* that the files of all models have, also of those that are leaving */
    uint64_t max_bytes; /* 0: as many as there are */
} srv_catalog_figures;
void srv_catalog_measure(srv_catalog *catalog, srv_catalog_figures *out);

/* Opens what has changed under its path since. What cannot be opened stays as it was, and the first
 * error is told. */
wi_status srv_catalog_reload(srv_catalog *catalog, wi_error *error);
/* Gives back what has been idle; call it now and then. */
void srv_catalog_tick(srv_catalog *catalog);

#endif
