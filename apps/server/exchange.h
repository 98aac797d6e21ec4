/* What http.c, events.c and workers.c share: one request on its way, and the daemon's state. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include "client.h"
#include "door.h"
#include "fair.h"
#include "forwarded.h"
#include "message.h"
#include "services.h"
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct srv_http srv_http;

typedef struct srv_exchange {
    srv_fair_item turn; /* the first, so that it stands for the whole; for the work */
    srv_http *http;
    struct MHD_Connection *connection;
    srv_client *client;
    srv_request request;
    srv_response response;
    size_t capacity;    /* for the body: taken from the server's share */
    size_t n_allocated; /* of it */
    bool is_announced;  /* by Content-Length: the capacity is all there will be */
    bool at_door;       /* its key is looked up before its body may come */
    bool refused;       /* the answer is known before the body is read, which is then dropped */
    bool hopeless;      /* and the body is too long even for that: the connection is closed */
    uint64_t n_dropped;
    bool answered;
    double started_ms, received_ms, waited_ms, queued_ms;
    char id[65]; /* of the request, in the log and in the answer */
    struct srv_exchange *next, *before, *after;
} srv_exchange;

/* Exchanges that wait for a thread, their connections suspended. */
typedef struct srv_queue {
    pthread_cond_t filled;
    srv_exchange *first, *last;
} srv_queue;

/* Threads that do one kind of work, so that none waits behind another kind. */
enum {
    SRV_CREW_USUAL = 0,
    SRV_CREW_SLOW,  /* for clients who have cost much, and for what will; gives way to all others */
    SRV_CREW_LIGHT, /* for requests that touch neither pictures nor words */
    SRV_N_CREWS
};

typedef struct srv_crew {
    srv_http *http;
    srv_fair *work; /* turns between clients */
    pthread_cond_t work_there;
    unsigned n_wanted, n_threads;
    pthread_t *threads;
} srv_crew;

struct srv_stream;

struct srv_http {
    srv_services *services;
    void (*tick)(void *);
    void *tick_context;
    struct MHD_Daemon *daemon;
    uint16_t port;
    srv_net proxies[SRV_MAX_NETS];
    size_t n_proxies;
    /* workers */
    pthread_mutex_t mutex;
    srv_queue door;
    pthread_t door_thread;
    bool has_door_thread;
    srv_crew crews[SRV_N_CREWS];
    srv_exchange *oldest, *newest; /* what waits for work, in the order in which it came */
    unsigned n_running;            /* of the work */
    bool stop;
    srv_door *door_keeper;
    _Atomic(srv_client *) *
        by_fd; /* whose connection that is, from when the door opens it; at least as many as descriptors */
    size_t n_by_fd;
    atomic_uint n_exchanges;
    /* streams; the ticker looks after them */
    pthread_mutex_t streams_mutex;
    struct srv_stream *streams;
    unsigned n_streams;
    bool streams_end;
    pthread_t ticker;
    bool has_ticker, ticker_stop;
};

/* ---- workers.c ---- */

wi_status srv_workers_start(srv_http *http, wi_error *error);
/* Suspends the connection and queues the exchange; false when the queue is full. */
bool srv_workers_take(srv_http *http, srv_exchange *exchange);
/* The same for a look at the key alone, which comes back as at_door with the refusal, if it is one. A thread of its
 * own does it: it neither waits behind pictures, nor do the threads that read wait for the database. */
bool srv_workers_look(srv_http *http, srv_exchange *exchange);
/* How many wait for a thread. Called with the mutex held. */
size_t srv_workers_waiting(const srv_http *http);
/* Finishes what is queued. */
void srv_workers_stop(srv_http *http);

/* ---- events.c ---- */

/* Server-sent events about a job; NULL when there are too many streams, in all or of this owner. */
struct MHD_Response *srv_stream_open(srv_http *http, struct MHD_Connection *connection,
                                     const char *job, const char *owner);
/* News for the streams; end: closes them. */
void srv_streams_tick(srv_http *http, bool end);

#endif
