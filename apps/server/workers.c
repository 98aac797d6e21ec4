#include "access.h"
#include "burden.h"
#include "clock.h"
#include "config.h"
#include "exchange.h"
#include "router.h"
#include <stdlib.h>

enum { STACK_BYTES = 1 << 20, N_LIGHT = 4, MANY_WORDS = 64 };
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

/* Of one client half of a crew works, so that others always find some. */
static size_t most_each(const srv_crew *crew)
{
    return (crew->n_wanted + 1) / 2;
}

static void unlist(srv_http *http, srv_exchange *x)
{
    *(x->before ? &x->before->after : &http->oldest) = x->after;
    *(x->after ? &x->after->before : &http->newest) = x->before;
}

static srv_exchange *next_work(srv_crew *crew)
{
    srv_http *http = crew->http;
    srv_fair_item *item = NULL;
    pthread_mutex_lock(&http->mutex);
    while (!(item = srv_fair_take(crew->work, most_each(crew))) &&
           !(http->stop && srv_fair_waiting(crew->work) == 0)) {
        pthread_cond_wait(&crew->work_there, &http->mutex);
    }
    srv_exchange *x = (srv_exchange *)(void *)item;
    if (x) {
        unlist(http, x);
        x->waited_ms += srv_clock_ms() - x->queued_ms;
        http->n_running++;
    }
    pthread_mutex_unlock(&http->mutex);
    return x;
}

/* Who has left keeps no place of a queue that is full. Called with the mutex held. */
static void drop_gone(srv_http *http, srv_crew *crew)
{
    for (srv_exchange *x = http->oldest, *after; x; x = after) {
        after = x->after;
        if (srv_asker_is_gone(&x->request.asker) && srv_fair_remove(crew->work, &x->turn)) {
            unlist(http, x);
            srv_error(&x->request, &x->response, 503, "gone", "the client has left");
            x->answered = true;
            MHD_resume_connection(x->connection);
        }
    }
}

static bool has_room(const srv_crew *crew, const srv_exchange *x, size_t most, size_t share)
{
    return srv_fair_waiting(crew->work) < most &&
           srv_fair_waiting_of(crew->work, x->request.asker.client) < share;
}

/* Called with the mutex held. Of one client a queue holds half at most, of an address without a key a quarter. */
static bool put(srv_http *http, srv_crew *crew, srv_exchange *x)
{
    const srv_request *request = &x->request;
    size_t most = http->services->config->max_queue;
    size_t share = request->is_local ? most : request->asker.is_guest ? most / 4 : most / 2;
    share = share ? share : 1;
    if (!has_room(crew, x, most, share)) {
        drop_gone(http, crew);
    }
    bool fits = !http->stop && has_room(crew, x, most, share) &&
                srv_fair_put(crew->work, &x->turn, request->asker.client, share);
    if (fits) {
        x->queued_ms = srv_clock_ms();
        x->before = http->newest;
        x->after = NULL;
        *(http->newest ? &http->newest->after : &http->oldest) = x;
        http->newest = x;
        pthread_cond_signal(&crew->work_there);
    }
    return fits;
}

/* What has so many words in it takes long, whoever asks: the slow crew does it. False: it is for this one, or there is
 * no room, and then the answer says so. */
static bool pass_on(srv_crew *crew, srv_exchange *x)
{
    srv_http *http = crew->http;
    if (crew != &http->crews[SRV_CREW_USUAL] || srv_request_n_words(&x->request) <= MANY_WORDS) {
        return false;
    }
    x->request.asker.gives_way = true;
    pthread_mutex_lock(&http->mutex);
    bool passed = put(http, &http->crews[SRV_CREW_SLOW], x);
    pthread_mutex_unlock(&http->mutex);
    if (!passed) {
        srv_error(&x->request, &x->response, 503, "busy", "too many requests wait: try again");
    }
    return passed;
}

static void do_work(srv_exchange *x)
{
    if (srv_asker_is_gone(&x->request.asker)) {
        srv_error(&x->request, &x->response, 503, "gone", "the client has left");
    } else if (x->response.status == 0) {
        wi_error error = {0};
        bool light = x->request.route->flags & SRV_LIGHT;
        if (light ||
            srv_burden_check(x->http->services->burden, &x->request.asker, &error) == WI_OK) {
            srv_route_run(&x->request, &x->response);
        } else {
            srv_error_of(&x->request, &x->response, &error);
        }
    }
    x->answered = true;
    MHD_resume_connection(x->connection);
}

