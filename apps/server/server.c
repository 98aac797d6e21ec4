#include "server.h"
#include "access.h"
#include "admin.h"
#include "burden.h"
#include "clock.h"
#include "cors.h"
#include "decoder.h"
#include "forwarded.h"
#include "handlers.h"
#include "heads.h"
#include "health.h"
#include "http.h"
#include "jobs.h"
#include "libraries.h"
#include "memory.h"
#include "metrics.h"
#include "models.h"
#include "search.h"
#include "thumbnails.h"
#include "web.h"
#include "webhook.h"
#include <malloc.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Bodies, JSON and files of heads of all requests together, or so many of the largest bodies if that is more. */
enum { MEMORY_BYTES = 512 << 20, MEMORY_BODIES = 4 };
/* Models are opened after the decoders have been forked: larger networks than this are not served. */
enum { MAX_INPUT_PX = 1024, QUIET_POLLS = 12 };

struct srv_server {
    srv_config config;
    wi_engine *engine, *slow_engine; /* the threads of the second give way to all others */
    srv_services parts;
    srv_admin *admin;
    pthread_mutex_t reloading;
    char name[33]; /* of this server among others: random */
};

/* A connection is a file descriptor, and a thousand of them are not many. */
static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max > 65536 ? 65536 : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static wi_status open_memory(srv_server *server, wi_error *error)
{
    size_t bodies = MEMORY_BODIES * server->config.max_body_bytes;
    server->parts.memory = srv_memory_open(bodies > MEMORY_BYTES ? bodies : MEMORY_BYTES);
    return server->parts.memory ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
}

/* Threads begin as slow as the one that begins them, which then ends. */
typedef struct opening {
    const wi_engine_options *options;
    wi_engine **out;
    wi_status status;
    wi_error *error;
} opening;

static void *open_engine(void *context)
{
    opening *o = context;
    srv_give_way();
    o->status = wi_engine_open(o->options, o->out, o->error);
    return NULL;
}

static wi_status open_slow(srv_server *server, const wi_engine_options *options, wi_error *error)
{
    pthread_t thread;
    opening o = {.options = options, .out = &server->slow_engine, .error = error};
    if (pthread_create(&thread, NULL, open_engine, &o) != 0) {
        return store_fail(error, WI_ERR_NOMEM, "cannot start a thread");
    }
    pthread_join(thread, NULL);
    return o.status;
}

/* What is only used when the server listens; whoever asks whether all is well wants to know now. */
static wi_status check(const srv_config *config, wi_error *error)
{
    srv_net proxies[SRV_MAX_NETS];
    wi_status status =
        srv_nets_read("trust-proxy", config->proxies, config->n_proxies, proxies, error);
    status = status ? status : srv_cors_check(config, error);
    if (status == WI_OK && config->admin) {
        status = srv_admin_check(config->admin, error);
    }
    if (status == WI_OK && config->host && strpbrk(config->host, "/ \t\r\n")) {
        status = store_fail(error, WI_ERR_ARG,
                            "--host is a name such as photos.example, not '%.80s'", config->host);
    }
    return status;
}

static wi_status open_parts(srv_server *server, wi_error *error)
{
    const srv_config *config = &server->config;
    srv_services *parts = &server->parts;
    wi_engine_options engine = {.n_threads = config->n_threads, .isa = config->isa};
    wi_status status = check(config, error);
    status = status ? status : srv_log_open(&config->log, &parts->log, error);
    status = status ? status : store_open(config->database, &parts->store, error);
    status = status ? status : srv_health_open(parts->store, parts->log, &parts->health, error);
    status = status ? status : wi_engine_open(&engine, &server->engine, error);
    status = status ? status : open_slow(server, &engine, error);
    status = status ? status : open_memory(server, error);
    status = status ? status : srv_metrics_open(&parts->metrics, error);
    status = status ? status : srv_access_open(config, parts->store, &parts->access, error);
    const srv_engines engines = {
        .usual = server->engine, .slow = server->slow_engine, .burden = parts->burden};
    status = status ? status : srv_catalog_open(&engines, config, &parts->catalog, error);
    status = status ? status
                    : srv_heads_open(server->engine, config, parts->store, parts->memory,
                                     &parts->heads, error);
    status = status ? status : srv_search_open(config, parts->store, &parts->search, error);
    status = status ? status : srv_libraries_open(server->engine, config, &parts->libraries, error);
    status = status ? status
                    : srv_thumbnails_open(config->thumbnails, config->thumbnails_bytes,
                                          &parts->thumbnails, error);
    if (status == WI_OK && config->web) {
        status = srv_web_open(config->web, &parts->web, error);
    }
    uint8_t secret[32];
    status = status ? status : store_secret(parts->store, "webhooks", secret, error);
    status = status ? status : srv_webhook_open(config, secret, parts->log, &parts->webhook, error);
    const srv_jobs_options jobs = {.config = config,
                                   .st = parts->store,
                                   .catalog = parts->catalog,
                                   .decoder = parts->decoder,
                                   .name = server->name,
                                   .look = srv_look_for_job,
                                   .context = parts,
                                   .webhook = parts->webhook};
    return status ? status : srv_jobs_open(&jobs, &parts->jobs, error);
}

