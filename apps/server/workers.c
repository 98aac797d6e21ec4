#include "access.h"
#include "config.h"
#include "exchange.h"
#include "router.h"
#include <stdlib.h>

enum { STACK_BYTES = 1 << 20 };

static srv_exchange *next(srv_http *http, srv_queue *queue)
{
    pthread_mutex_lock(&http->mutex);
    while (!queue->first && !http->stop) {
        pthread_cond_wait(&queue->filled, &http->mutex);
    }
    srv_exchange *exchange = queue->first;
    if (exchange) {
        queue->first = exchange->next;
        queue->last = queue->first ? queue->last : NULL;
    }
    if (exchange && queue == &http->work) {
        http->n_waiting--;
        http->n_running++;
    }
    pthread_mutex_unlock(&http->mutex);
    return exchange;
}

static void *work(void *context)
{
    srv_http *http = context;
    srv_exchange *exchange;
    while ((exchange = next(http, &http->work))) {
        srv_route_run(&exchange->request, &exchange->response);
        exchange->answered = true;
        MHD_resume_connection(exchange->connection);
        pthread_mutex_lock(&http->mutex);
        http->n_running--;
        pthread_mutex_unlock(&http->mutex);
    }
    return NULL;
}

static void *keep_door(void *context)
{
    srv_http *http = context;
    srv_exchange *exchange;
    while ((exchange = next(http, &http->door))) {
        exchange->refused =
            !srv_access_may_send(http->services->access, &exchange->request, &exchange->response);
        MHD_resume_connection(exchange->connection);
    }
    return NULL;
}

wi_status srv_workers_start(srv_http *http, wi_error *error)
{
    unsigned n = http->services->config->n_workers + 1;
    pthread_attr_t attributes;
    http->workers = calloc(n, sizeof *http->workers);
    if (!http->workers) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (http->n_workers < n && pthread_create(&http->workers[http->n_workers], &attributes,
                                                 http->n_workers ? work : keep_door, http) == 0) {
        http->n_workers++;
    }
    pthread_attr_destroy(&attributes);
    return http->n_workers == n ? WI_OK
                                : store_fail(error, WI_ERR_NOMEM, "cannot start %u threads", n);
}

/* Under the mutex: a thread that sees the exchange may resume its connection at once. */
static void put(srv_queue *queue, srv_exchange *exchange)
{
    MHD_suspend_connection(exchange->connection);
    exchange->next = NULL;
    if (queue->last) {
        queue->last->next = exchange;
    } else {
        queue->first = exchange;
    }
    queue->last = exchange;
    pthread_cond_signal(&queue->filled);
}

bool srv_workers_take(srv_http *http, srv_exchange *exchange)
{
    pthread_mutex_lock(&http->mutex);
    bool fits = http->n_waiting < http->services->config->max_queue && !http->stop;
    if (fits) {
        put(&http->work, exchange);
        http->n_waiting++;
    }
    pthread_mutex_unlock(&http->mutex);
    return fits;
}

bool srv_workers_look(srv_http *http, srv_exchange *exchange)
{
    pthread_mutex_lock(&http->mutex);
    bool fits = !http->stop; /* of each connection there is one at most */
    if (fits) {
        exchange->at_door = true;
        put(&http->door, exchange);
    }
    pthread_mutex_unlock(&http->mutex);
    return fits;
}

void srv_workers_stop(srv_http *http)
{
    pthread_mutex_lock(&http->mutex);
    http->stop = true;
    pthread_cond_broadcast(&http->work.filled);
    pthread_cond_broadcast(&http->door.filled);
    pthread_mutex_unlock(&http->mutex);
    for (unsigned i = 0; i < http->n_workers; i++) {
        pthread_join(http->workers[i], NULL);
    }
    free(http->workers);
    http->workers = NULL;
    http->n_workers = 0;
}
