#include "health.h"
#include "../store/wait.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_EVERY_S = 4 };

struct srv_health {
    store *st;
    srv_log *log;
    pthread_t thread;
    bool has_thread, stop;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_down;
    int64_t since_ms;
    char message[WI_ERROR_MESSAGE_BYTES];
    atomic_uint_fast64_t n_errors;
};

static void on_trouble(void *context, const char *message)
{
    srv_health *health = context;
    atomic_fetch_add(&health->n_errors, 1);
    srv_log_say(health->log, SRV_LOG_ERROR, "database", "%s", message);
    pthread_mutex_lock(&health->mutex);
    if (!health->is_down) {
        health->since_ms = store_now_ms();
    }
    health->is_down = true;
    snprintf(health->message, sizeof health->message, "%s", message);
    pthread_cond_signal(&health->changed);
    pthread_mutex_unlock(&health->mutex);
}

static void *look(void *context)
{
    srv_health *health = context;
    pthread_mutex_lock(&health->mutex);
    while (!health->stop) {
        const struct timespec when = store_in_ms(health->is_down ? 1e3 : LOOK_EVERY_S * 1e3);
        while (!health->stop &&
               pthread_cond_timedwait(&health->changed, &health->mutex, &when) != ETIMEDOUT) {
        }
        if (health->stop) {
            break;
        }
        pthread_mutex_unlock(&health->mutex);
        wi_status status = store_ping(health->st, NULL);
        pthread_mutex_lock(&health->mutex);
        if (status == WI_OK && health->is_down) {
            health->is_down = false;
            srv_log_say(health->log, SRV_LOG_WARN, "database is back",
                        "the database answers again, after %.1f s",
                        (double)(store_now_ms() - health->since_ms) / 1e3);
        }
    }
    pthread_mutex_unlock(&health->mutex);
    return NULL;
}

wi_status srv_health_open(store *st, srv_log *log, srv_health **out, wi_error *error)
{
    srv_health *health = calloc(1, sizeof *health);
    if (!health) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    health->st = st;
    health->log = log;
    pthread_mutex_init(&health->mutex, NULL);
    store_cond_init(&health->changed);
    store_on_trouble(st, on_trouble, health);
    health->has_thread = pthread_create(&health->thread, NULL, look, health) == 0;
    if (!health->has_thread) {
        srv_health_close(&health);
        return store_fail(error, WI_ERR_NOMEM, "cannot start a thread");
    }
    *out = health;
    return WI_OK;
}

void srv_health_close(srv_health **health)
{
    srv_health *h = *health;
    if (!h) {
        return;
    }
    pthread_mutex_lock(&h->mutex);
    h->stop = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
    if (h->has_thread) {
        pthread_join(h->thread, NULL);
    }
    store_on_trouble(h->st, NULL, NULL);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->mutex);
    free(h);
    *health = NULL;
}

json_t *srv_health_reasons(srv_health *health)
{
    json_t *list = json_array();
    pthread_mutex_lock(&health->mutex);
    if (health->is_down) {
        /* What the database says may name hosts and files: that is for the log. */
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I}", "reason", "database", "message",
                            "the database does not answer, is full or is damaged: see the log",
                            "since_ms", (json_int_t)health->since_ms));
    }
    pthread_mutex_unlock(&health->mutex);
    return list;
}

uint64_t srv_health_database_errors(const srv_health *health)
{
    return health->n_errors;
}
