#include "models.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NO_MODEL = SRV_MAX_MODELS };

struct srv_models {
    atomic_uint n_users;
    srv_model *items[SRV_MAX_MODELS];
    size_t n;
    /* An alias keeps its place in the list, also when another model with another name takes it. NO_MODEL: its model was
     * unloaded. */
    const srv_config *config;
    size_t of_alias[SRV_MAX_ALIASES];
};

struct srv_catalog {
    srv_engines engines;
    srv_models_held held;
    const srv_config *config;
    pthread_mutex_t changing; /* one load, unload or reload at a time */
    pthread_mutex_t mutex;    /* guards which set is that of now */
    srv_models *now;
};

static srv_model *find_name(const srv_models *models, const char *name, size_t *index)
{
    for (size_t i = 0; i < models->n; i++) {
        if (!strcmp(srv_model_describe(models->items[i])->name, name)) {
            *index = i;
            return models->items[i];
        }
    }
    return NULL;
}

static wi_status find_aliases(srv_models *models, wi_error *error)
{
    for (size_t i = 0; i < models->config->n_aliases; i++) {
        const srv_named_path *alias = &models->config->aliases[i];
        if (!find_name(models, alias->path, &models->of_alias[i])) {
            return store_fail(error, WI_ERR_ARG, "--alias %.60s=%.60s: no model has that name",
                              alias->name, alias->path);
        }
    }
    return WI_OK;
}

static srv_models *new_set(const srv_config *config)
{
    srv_models *models = calloc(1, sizeof *models);
    if (models) {
        models->config = config;
        models->n_users = 1;
    }
    return models;
}

/* Within what all models together may take. */
static wi_status open_model(srv_catalog *catalog, const srv_named_path *from, srv_model **out,
                            wi_error *error)
{
    const uint64_t most = catalog->config->max_models_bytes, held = catalog->held.n_bytes;
    const uint64_t n_bytes = srv_model_disk_bytes(from->path);
    if (most > 0 && n_bytes > 0 && held + n_bytes > most) {
        return store_fail(error, WI_ERR_LIMIT,
                          "the model has %llu MB, and %llu of the %llu MB of --models-memory are "
                          "taken: unload one first",
                          (unsigned long long)(n_bytes >> 20), (unsigned long long)(held >> 20),
                          (unsigned long long)(most >> 20));
    }
    return srv_model_open(&catalog->engines, catalog->config, from, out, error);
}

wi_status srv_catalog_open(const srv_engines *engines, const srv_config *config, srv_catalog **out,
                           wi_error *error)
{
    srv_catalog *catalog = calloc(1, sizeof *catalog);
    srv_models *models = new_set(config);
    wi_status status = catalog && models ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        catalog->engines = *engines;
        catalog->engines.held = &catalog->held;
        catalog->config = config;
    }
    for (size_t i = 0; status == WI_OK && i < config->n_models; i++) {
        status = open_model(catalog, &config->models[i], &models->items[i], error);
        models->n += status == WI_OK;
    }
    if (status == WI_OK) {
        status = find_aliases(models, error);
    }
    if (status != WI_OK) {
        srv_models_release(&models);
        free(catalog);
        return status;
    }
    pthread_mutex_init(&catalog->mutex, NULL);
    pthread_mutex_init(&catalog->changing, NULL);
    catalog->now = models;
    *out = catalog;
    return WI_OK;
}

void srv_catalog_close(srv_catalog **catalog)
{
    if (*catalog) {
        srv_models_release(&(*catalog)->now);
        pthread_mutex_destroy(&(*catalog)->mutex);
        pthread_mutex_destroy(&(*catalog)->changing);
    }
    free(*catalog);
    *catalog = NULL;
}

srv_models *srv_models_hold(srv_catalog *catalog)
{
    pthread_mutex_lock(&catalog->mutex);
    srv_models *models = catalog->now;
    atomic_fetch_add(&models->n_users, 1);
    pthread_mutex_unlock(&catalog->mutex);
    return models;
}