static void *work(void *context)
{
    srv_crew *crew = context;
    srv_http *http = crew->http;
    srv_exchange *exchange;
    if (crew == &http->crews[SRV_CREW_SLOW]) {
        srv_give_way();
    }
    while ((exchange = next_work(crew))) {
        uint64_t client = exchange->turn.client;
        double begun = srv_clock_ms(), used = srv_thread_seconds();
        if (!pass_on(crew, exchange)) {
            do_work(exchange);
        }
        srv_burden_add(http->services->burden, client, srv_thread_seconds() - used);
        pthread_mutex_lock(&http->mutex);
        http->n_running--;
        srv_fair_done(crew->work, client, srv_clock_ms() - begun);
        pthread_cond_signal(&crew->work_there);
        if (http->stop) {
            pthread_cond_broadcast(&crew->work_there);
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

static wi_status start_crew(srv_http *http, srv_crew *crew, unsigned n, wi_error *error)
{
    pthread_attr_t attributes;
    crew->http = http;
    crew->n_wanted = n;
    crew->work = srv_fair_open(QUANTUM_MS, 1);
    crew->threads = calloc(n, sizeof *crew->threads);
    if (!crew->work || !crew->threads) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (crew->n_threads < n &&
           pthread_create(&crew->threads[crew->n_threads], &attributes, work, crew) == 0) {
        crew->n_threads++;
    }
    pthread_attr_destroy(&attributes);
    return crew->n_threads == n ? WI_OK
                                : store_fail(error, WI_ERR_NOMEM, "cannot start %u threads", n);
}

wi_status srv_workers_start(srv_http *http, wi_error *error)
{
    const unsigned n = http->services->config->n_workers;
    const unsigned sizes[SRV_N_CREWS] = {
        [SRV_CREW_USUAL] = n, [SRV_CREW_SLOW] = n, [SRV_CREW_LIGHT] = N_LIGHT};
    wi_status status = WI_OK;
    for (size_t i = 0; i < SRV_N_CREWS; i++) {
        pthread_cond_init(&http->crews[i].work_there, NULL);
    }
    for (size_t i = 0; i < SRV_N_CREWS && status == WI_OK; i++) {
        status = start_crew(http, &http->crews[i], sizes[i], error);
    }
    http->has_door_thread =
        status == WI_OK && pthread_create(&http->door_thread, NULL, keep_door, http) == 0;
    return status != WI_OK || http->has_door_thread
               ? status
               : store_fail(error, WI_ERR_NOMEM, "cannot start a thread");
}

static srv_crew *crew_of(srv_http *http, srv_exchange *x)
{
    srv_asker *asker = &x->request.asker;
    asker->gives_way = srv_burden_is_heavy(http->services->burden, asker->client);
    return &http->crews[x->request.route->flags & SRV_LIGHT ? SRV_CREW_LIGHT
                        : asker->gives_way                  ? SRV_CREW_SLOW
                                                            : SRV_CREW_USUAL];
}

/* Suspended under the mutex: a thread that sees the exchange may resume its connection at once. */
bool srv_workers_take(srv_http *http, srv_exchange *exchange)
{
    srv_crew *crew = crew_of(http, exchange);
    pthread_mutex_lock(&http->mutex);
    bool fits = put(http, crew, exchange);
    if (fits) {
        MHD_suspend_connection(exchange->connection);
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

size_t srv_workers_waiting(const srv_http *http)
{
    size_t n = 0;
    for (size_t i = 0; i < SRV_N_CREWS; i++) {
        n += srv_fair_waiting(http->crews[i].work);
    }
    return n;
}

void srv_workers_stop(srv_http *http)
{
    pthread_mutex_lock(&http->mutex);
    http->stop = true;
    for (size_t i = 0; i < SRV_N_CREWS; i++) {
        pthread_cond_broadcast(&http->crews[i].work_there);
    }
    pthread_cond_broadcast(&http->door.filled);
    pthread_mutex_unlock(&http->mutex);
    for (size_t i = 0; i < SRV_N_CREWS; i++) {
        srv_crew *crew = &http->crews[i];
        for (unsigned j = 0; j < crew->n_threads; j++) {
            pthread_join(crew->threads[j], NULL);
        }
        free(crew->threads);
        crew->threads = NULL;
        crew->n_threads = 0;
    }
    if (http->has_door_thread) {
        pthread_join(http->door_thread, NULL);
        http->has_door_thread = false;
    }
    for (size_t i = 0; i < SRV_N_CREWS; i++) {
        srv_fair_close(&http->crews[i].work);
        pthread_cond_destroy(&http->crews[i].work_there);
    }
}
