/* Invariant: one thread at a time gathers a batch (is_gathering), and while one batch is shared out
 * among all cores (is_wide) no other is taken. The tower is there as long as any thread uses it. */
#include "encoder.h"
#include "../store/wait.h"
#include "clock.h"
#include "fair.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_BATCH = 256, LEAST_SHARE = 4 };

typedef struct waiter {
    srv_fair_item turn; /* the first, so that it stands for the whole */
    const uint8_t *pixels;
    float *embedding;
    bool done;
    wi_status status;
    wi_error error;
    pthread_cond_t ready;
} waiter;

/* A thread that encodes, and what it holds while it is not idle. */
typedef struct runner {
    srv_encoder *encoder;
    pthread_t thread;
    const wi_model *tower; /* NULL: not joined */
    wi_session *session;
    uint8_t *pixels;
    float *embeddings;
} runner;

struct srv_encoder {
    srv_encoder_options options;
    size_t picture_bytes, dim;
    size_t most_each; /* pictures of one runner */
    pthread_mutex_t mutex;
    pthread_cond_t turn, arrived; /* to take a batch; for the one who gathers it */
    srv_fair *waiting;            /* turns between clients */
    size_t n_expected;
    unsigned n_busy;
    bool is_gathering, is_wide, stop;
    runner *runners;
    unsigned n_runners, n_started;
    wi_session *wide; /* of the engine's threads; whoever is wide uses it */
    pthread_mutex_t wide_mutex;
    unsigned n_joined;
    atomic_uint_fast64_t n_batches, n_images, busy_us;
};

/* ---- the tower ---- */

static void close_runner(runner *r)
{
    srv_encoder *e = r->encoder;
    wi_session_close(&r->session);
    free(r->pixels);
    free(r->embeddings);
    r->pixels = NULL;
    r->embeddings = NULL;
    if (!r->tower) {
        return;
    }
    r->tower = NULL;
    pthread_mutex_lock(&e->wide_mutex);
    if (--e->n_joined == 0) {
        wi_session_close(&e->wide);
    }
    pthread_mutex_unlock(&e->wide_mutex);
    srv_tower_leave(e->options.tower);
}

static wi_status join_tower(runner *r, bool wide, wi_error *error)
{
    srv_encoder *e = r->encoder;
    const wi_session_options how = {
        .max_images = e->n_runners, .max_tokens = 1, .engine = e->options.engine};
    const bool joins = !r->tower;
    wi_status status = joins ? srv_tower_join(e->options.tower, &r->tower, error) : WI_OK;
    if (status != WI_OK) {
        return status;
    }
    pthread_mutex_lock(&e->wide_mutex);
    e->n_joined += joins;
    if (wide && !e->wide) {
        status = wi_session_open(r->tower, &how, &e->wide, error);
    }
    pthread_mutex_unlock(&e->wide_mutex);
    return status;
}

static wi_status open_runner(runner *r, bool wide, wi_error *error)
{
    srv_encoder *e = r->encoder;
    const size_t most = e->most_each > e->n_runners ? e->most_each : e->n_runners;
    const wi_session_options how = {
        .max_images = (uint32_t)e->most_each, .max_tokens = 1, .one_thread = true};
    wi_status status = join_tower(r, wide, error);
    if (status == WI_OK && !wide && !r->session) {
        status = wi_session_open(r->tower, &how, &r->session, error);
    }
    r->pixels = r->pixels ? r->pixels : malloc(most * e->picture_bytes);
    r->embeddings = r->embeddings ? r->embeddings : malloc(most * e->dim * sizeof(float));
    if (status == WI_OK && (!r->pixels || !r->embeddings)) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status != WI_OK) {
        close_runner(r);
    }
    return status;
}

/* ---- batches ---- */

