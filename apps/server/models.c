#include "models.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct srv_models {
    atomic_uint n_users;
    srv_model *items[SRV_MAX_MODELS];
    size_t n;
    /* An alias keeps its place in the list, also when another model with another name takes it. */
    const srv_config *config;
    size_t of_alias[SRV_MAX_ALIASES];
};

struct srv_catalog {
    srv_engines engines;
    const srv_config *config;
    pthread_mutex_t mutex; /* guards which set is that of now */
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

wi_status srv_catalog_open(const srv_engines *engines, const srv_config *config, srv_catalog **out,
                           wi_error *error)
{
    srv_catalog *catalog = calloc(1, sizeof *catalog);
    srv_models *models = new_set(config);
    wi_status status = catalog && models ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; status == WI_OK && i < config->n_models; i++) {
        status = srv_model_open(engines, config, &config->models[i], &models->items[i], error);
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
    catalog->engines = *engines;
    catalog->config = config;
    pthread_mutex_init(&catalog->mutex, NULL);
    catalog->now = models;
    *out = catalog;
    return WI_OK;
}

void srv_catalog_close(srv_catalog **catalog)
{
    if (*catalog) {
        srv_models_release(&(*catalog)->now);
        pthread_mutex_destroy(&(*catalog)->mutex);
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

wi_status srv_catalog_reload(srv_catalog *catalog, wi_error *error)
{
    srv_models *old = srv_models_hold(catalog), *models = new_set(catalog->config);
    wi_status status = models ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; models && i < old->n; i++) {
        srv_model *item = NULL;
        wi_error why = {0};
        wi_status opened = srv_model_is_current(old->items[i])
                               ? WI_OK
                               : srv_model_open(&catalog->engines, catalog->config,
                                                &catalog->config->models[i], &item, &why);
        models->items[models->n++] = item ? item : srv_model_hold(old->items[i]);
        if (opened != WI_OK && status == WI_OK) {
            status = store_fail(error, opened, "%s", why.message);
        }
    }
    if (models) {
        memcpy(models->of_alias, old->of_alias, sizeof models->of_alias);
        pthread_mutex_lock(&catalog->mutex);
        srv_models *replaced = catalog->now;
        catalog->now = models;
        pthread_mutex_unlock(&catalog->mutex);
        srv_models_release(&replaced);
    }
    srv_models_release(&old);
    return status;
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
            return models->items[models->of_alias[i]];
        }
    }
    return find_name(models, name, &index);
}
