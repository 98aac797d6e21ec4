#include "exchange.h"
#include "metrics.h"
#include "router.h"
#include <stdlib.h>

enum { STACK_BYTES = 1 << 20 };

static srv_exchange *next(srv_http *http)
{
    pthread_mutex_lock(&http->mutex);
    while (!http->first && !http->stop) {
        pthread_cond_wait(&http->queued, &http->mutex);
    }
    srv_exchange *exchange = http->first;
    if (exchange) {
        http->first = exchange->next;
        http->last = http->first ? http->last : NULL;
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
    while ((exchange = next(http))) {
        srv_route_run(&exchange->request, &exchange->response);
        exchange->answered = true;
        MHD_resume_connection(exchange->connection);
        pthread_mutex_lock(&http->mutex);
        http->n_running--;
        pthread_mutex_unlock(&http->mutex);
    }
    return NULL;
}

wi_status srv_workers_start(srv_http *http, wi_error *error)
{
    unsigned n = http->server->config.n_workers;
    pthread_attr_t attributes;
    http->workers = calloc(n, sizeof *http->workers);
    if (!http->workers) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (http->n_workers < n &&
           pthread_create(&http->workers[http->n_workers], &attributes, work, http) == 0) {
        http->n_workers++;
    }
    pthread_attr_destroy(&attributes);
    return http->n_workers == n ? WI_OK
                                : store_fail(error, WI_ERR_NOMEM, "cannot start %u threads", n);
}

bool srv_workers_take(srv_http *http, srv_exchange *exchange)
{
    pthread_mutex_lock(&http->mutex);
    bool fits = http->n_waiting < http->server->config.max_queue && !http->stop;
    if (fits) {
        /* Before a worker can see it, and resume it. */
        MHD_suspend_connection(exchange->connection);
        exchange->next = NULL;
        if (http->last) {
            http->last->next = exchange;
        } else {
            http->first = exchange;
        }
        http->last = exchange;
        http->n_waiting++;
        pthread_cond_signal(&http->queued);
    }
    pthread_mutex_unlock(&http->mutex);
    return fits;
}

void srv_workers_stop(srv_http *http)
{
    pthread_mutex_lock(&http->mutex);
    http->stop = true;
    pthread_cond_broadcast(&http->queued);
    pthread_mutex_unlock(&http->mutex);
    for (unsigned i = 0; i < http->n_workers; i++) {
        pthread_join(http->workers[i], NULL);
    }
    free(http->workers);
    http->workers = NULL;
    http->n_workers = 0;
}