static void encode_batch(runner *r, waiter **items, size_t n, bool wide)
{
    srv_encoder *e = r->encoder;
    wi_error error = {0};
    const double start = srv_clock_ms(), used = srv_thread_seconds();
    wi_status status = open_runner(r, wide, &error);
    if (status == WI_OK) {
        for (size_t i = 0; i < n; i++) {
            memcpy(r->pixels + i * e->picture_bytes, items[i]->pixels, e->picture_bytes);
        }
        status = wi_session_encode_images(wide ? e->wide : r->session, r->pixels, n, r->embeddings,
                                          &error);
    }
    if (status == WI_OK) {
        wi_normalise(r->embeddings, n, e->dim);
        for (size_t i = 0; i < n; i++) {
            memcpy(items[i]->embedding, r->embeddings + i * e->dim, e->dim * sizeof(float));
        }
        const double n_threads = wide ? e->n_runners : 1;
        const double seconds = (srv_clock_ms() - start) / 1e3 * n_threads;
        /* A client pays for what was computed for it, not for what else the machine had to do. */
        const double cost = (srv_thread_seconds() - used) * n_threads;
        atomic_fetch_add(&e->n_batches, 1);
        atomic_fetch_add(&e->n_images, n);
        atomic_fetch_add(&e->busy_us, (uint64_t)(seconds * 1e6));
        for (size_t i = 0; i < n; i++) {
            srv_burden_add(e->options.burden, items[i]->turn.client, cost / (double)n);
        }
    }
    for (size_t i = 0; i < n; i++) {
        items[i]->status = status;
        items[i]->error = error;
    }
}

static size_t n_waiting(const srv_encoder *e)
{
    return srv_fair_waiting(e->waiting);
}

static bool may_take(const srv_encoder *e)
{
    return n_waiting(e) > 0 && !e->is_gathering && !e->is_wide;
}

/* Until the batch is full, nothing more is expected, or nothing has come for a while: one picture that
 * takes long to decode must not hold up the others. */
static void gather(srv_encoder *e)
{
    struct timespec when;
    size_t seen = 0;
    while (n_waiting(e) < e->most_each && e->n_expected > 0 && !e->stop) {
        if (n_waiting(e) != seen) {
            seen = n_waiting(e);
            when = store_in_ms(e->options.batch_wait_ms);
        }
        if (pthread_cond_timedwait(&e->arrived, &e->mutex, &when) == ETIMEDOUT) {
            return;
        }
    }
}

/* Returns how many it took; 0 when there was nothing for long. Called with the mutex held. */
static size_t take_batch(srv_encoder *e, waiter **items, bool *wide)
{
    const unsigned idle_s = e->options.idle_s;
    const struct timespec when = store_in_ms(idle_s ? idle_s * 1e3 : 1e9);
    while (!may_take(e) && !(e->stop && n_waiting(e) == 0)) {
        if (pthread_cond_timedwait(&e->turn, &e->mutex, &when) == ETIMEDOUT) {
            break;
        }
    }
    if (!may_take(e)) {
        return 0;
    }
    e->is_gathering = true;
    gather(e);
    e->is_gathering = false;
    *wide = e->n_busy == 0 && n_waiting(e) < e->n_runners;
    const size_t n_free = e->n_runners - e->n_busy;
    const size_t share = *wide ? n_waiting(e) : (n_waiting(e) + n_free - 1) / n_free;
    size_t n = 0;
    srv_fair_item *item;
    while (n < share && n < e->most_each && (item = srv_fair_take(e->waiting, SIZE_MAX))) {
        items[n++] = (waiter *)(void *)item;
    }
    return n;
}

static void hand_out(srv_encoder *e, waiter **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        srv_fair_done(e->waiting, items[i]->turn.client, 1);
        items[i]->done = true;
        pthread_cond_signal(&items[i]->ready);
    }
    if (may_take(e)) {
        pthread_cond_signal(&e->turn);
    }
}

static void *run(void *context)
{
    runner *r = context;
    srv_encoder *e = r->encoder;
    waiter *items[MAX_BATCH];
    if (e->options.gives_way) {
        srv_give_way();
    }
    pthread_mutex_lock(&e->mutex);
    while (!e->stop || n_waiting(e) > 0) {
        bool wide = false;
        const size_t n = take_batch(e, items, &wide);
        e->n_busy += n > 0;
        e->is_wide = e->is_wide || wide;
        hand_out(e, items, 0);
        pthread_mutex_unlock(&e->mutex);
        if (n > 0) {
            encode_batch(r, items, n, wide);
        } else {
            close_runner(r);
        }
        pthread_mutex_lock(&e->mutex);
        e->n_busy -= n > 0;
        e->is_wide = e->is_wide && !wide;
        hand_out(e, items, n);
    }
    pthread_cond_broadcast(&e->turn);
    pthread_mutex_unlock(&e->mutex);
    close_runner(r);
    return NULL;
}