void srv_models_release(srv_models **models)
{
    srv_models *m = *models;
    *models = NULL;
    if (m && atomic_fetch_sub(&m->n_users, 1) == 1) {
        for (size_t i = 0; i < m->n; i++) {
            srv_model_release(&m->items[i]);
        }
        free(m);
    }
}

/* Puts a set in the place of that of now. Takes it. */
static void replace(srv_catalog *catalog, srv_models *models)
{
    pthread_mutex_lock(&catalog->mutex);
    srv_models *replaced = catalog->now;
    catalog->now = models;
    pthread_mutex_unlock(&catalog->mutex);
    srv_models_release(&replaced);
}

/* In place of a model, which goes on until the new one is there: both fit for a moment, or the change has to wait. */
static wi_status reopen(srv_catalog *catalog, const srv_model *old, srv_model **out,
                        wi_error *error)
{
    const srv_model_about *about = srv_model_describe(old);
    const srv_named_path from = {.name = about->asked, .path = about->path};
    return open_model(catalog, &from, out, error);
}

wi_status srv_catalog_reload(srv_catalog *catalog, wi_error *error)
{
    pthread_mutex_lock(&catalog->changing);
    srv_models *old = srv_models_hold(catalog), *models = new_set(catalog->config);
    wi_status status = models ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; models && i < old->n; i++) {
        srv_model *item = NULL;
        wi_error why = {0};
        wi_status opened = srv_model_is_current(old->items[i])
                               ? WI_OK
                               : reopen(catalog, old->items[i], &item, &why);
        models->items[models->n++] = item ? item : srv_model_hold(old->items[i]);
        if (opened != WI_OK && status == WI_OK) {
            status = store_fail(error, opened, "%s", why.message);
        }
    }
    if (models) {
        memcpy(models->of_alias, old->of_alias, sizeof models->of_alias);
        replace(catalog, models);
    }
    srv_models_release(&old);
    pthread_mutex_unlock(&catalog->changing);
    return status;
}

/* The models of a set in another order: order[i] is the old index of the new i-th; `added`, which may be NULL, takes the
 * place that says NO_MODEL. What is not in the order is left out. */
static srv_models *reordered(const srv_models *old, const size_t *order, size_t n, srv_model *added)
{
    srv_models *models = new_set(old->config);
    for (size_t i = 0; models && i < n; i++) {
        models->items[models->n++] =
            srv_model_hold(order[i] == NO_MODEL ? added : old->items[order[i]]);
    }
    for (size_t a = 0; models && a < old->config->n_aliases; a++) {
        models->of_alias[a] = NO_MODEL;
        for (size_t i = 0; i < n; i++) {
            if (order[i] == old->of_alias[a] && order[i] != NO_MODEL) {
                models->of_alias[a] = i;
            }
        }
    }
    return models;
}

static bool is_alias(const srv_config *config, const char *name)
{
    size_t i = 0;
    while (i < config->n_aliases && strcmp(config->aliases[i].name, name)) {
        i++;
    }
    return i < config->n_aliases;
}

typedef enum place { FIRST, LAST, NOWHERE } place;

/* The same set with one model in another place. moved NO_MODEL: a new one, `added`. */
static wi_status put(srv_catalog *catalog, const srv_models *old, size_t moved, place where,
                     srv_model *added, wi_error *error)
{
    size_t order[SRV_MAX_MODELS], n = 0;
    if (where == FIRST) {
        order[n++] = moved;
    }
    for (size_t i = 0; i < old->n; i++) {
        if (i != moved) {
            order[n++] = i;
        }
    }
    if (where == LAST) {
        order[n++] = moved;
    }
    srv_models *models = reordered(old, order, n, added);
    if (!models) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    replace(catalog, models);
    return WI_OK;
}

