#include "access.h"
#include "clock.h"
#include "config.h"
#include "exchange.h"
#include "router.h"
#include <stdlib.h>

enum { STACK_BYTES = 1 << 20 };
#define QUANTUM_MS 20.0

static srv_exchange *next_at_door(srv_http *http)
{
    srv_queue *queue = &http->door;
    pthread_mutex_lock(&http->mutex);
    while (!queue->first && !http->stop) {
        pthread_cond_wait(&queue->filled, &http->mutex);
    }
    srv_exchange *exchange = queue->first;
    if (exchange) {
        queue->first = exchange->next;
        queue->last = queue->first ? queue->last : NULL;
    }
    pthread_mutex_unlock(&http->mutex);
    return exchange;
}

/* Of one client half of the workers work, so that others always find some. */
static size_t most_each(const srv_http *http)
{
    return (http->services->config->n_workers + 1) / 2;
}

static srv_exchange *next_work(srv_http *http)
{
    srv_fair_item *item = NULL;
    pthread_mutex_lock(&http->mutex);
    while (!(item = srv_fair_take(http->work, most_each(http))) &&
           !(http->stop && srv_fair_waiting(http->work) == 0)) {
        pthread_cond_wait(&http->work_there, &http->mutex);
    }
    srv_exchange *x = (srv_exchange *)(void *)item;
    if (x) {
        *(x->before ? &x->before->after : &http->oldest) = x->after;
        *(x->after ? &x->after->before : &http->newest) = x->before;
        x->waited_ms = srv_clock_ms() - x->queued_ms;
        http->n_running++;
    }
    pthread_mutex_unlock(&http->mutex);
    return x;
}

static void *work(void *context)
{
    srv_http *http = context;
    srv_exchange *exchange;
    while ((exchange = next_work(http))) {
        uint64_t client = exchange->turn.client;
        double begun = srv_clock_ms();
        if (!srv_asker_is_gone(&exchange->request.asker)) {
            srv_route_run(&exchange->request, &exchange->response);
        } else {
            srv_error(&exchange->request, &exchange->response, 503, "gone", "the client has left");
        }
        exchange->answered = true;
        MHD_resume_connection(exchange->connection);
        pthread_mutex_lock(&http->mutex);
        http->n_running--;
        srv_fair_done(http->work, client, srv_clock_ms() - begun);
        pthread_cond_signal(&http->work_there);
        if (http->stop) {
            pthread_cond_broadcast(&http->work_there);
        }
        pthread_mutex_unlock(&http->mutex);
    }
    return NULL;
}

static void *keep_door(void *context)
{
    srv_http *http = context;
    srv_exchange *exchange;
    while ((exchange = next_at_door(http))) {
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
    http->work = srv_fair_open(QUANTUM_MS, 1);
    if (!http->workers || !http->work) {
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

/* Suspended under the mutex: a thread that sees the exchange may resume its connection at once. Of one client the
 * queue holds half at most, of an address without a key a quarter. */
bool srv_workers_take(srv_http *http, srv_exchange *exchange)
{
    const srv_request *request = &exchange->request;
    size_t most = http->services->config->max_queue;
    size_t share = request->is_local ? most : request->asker.is_guest ? most / 4 : most / 2;
    pthread_mutex_lock(&http->mutex);
    bool fits = !http->stop && srv_fair_waiting(http->work) < most &&
                srv_fair_put(http->work, &exchange->turn, request->asker.client, share ? share : 1);
    if (fits) {
        MHD_suspend_connection(exchange->connection);
        exchange->queued_ms = srv_clock_ms();
        exchange->before = http->newest;
        exchange->after = NULL;
        *(http->newest ? &http->newest->after : &http->oldest) = exchange;
        http->newest = exchange;
        pthread_cond_signal(&http->work_there);
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
        MHD_suspend_connection(exchange->connection);
        exchange->next = NULL;
        *(http->door.last ? &http->door.last->next : &http->door.first) = exchange;
        http->door.last = exchange;
        pthread_cond_signal(&http->door.filled);
    }
    pthread_mutex_unlock(&http->mutex);
    return fits;
}

void srv_workers_stop(srv_http *http)
{
    pthread_mutex_lock(&http->mutex);
    http->stop = true;
    pthread_cond_broadcast(&http->work_there);
    pthread_cond_broadcast(&http->door.filled);
    pthread_mutex_unlock(&http->mutex);
    for (unsigned i = 0; i < http->n_workers; i++) {
        pthread_join(http->workers[i], NULL);
    }
    free(http->workers);
    srv_fair_close(&http->work);
    http->workers = NULL;
    http->n_workers = 0;
}