wi_status srv_server_open(const srv_config *config, srv_server **out, wi_error *error)
{
    uint8_t random[16];
    *out = NULL;
    if (sodium_init() < 0) {
        return store_fail(error, WI_ERR_INTERNAL, "libsodium does not work here");
    }
    srv_server *server = calloc(1, sizeof *server);
    if (!server) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    server->config = *config;
    server->parts.config = &server->config;
    server->parts.server = server;
    server->parts.reload = srv_server_reload;
    pthread_mutex_init(&server->reloading, NULL);
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(server->name, sizeof server->name, random, sizeof random);
    raise_limits();
    /* Big buffers come and go with every picture: they must not stay with the allocator, and many
     * threads must not each keep a heap. */
    mallopt(M_ARENA_MAX, 4);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    srv_decoder_options decoding = {
        .n_processes = config->n_decoders,
        .max_bytes = config->max_body_bytes,
        .max_pixels = config->max_pixels,
        .max_size_px = MAX_INPUT_PX,
        .no_sandbox = config->no_sandbox,
        .isa = config->isa,
        .max_seconds = config->max_decode_s,
        .max_waiting = config->n_workers,
        .max_costly_waiting = config->n_workers * 3 / 4 + 1,
    };
    wi_status status =
        srv_burden_open(config->n_decoders, config->guest_decode_s, &server->parts.burden, error);
    decoding.burden = server->parts.burden;
    status = status ? status : srv_decoder_open(&decoding, &server->parts.decoder, error);
    if (status == WI_OK) {
        status = open_parts(server, error);
    }
    if (status != WI_OK) {
        srv_server_close(&server);
        return status;
    }
    *out = server;
    return WI_OK;
}

static void tick(void *context)
{
    srv_server *server = context;
    srv_catalog_tick(server->parts.catalog);
}

wi_status srv_server_listen(srv_server *server, wi_error *error)
{
    const char *admin = server->config.admin;
    wi_status status = srv_http_open(&server->parts, tick, server, &server->parts.http, error);
    return status == WI_OK && admin ? srv_admin_open(&server->parts, admin, &server->admin, error)
                                    : status;
}

void srv_server_describe(const srv_server *server, char *text, size_t n_text)
{
    const char *address = server->config.address;
    bool v6 = strchr(address, ':') != NULL;
    snprintf(text, n_text, "http://%s%s%s:%u (decoding: %s, database: %s)", v6 ? "[" : "", address,
             v6 ? "]" : "", srv_http_port(server->parts.http),
             srv_decoder_kind(server->parts.decoder), store_kind(server->parts.store));
}

srv_services *srv_server_services(srv_server *server)
{
    return &server->parts;
}

void srv_server_drain(srv_server *server, unsigned wait_s, unsigned timeout_s)
{
    srv_http_load load = {0};
    server->parts.draining = true;
    for (double until = srv_clock_ms() + wait_s * 1e3; srv_clock_ms() < until;) {
        usleep(20000);
    }
    double until = srv_clock_ms() + timeout_s * 1e3;
    if (!server->parts.http) {
        return;
    }
    srv_http_stop_listening(server->parts.http);
    /* Answers pass through the door: nothing must have been under way for a while. */
    for (unsigned n_quiet = 0; n_quiet < QUIET_POLLS && srv_clock_ms() < until;) {
        usleep(20000);
        srv_http_get_load(server->parts.http, &load);
        n_quiet = load.n_busy > 0 ? 0 : n_quiet + 1;
    }
}

wi_status srv_server_reload(srv_server *server, wi_error *error)
{
    srv_services *parts = &server->parts;
    wi_error why = {0};
    pthread_mutex_lock(&server->reloading);
    wi_status logs = srv_log_reopen(parts->log, error);
    wi_status status = srv_catalog_reload(parts->catalog, logs == WI_OK ? error : NULL);
    status = logs != WI_OK ? logs : status;
    wi_status heads = srv_heads_reload(parts->heads, &why);
    wi_status files = parts->web ? srv_web_reload(parts->web, heads == WI_OK ? &why : NULL) : WI_OK;
    if (status == WI_OK && (heads != WI_OK || files != WI_OK)) {
        status = store_fail(error, heads != WI_OK ? heads : files, "%s", why.message);
    }
    pthread_mutex_unlock(&server->reloading);
    return status;
}

void srv_server_close(srv_server **server)
{
    srv_server *s = *server;
    if (!s) {
        return;
    }
    srv_admin_close(&s->admin);
    srv_http_close(&s->parts.http);
    srv_jobs_close(&s->parts.jobs);
    srv_webhook_close(&s->parts.webhook);
    srv_web_close(&s->parts.web);
    srv_heads_close(&s->parts.heads);
    srv_thumbnails_close(&s->parts.thumbnails);
    srv_libraries_close(&s->parts.libraries);
    srv_search_close(&s->parts.search);
    srv_catalog_close(&s->parts.catalog);
    srv_access_close(&s->parts.access);
    srv_metrics_close(&s->parts.metrics);
    srv_memory_close(&s->parts.memory);
    wi_engine_close(&s->slow_engine);
    wi_engine_close(&s->engine);
    srv_health_close(&s->parts.health);
    store_close(&s->parts.store);
    srv_decoder_close(&s->parts.decoder);
    srv_burden_close(&s->parts.burden);
    srv_log_close(&s->parts.log);
    pthread_mutex_destroy(&s->reloading);
    free(s);
    *server = NULL;
}
