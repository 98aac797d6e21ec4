/* The server's parts, joined. Everything hangs on one srv_server, which main owns. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "message.h"
#include <pthread.h>
#include <stdatomic.h>
#include <whatsit/whatsit.h>

typedef struct srv_named_path {
    const char *name; /* NULL: the model's own */
    const char *path;
} srv_named_path;

enum { SRV_MAX_MODELS = 8, SRV_MAX_ALIASES = 32, SRV_MAX_ORIGINS = 16 };
enum { SRV_MEMORY_BYTES = 512 << 20, SRV_MEMORY_BODIES = 4 };

/* Strings are borrowed for the server's life. */
typedef struct srv_config {
    const char *address; /* to listen on: "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;       /* 0: any free one */
    const char *database;
    const char *web;      /* folder of static files; NULL: none */
    const char *heads;    /* folder of shipped label lists; NULL: none */
    const char *everyday; /* label list of the head that answers when none is named; NULL: none */
    srv_named_path models[SRV_MAX_MODELS];
    size_t n_models;                         /* the first is the default */
    srv_named_path aliases[SRV_MAX_ALIASES]; /* name -> name of a model */
    size_t n_aliases;
    const char *origins[SRV_MAX_ORIGINS]; /* allowed by CORS; none: CORS is off */
    size_t n_origins;
    const char *host; /* an own name that local, anonymous requests may carry; NULL: none */
    const char *isa;
    int n_threads;
    unsigned n_io, n_workers, n_decoders;
    unsigned max_connections, max_queue, max_batch, batch_wait_ms, idle_s, timeout_s;
    size_t max_body_bytes;
    uint64_t max_pixels;
    bool anonymous;   /* anybody may ask, from anywhere */
    bool require_key; /* not even local requests go without a key */
    bool no_sandbox;
    double rate, burst; /* requests a second of one address without a key; rate 0: no limit */
} srv_config;

void srv_config_defaults(srv_config *config);

typedef struct srv_models srv_models;
typedef struct srv_heads srv_heads;
typedef struct srv_jobs srv_jobs;
typedef struct srv_limits srv_limits;
typedef struct srv_metrics srv_metrics;
typedef struct srv_decoder srv_decoder;
typedef struct srv_http srv_http;
typedef struct srv_web srv_web;

typedef struct srv_server {
    srv_config config;
    store *store;
    wi_engine *engine;
    srv_decoder *decoder;
    pthread_mutex_t mutex; /* guards which set of models and which web files are those of now */
    srv_models *models;    /* use it through srv_models_hold */
    srv_heads *heads;
    srv_jobs *jobs;
    srv_limits *limits;
    srv_metrics *metrics;
    srv_web *web;
    srv_http *http;
    char name[33]; /* of this server among others: random */
    atomic_bool draining;
    atomic_size_t memory_bytes; /* what requests hold: see srv_memory_take */
} srv_server;

/* Opens everything but the listening socket. Call it before any thread has begun.
 * Owns: the caller closes *out; config's strings are borrowed. */
wi_status srv_server_open(const srv_config *config, srv_server **out, wi_error *error);
/* Lets what runs finish, for at most this long. */
void srv_server_drain(srv_server *server, unsigned timeout_s);
/* Reads label lists, static files and models anew; requests under way keep what they hold. What cannot
 * be read stays as it was; the first error is told. */
wi_status srv_server_reload(srv_server *server, wi_error *error);
void srv_server_close(srv_server **server);
/* The web app's file of that path, if there is one. */
bool srv_server_web(srv_server *server, const srv_request *request, srv_response *response);

/* All requests together may hold SRV_MEMORY_BYTES of bodies, parsed JSON and files of heads, or SRV_MEMORY_BODIES
 * of the largest bodies if that is more, so that no number of them exhausts the machine. False: not now, and nothing
 * was taken. */
bool srv_memory_take(srv_server *server, size_t n_bytes);
void srv_memory_give(srv_server *server, size_t n_bytes);

/* Milliseconds of a clock that only runs forwards. */
double srv_clock_ms(void);

#endif
