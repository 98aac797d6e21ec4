#include "pipeline.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_WORKERS = 16 };

/* Slot i % n_slots holds picture i. Invariant under the lock: n_released <= n_started <= n_paths
 * and n_started - n_released <= n_slots. */
struct cli_pipeline {
    const char *const *paths;
    size_t n_paths, n_slots, n_started, n_released, n_taken;
    cli_load_options options;
    const cli_cache *cache;
    bool with_content;
    cli_item *slots, *handed;
    bool *ready;
    uint8_t *pixels;
    size_t pixel_bytes;
    pthread_t workers[MAX_WORKERS];
    int n_workers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    clockid_t clock; /* what ends a wait for `changed` */
    bool stop;
};

static void load_one(cli_pipeline *p, size_t index)
{
    size_t slot = index % p->n_slots;
    cli_item *item = &p->slots[slot];
    uint8_t *pixels = p->pixels + slot * p->pixel_bytes;
    *item = (cli_item){.path = p->paths[index], .pixels = pixels};
    if (p->cache || p->with_content) {
        cli_cache_ask(p->cache, item->path, &item->known);
    }
    if (item->known.row) {
        item->loaded.width_px = item->known.width_px;
        item->loaded.height_px = item->known.height_px;
    } else {
        item->status = cli_load(item->path, &p->options, pixels, &item->loaded, &item->error);
    }
}

static void *work(void *context)
{
    cli_pipeline *p = context;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && p->n_started < p->n_paths) {
        if (p->n_started - p->n_released == p->n_slots) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        size_t index = p->n_started++;
        pthread_mutex_unlock(&p->lock);
        load_one(p, index);
        pthread_mutex_lock(&p->lock);
        p->ready[index % p->n_slots] = true;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Workers never see signals, so that the main thread's waiting is what Ctrl-C wakes. */
static void start_workers(cli_pipeline *p, int n_threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->n_workers < n_threads && p->n_workers < MAX_WORKERS &&
           (size_t)p->n_workers < p->n_paths &&
           pthread_create(&p->workers[p->n_workers], NULL, work, p) == 0) {
        p->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The clock that its waits go by: one that nobody sets, where the system lets a condition have it (Windows does not). */
static clockid_t begin_condition(pthread_cond_t *condition)
{
    clockid_t clock = CLOCK_MONOTONIC;
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    if (pthread_condattr_setclock(&how, clock) != 0) {
        clock = CLOCK_REALTIME;
    }
    pthread_cond_init(condition, &how);
    pthread_condattr_destroy(&how);
    return clock;
}

wi_status cli_pipeline_open(const char *const *paths, size_t n_paths,
                            const cli_load_options *options, const cli_cache *cache,
                            bool with_content, int n_threads, size_t n_slots, cli_pipeline **out,
                            wi_error *error)
{
    cli_pipeline *p = calloc(1, sizeof *p);
    if (!p) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    n_slots = n_slots < n_paths ? n_slots : n_paths ? n_paths : 1;
    p->paths = paths;
    p->n_paths = n_paths;
    p->n_slots = n_slots;
    p->options = *options;
    p->cache = cache;
    p->with_content = with_content;
    p->pixel_bytes = (size_t)options->preprocess.size_px * options->preprocess.size_px * 3;
    p->slots = calloc(n_slots, sizeof *p->slots);
    p->handed = calloc(n_slots, sizeof *p->handed);
    p->ready = calloc(n_slots, sizeof *p->ready);
    p->pixels = calloc(n_slots, p->pixel_bytes);
    pthread_mutex_init(&p->lock, NULL);
    p->clock = begin_condition(&p->changed);
    *out = p;
    if (!p->slots || !p->handed || !p->ready || !p->pixels) {
        cli_pipeline_close(out);
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    /* One picture is not worth a thread; standard input is read where Ctrl-C arrives. */
    if (n_paths > 1) {
        start_workers(p, n_threads);
    }
    return WI_OK;
}

/* The lock is held. False when the user stopped the wait. */
static bool wait_ready(cli_pipeline *p, size_t index)
{
    while (!p->ready[index % p->n_slots]) {
        if (cli_interrupted()) {
            return false;
        }
        if (p->n_workers == 0) {
            p->n_started = index + 1;
            load_one(p, index);
            p->ready[index % p->n_slots] = true;
            return !cli_interrupted();
        }
        struct timespec until;
        clock_gettime(p->clock, &until);
        until.tv_nsec += 100 * 1000 * 1000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&p->changed, &p->lock, &until);
    }
    return true;
}

size_t cli_pipeline_take(cli_pipeline *p, size_t max, const cli_item **items)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    /* What was handed out last time is free now. */
    for (; p->n_released < p->n_taken; p->n_released++) {
        p->ready[p->n_released % p->n_slots] = false;
    }
    pthread_cond_broadcast(&p->changed);
    max = max < p->n_slots ? max : p->n_slots;
    if (p->n_taken < p->n_paths && wait_ready(p, p->n_taken)) {
        while (n < max && p->n_taken < p->n_paths && p->ready[p->n_taken % p->n_slots] &&
               p->n_taken - p->n_released < p->n_slots) {
            p->handed[n++] = p->slots[p->n_taken % p->n_slots];
            p->n_taken++;
        }
    }
    pthread_mutex_unlock(&p->lock);
    *items = p->handed;
    return n;
}

/* After Ctrl-C: what its workers may still use stays until the process has ended, known to whoever looks for leaks. */
static cli_pipeline *volatile left_behind;

void cli_pipeline_close(cli_pipeline **pipeline)
{
    cli_pipeline *p = *pipeline;
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_workers; i++) {
        /* After Ctrl-C a worker may sit in a read from a pipe for good: the process ends without
         * it. */
        if (cli_interrupted()) {
            pthread_detach(p->workers[i]);
        } else {
            pthread_join(p->workers[i], NULL);
        }
    }
    *pipeline = NULL;
    if (cli_interrupted() && p->n_workers > 0) {
        left_behind = p;
        return;
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p->slots);
    free(p->handed);
    free(p->ready);
    free(p->pixels);
    free(p);
}