wi_status srv_encode(srv_encoder *e, const srv_asker *asker, const uint8_t *pixels,
                     float *embedding, wi_error *error)
{
    waiter self = {.pixels = pixels, .embedding = embedding};
    pthread_mutex_lock(&e->mutex);
    e->n_expected--;
    if (n_waiting(e) >= e->options.max_queue || e->stop ||
        !srv_fair_put(e->waiting, &self.turn, asker->client, e->options.max_queue)) {
        pthread_mutex_unlock(&e->mutex);
        return store_fail(error, WI_ERR_CANCELLED, "too many pictures wait: try again");
    }
    pthread_cond_init(&self.ready, NULL);
    pthread_cond_signal(e->is_gathering ? &e->arrived : &e->turn);
    while (!self.done) {
        pthread_cond_wait(&self.ready, &e->mutex);
    }
    pthread_mutex_unlock(&e->mutex);
    pthread_cond_destroy(&self.ready);
    if (self.status != WI_OK) {
        return store_fail(error, self.status, "%s", self.error.message);
    }
    return WI_OK;
}

void srv_encoder_expect(srv_encoder *e)
{
    pthread_mutex_lock(&e->mutex);
    e->n_expected++;
    pthread_mutex_unlock(&e->mutex);
}

void srv_encoder_unexpect(srv_encoder *e)
{
    pthread_mutex_lock(&e->mutex);
    e->n_expected--;
    if (e->n_expected == 0) {
        pthread_cond_signal(&e->arrived);
    }
    pthread_mutex_unlock(&e->mutex);
}

void srv_encoder_measure(srv_encoder *e, srv_encoder_figures *out)
{
    pthread_mutex_lock(&e->mutex);
    out->n_waiting = n_waiting(e);
    pthread_mutex_unlock(&e->mutex);
    out->n_batches = e->n_batches;
    out->n_images = e->n_images;
    out->seconds = (double)e->busy_us / 1e6;
}

/* ---- starting ---- */

static wi_status start_runners(srv_encoder *e, wi_error *error)
{
    e->runners = calloc(e->n_runners, sizeof *e->runners);
    if (!e->runners) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    while (e->n_started < e->n_runners) {
        runner *r = &e->runners[e->n_started];
        r->encoder = e;
        if (pthread_create(&r->thread, NULL, run, r) != 0) {
            return store_fail(error, WI_ERR_NOMEM, "cannot start %u threads", e->n_runners);
        }
        e->n_started++;
    }
    return WI_OK;
}

wi_status srv_encoder_start(const srv_encoder_options *options, srv_encoder **out, wi_error *error)
{
    srv_encoder *e = calloc(1, sizeof *e);
    if (!e) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    e->waiting = srv_fair_open(1, 1);
    if (!e->waiting) {
        free(e);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    e->options = *options;
    e->picture_bytes = (size_t)options->image_px * options->image_px * 3;
    e->dim = options->dim;
    e->n_runners = options->n_threads;
    const size_t most = options->max_batch < MAX_BATCH ? options->max_batch : MAX_BATCH;
    const size_t share = (most + e->n_runners - 1) / e->n_runners;
    e->most_each = share < LEAST_SHARE ? LEAST_SHARE : share;
    e->most_each = e->most_each < most ? e->most_each : most;
    pthread_mutex_init(&e->mutex, NULL);
    pthread_mutex_init(&e->wide_mutex, NULL);
    store_cond_init(&e->turn);
    store_cond_init(&e->arrived);
    const wi_status status = start_runners(e, error);
    if (status != WI_OK) {
        srv_encoder_stop(&e);
        return status;
    }
    *out = e;
    return WI_OK;
}

void srv_encoder_stop(srv_encoder **encoder)
{
    srv_encoder *e = *encoder;
    if (!e) {
        return;
    }
    pthread_mutex_lock(&e->mutex);
    e->stop = true;
    pthread_cond_broadcast(&e->turn);
    pthread_cond_broadcast(&e->arrived);
    pthread_mutex_unlock(&e->mutex);
    for (unsigned i = 0; i < e->n_started; i++) {
        pthread_join(e->runners[i].thread, NULL);
    }
    pthread_mutex_destroy(&e->mutex);
    pthread_mutex_destroy(&e->wide_mutex);
    pthread_cond_destroy(&e->turn);
    pthread_cond_destroy(&e->arrived);
    srv_fair_close(&e->waiting);
    free(e->runners);
    free(e);
    *encoder = NULL;
}
