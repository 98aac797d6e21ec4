#include "tower.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct srv_tower {
    srv_tower_options options;
    pthread_mutex_t mutex;
    wi_model *model;
    unsigned n_users;
    atomic_bool is_open;
};

srv_tower *srv_tower_new(const srv_tower_options *options)
{
    srv_tower *tower = calloc(1, sizeof *tower);
    if (tower) {
        tower->options = *options;
        pthread_mutex_init(&tower->mutex, NULL);
    }
    return tower;
}

void srv_tower_free(srv_tower **tower)
{
    if (*tower) {
        pthread_mutex_destroy(&(*tower)->mutex);
    }
    free(*tower);
    *tower = NULL;
}

wi_status srv_tower_join(srv_tower *tower, const wi_model **out, wi_error *error)
{
    pthread_mutex_lock(&tower->mutex);
    wi_status status =
        tower->model ? WI_OK : tower->options.open(tower->options.context, &tower->model, error);
    if (status == WI_OK) {
        tower->n_users++;
        tower->is_open = true;
        *out = tower->model;
    }
    pthread_mutex_unlock(&tower->mutex);
    return status;
}

void srv_tower_leave(srv_tower *tower)
{
    pthread_mutex_lock(&tower->mutex);
    if (--tower->n_users == 0) {
        tower->is_open = false;
        wi_model_close(&tower->model);
        malloc_trim(0);
    }
    pthread_mutex_unlock(&tower->mutex);
}

bool srv_tower_is_open(const srv_tower *tower)
{
    return tower->is_open;
}