/* What is served from that path under that name. */
static srv_model *find_same(const srv_models *models, const srv_named_path *from, size_t *index)
{
    for (size_t i = 0; i < models->n; i++) {
        const srv_model_about *about = srv_model_describe(models->items[i]);
        if (!strcmp(about->path, from->path) &&
            (from->name ? !strcmp(about->name, from->name) : !about->asked)) {
            *index = i;
            return models->items[i];
        }
    }
    return NULL;
}

/* Called with `changing` held. */
static wi_status add_model(srv_catalog *catalog, const srv_models *old, const srv_named_path *from,
                           bool first, srv_model **out, wi_error *error)
{
    size_t index;
    srv_model *there = find_same(old, from, &index);
    if (there) {
        const wi_status moved = first ? put(catalog, old, index, FIRST, NULL, error) : WI_OK;
        *out = moved == WI_OK ? srv_model_hold(there) : NULL;
        return moved;
    }
    if (old->n == SRV_MAX_MODELS) {
        return store_fail(error, WI_ERR_LIMIT,
                          "%d models are served, and no more at once: unload one", SRV_MAX_MODELS);
    }
    wi_status status = open_model(catalog, from, out, error);
    if (status != WI_OK) {
        return status;
    }
    const char *name = srv_model_describe(*out)->name;
    if (find_name(old, name, &index) || is_alias(old->config, name)) {
        status = store_fail(error, WI_ERR_MISMATCH,
                            "a model is served as '%.100s' already: give this one another name, "
                            "with 'as'",
                            name);
    } else {
        status = put(catalog, old, NO_MODEL, first ? FIRST : LAST, *out, error);
    }
    if (status != WI_OK) {
        srv_model_release(out);
    }
    return status;
}

wi_status srv_catalog_load(srv_catalog *catalog, const srv_named_path *from, bool first,
                           srv_model **out, wi_error *error)
{
    *out = NULL;
    pthread_mutex_lock(&catalog->changing);
    srv_models *old = srv_models_hold(catalog);
    const wi_status status = add_model(catalog, old, from, first, out, error);
    srv_models_release(&old);
    pthread_mutex_unlock(&catalog->changing);
    return status;
}

wi_status srv_catalog_unload(srv_catalog *catalog, const char *name, wi_error *error)
{
    size_t index = 0;
    wi_status status;
    pthread_mutex_lock(&catalog->changing);
    srv_models *old = srv_models_hold(catalog);
    if (!find_name(old, name, &index)) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no model '%.100s'", name);
    } else if (index == 0) {
        status =
            store_fail(error, WI_ERR_MISMATCH,
                       "'%.100s' is the default model: make another one the default first", name);
    } else {
        status = put(catalog, old, index, NOWHERE, NULL, error);
    }
    srv_models_release(&old);
    pthread_mutex_unlock(&catalog->changing);
    return status;
}

void srv_catalog_measure(srv_catalog *catalog, srv_catalog_figures *out)
{
    srv_models *models = srv_models_hold(catalog);
    const unsigned n = catalog->held.n, n_served = (unsigned)models->n;
    *out = (srv_catalog_figures){.n_leaving = n > n_served ? n - n_served : 0,
                                 .n_bytes = catalog->held.n_bytes,
                                 .max_bytes = catalog->config->max_models_bytes};
    srv_models_release(&models);
}

void srv_catalog_tick(srv_catalog *catalog)
{
    srv_models *models = srv_models_hold(catalog);
    for (size_t i = 0; i < models->n; i++) {
        srv_model_tick(models->items[i]);
    }
    srv_models_release(&models);
}

srv_model *srv_models_at(const srv_models *models, size_t index)
{
    return index < models->n ? models->items[index] : NULL;
}

srv_model *srv_models_find(const srv_models *models, const char *name)
{
    size_t index;
    if (!name || !name[0]) {
        return models->items[0];
    }
    for (size_t i = 0; i < models->config->n_aliases; i++) {
        if (!strcmp(models->config->aliases[i].name, name)) {
            return models->of_alias[i] < models->n ? models->items[models->of_alias[i]] : NULL;
        }
    }
    return find_name(models, name, &index);
}
