#include "server.h"
#include "access.h"
#include "decoder.h"
#include "heads.h"
#include "http.h"
#include "jobs.h"
#include "metrics.h"
#include "models.h"
#include "web.h"
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void srv_config_defaults(srv_config *config)
{
    long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    *config = (srv_config){
        .address = "127.0.0.1",
        .port = 8080,
        .n_io = n_cores > 4 ? 2 : 1,
        .n_workers = 32,
        .n_decoders = n_cores < 1    ? 1
                      : n_cores > 64 ? 64
                                     : (unsigned)n_cores,
        .max_connections = 4096,
        .max_queue = 256,
        .max_batch = 8,
        .batch_wait_ms = 4,
        .idle_s = 600,
        .timeout_s = 30,
        .max_body_bytes = (size_t)20 << 20,
        .max_pixels = 50000000,
        .rate = 5,
        .burst = 20,
    };
}

/* A connection is a file descriptor, and a thousand of them are not many. */
static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max > 65536 ? 65536 : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Models are opened after the decoders have been forked: larger networks than this are not served. */
enum { MAX_INPUT_PX = 1024 };

static wi_status open_parts(srv_server *server, wi_error *error)
{
    const srv_config *config = &server->config;
    wi_engine_options engine = {.n_threads = config->n_threads, .isa = config->isa};
    wi_status status = store_open(config->database, &server->store, error);
    if (status == WI_OK) {
        status = wi_engine_open(&engine, &server->engine, error);
    }
    if (status == WI_OK) {
        status = srv_metrics_open(server, &server->metrics, error);
    }
    if (status == WI_OK) {
        status = srv_limits_open(server, &server->limits, error);
    }
    if (status == WI_OK) {
        status = srv_models_open(server, &server->models, error);
    }
    if (status == WI_OK) {
        status = srv_heads_open(server, &server->heads, error);
    }
    if (status == WI_OK && config->web) {
        status = srv_web_open(config->web, &server->web, error);
    }
    if (status == WI_OK) {
        status = srv_jobs_open(server, &server->jobs, error);
    }
    return status;
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
    pthread_mutex_init(&server->mutex, NULL);
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
    };
    wi_status status = srv_decoder_open(&decoding, &server->decoder, error);
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

bool srv_memory_take(srv_server *server, size_t n_bytes)
{
    size_t bodies = SRV_MEMORY_BODIES * server->config.max_body_bytes;
    size_t most = bodies > SRV_MEMORY_BYTES ? bodies : SRV_MEMORY_BYTES;
    size_t before = atomic_fetch_add(&server->memory_bytes, n_bytes);
    bool fits = n_bytes <= most && before <= most - n_bytes;
    if (!fits) {
        atomic_fetch_sub(&server->memory_bytes, n_bytes);
    }
    return fits;
}

void srv_memory_give(srv_server *server, size_t n_bytes)
{
    atomic_fetch_sub(&server->memory_bytes, n_bytes);
}

void srv_server_drain(srv_server *server, unsigned timeout_s)
{
    srv_http_load load = {0};
    double until = srv_clock_ms() + timeout_s * 1e3;
    server->draining = true;
    if (!server->http) {
        return;
    }
    srv_http_stop_listening(server->http);
    do {
        usleep(20000);
        srv_http_get_load(server->http, &load);
    } while (load.n_busy > 0 && srv_clock_ms() < until);
}

bool srv_server_web(srv_server *server, const srv_request *request, srv_response *response)
{
    pthread_mutex_lock(&server->mutex);
    bool found = srv_web_answer(server->web, request, response);
    pthread_mutex_unlock(&server->mutex);
    return found;
}

wi_status srv_server_reload(srv_server *server, wi_error *error)
{
    srv_web *web = NULL;
    wi_error why = {0};
    wi_status status = srv_models_reload(server, error);
    wi_status heads = srv_heads_reload(server->heads, &why);
    wi_status files = server->config.web
                          ? srv_web_open(server->config.web, &web, heads == WI_OK ? &why : NULL)
                          : WI_OK;
    if (web) {
        pthread_mutex_lock(&server->mutex);
        srv_web *old = server->web;
        server->web = web;
        pthread_mutex_unlock(&server->mutex);
        srv_web_close(&old);
    }
    if (status == WI_OK && (heads != WI_OK || files != WI_OK)) {
        status = store_fail(error, heads != WI_OK ? heads : files, "%s", why.message);
    }
    return status;
}

void srv_server_close(srv_server **server)
{
    srv_server *s = *server;
    if (!s) {
        return;
    }
    srv_http_close(&s->http);
    srv_jobs_close(&s->jobs);
    srv_web_close(&s->web);
    srv_heads_close(&s->heads);
    srv_models_release(&s->models);
    srv_limits_close(&s->limits);
    srv_metrics_close(&s->metrics);
    wi_engine_close(&s->engine);
    store_close(&s->store);
    srv_decoder_close(&s->decoder);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    *server = NULL;
}
