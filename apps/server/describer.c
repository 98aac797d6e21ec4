/* Invariant: one thread at a time works (is_working), and it alone uses what is open; the others wait. Whoever waits
 * while nobody works takes the next batch, its own picture in it or not. */
#include "describer.h"
#include "../store/wait.h"
#include "clock.h"
#include "fair.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUANTUM_MS 50.0
enum { LOOK_MS = 200 }; /* how soon it is seen that a client has left */

typedef struct waiter {
    srv_fair_item turn; /* the first, so that it stands for the whole */
    const srv_asker *asker;
    const uint8_t *pixels;
    const wi_describe_options *how;
    srv_sentences *out;
    float *embedding;
    bool taken, done;
    wi_status status;
    wi_error error;
} waiter;

/* What is described together. */
typedef struct batch {
    const srv_describer *describer;
    waiter *items[SRV_DESCRIBE_TOGETHER];
    size_t n;
    double begun_s;
    bool is_late;
} batch;

struct srv_describer {
    srv_describer_options options;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* somebody's sentences are there, or nobody works */
    srv_fair *waiting;
    waiter *
        held; /* had its turn, and asks otherwise than those before it: the first of the next batch */
    bool is_working;
    srv_describer_figures figures;
    double used_ms;
    /* of whoever works */
    const wi_model *sees; /* joined tower; NULL: closed */
    wi_model *decoder;
    wi_describer *words;
    uint8_t *pixels;
    float *embeddings;
    wi_caption captions[SRV_DESCRIBE_TOGETHER * WI_DESCRIBE_MAX_BEAM];
    size_t picture_bytes, dim;
};

wi_status srv_describer_open(const srv_describer_options *options, srv_describer **out,
                             wi_error *error)
{
    srv_describer *d = calloc(1, sizeof *d);
    if (d) {
        d->waiting = srv_fair_open(QUANTUM_MS, 1);
    }
    if (!d || !d->waiting) {
        free(d);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    d->options = *options;
    pthread_mutex_init(&d->mutex, NULL);
    store_cond_init(&d->changed);
    *out = d;
    return WI_OK;
}

/* ---- what is open ---- */

static void give_back(srv_describer *d)
{
    wi_describer_close(&d->words);
    wi_model_close(&d->decoder);
    free(d->pixels);
    free(d->embeddings);
    d->pixels = NULL;
    d->embeddings = NULL;
    if (d->sees) {
        srv_tower_leave(d->options.tower);
        d->sees = NULL;
    }
}

static wi_status take_room(srv_describer *d, wi_error *error)
{
    wi_model_info info;
    const wi_status status = wi_model_get_info(d->sees, &info, error);
    if (status != WI_OK) {
        return status;
    }
    d->picture_bytes = (size_t)info.image_px * info.image_px * 3;
    d->dim = info.embedding_dim;
    d->pixels = malloc(SRV_DESCRIBE_TOGETHER * d->picture_bytes);
    d->embeddings = malloc(SRV_DESCRIBE_TOGETHER * d->dim * sizeof *d->embeddings);
    return d->pixels && d->embeddings ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
}

static wi_status open_words(srv_describer *d, wi_error *error)
{
    const wi_model_options towers = {.towers = WI_TOWER_DECODER};
    const wi_describer_options how = {.max_images = SRV_DESCRIBE_TOGETHER, .one_thread = true};
    wi_status status = d->options.speaks ? WI_OK
                                         : wi_model_open(d->options.engine, d->options.path,
                                                         &towers, &d->decoder, error);
    if (status == WI_OK) {
        status = wi_describer_open(d->sees, d->options.speaks ? d->sees : d->decoder, &how,
                                   &d->words, error);
    }
    if (status == WI_ERR_MISMATCH || status == WI_ERR_UNSUPPORTED) {
        const wi_error why = *error; /* there is one, but not for this model */
        status = store_fail(error, WI_ERR_NOT_FOUND, "%s", why.message);
    }
    return status;
}

static wi_status open_all(srv_describer *d, wi_error *error)
{
    if (d->words) {
        return WI_OK;
    }
    wi_status status = srv_tower_join(d->options.tower, &d->sees, error);
    if (status != WI_OK) {
        d->sees = NULL;
        return status;
    }
    status = open_words(d, error);
    status = status == WI_OK ? take_room(d, error) : status;
    if (status != WI_OK) {
        give_back(d);
    }
    return status;
}

void srv_describer_close(srv_describer **describer)
{
    srv_describer *d = *describer;
    if (!d) {
        return;
    }
    give_back(d);
    srv_fair_close(&d->waiting);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->mutex);
    free(d);
    *describer = NULL;
}

/* ---- batches ---- */

static bool asks_alike(const wi_describe_options *a, const wi_describe_options *b)
{
    return a->n_captions == b->n_captions && a->beam == b->beam &&
           strcmp(a->about ? a->about : "", b->about ? b->about : "") == 0;
}

static waiter *next(srv_describer *d)
{
    waiter *first = d->held;
    d->held = NULL;
    return first ? first : (waiter *)(void *)srv_fair_take(d->waiting, SIZE_MAX);
}

/* Called with the mutex held. */
static void take_batch(srv_describer *d, batch *b)
{
    waiter *w;
    while (b->n < SRV_DESCRIBE_TOGETHER && (w = next(d))) {
        w->taken = true;
        if (b->n > 0 && !asks_alike(w->how, b->items[0]->how)) {
            d->held = w;
            break;
        }
        b->items[b->n++] = w;
    }
}

/* Before each step: not for nobody, and not for ever. */
static bool goes_on(void *context, const char *begun)
{
    batch *b = context;
    size_t n_here = 0;
    (void)begun;
    for (size_t i = 0; i < b->n; i++) {
        n_here += !srv_asker_is_gone(b->items[i]->asker);
    }
    b->is_late =
        srv_thread_seconds() - b->begun_s > b->describer->options.max_seconds * (double)b->n;
    return n_here > 0 && !b->is_late;
}

static wi_status describe(srv_describer *d, batch *b, wi_error *error)
{
    size_t n_out[SRV_DESCRIBE_TOGETHER];
    wi_describe_options how = *b->items[0]->how;
    const size_t each = how.n_captions ? how.n_captions : 1;
    how.max_tokens = SRV_DESCRIBE_TOKENS;
    how.step = goes_on;
    how.context = b;
    wi_status status = open_all(d, error);
    if (status != WI_OK) {
        return status;
    }
    for (size_t i = 0; i < b->n; i++) {
        memcpy(d->pixels + i * d->picture_bytes, b->items[i]->pixels, d->picture_bytes);
    }
    status = wi_describe(d->words, d->pixels, b->n, &how, d->captions, n_out, d->embeddings, error);
    if (status == WI_ERR_CANCELLED) {
        return b->is_late ? store_fail(error, WI_ERR_CANCELLED,
                                       "the sentence took more than %g s of a core: it is given up",
                                       d->options.max_seconds)
                          : store_fail(error, WI_ERR_CANCELLED, "the client has left");
    }
    for (size_t i = 0; i < b->n && status == WI_OK; i++) {
        srv_sentences *out = b->items[i]->out;
        memcpy(out->captions, d->captions + i * each, n_out[i] * sizeof *out->captions);
        out->n = n_out[i];
        out->has_scale = wi_describer_has_scale(d->words);
        memcpy(b->items[i]->embedding, d->embeddings + i * d->dim, d->dim * sizeof(float));
    }
    return status;
}

/* Called with the mutex held, which is given up meanwhile. */
static void work(srv_describer *d)
{
    batch b = {.describer = d, .begun_s = srv_thread_seconds()};
    wi_error error = {0};
    take_batch(d, &b);
    d->is_working = true;
    pthread_mutex_unlock(&d->mutex);
    const wi_status status = describe(d, &b, &error);
    const double seconds = (srv_thread_seconds() - b.begun_s) / (double)b.n;
    for (size_t i = 0; i < b.n; i++) {
        srv_burden_add(d->options.burden, b.items[i]->turn.client, seconds);
    }
    pthread_mutex_lock(&d->mutex);
    for (size_t i = 0; i < b.n; i++) {
        b.items[i]->status = status;
        b.items[i]->error = error;
        b.items[i]->done = true;
        srv_fair_done(d->waiting, b.items[i]->turn.client, seconds * 1e3);
    }
    if (status == WI_OK) {
        d->figures.n_batches++;
        d->figures.n_pictures += b.n;
    }
    d->used_ms = srv_clock_ms();
    d->is_working = false;
    pthread_cond_broadcast(&d->changed);
}

/* ---- requests ---- */

static size_t n_waiting(const srv_describer *d)
{
    return srv_fair_waiting(d->waiting) + (d->held != NULL);
}

static void wait_a_little(srv_describer *d)
{
    const struct timespec when = store_in_ms(LOOK_MS);
    pthread_cond_timedwait(&d->changed, &d->mutex, &when);
}

/* False: it leaves without its sentences. Called with the mutex held. */
static bool stay(srv_describer *d, waiter *self)
{
    while (!self->done) {
        if (!self->taken && srv_asker_is_gone(self->asker)) {
            srv_fair_remove(d->waiting, &self->turn);
            return false;
        }
        if (!d->is_working) {
            work(d);
        } else {
            wait_a_little(d);
        }
    }
    return true;
}

wi_status srv_describe(srv_describer *d, const srv_asker *asker, const uint8_t *pixels,
                       const wi_describe_options *how, srv_sentences *out, float *embedding,
                       wi_error *error)
{
    waiter self = {
        .asker = asker, .pixels = pixels, .how = how, .out = out, .embedding = embedding};
    if (!d->options.path && !d->options.speaks) {
        return store_fail(error, WI_ERR_NOT_FOUND, "this server has no describer");
    }
    pthread_mutex_lock(&d->mutex);
    if (n_waiting(d) >= d->options.max_waiting ||
        !srv_fair_put(d->waiting, &self.turn, asker->client, d->options.max_waiting)) {
        pthread_mutex_unlock(&d->mutex);
        return store_fail(error, WI_ERR_CANCELLED, "too many pictures wait: try again");
    }
    const bool stayed = stay(d, &self);
    pthread_mutex_unlock(&d->mutex);
    if (!stayed) {
        return store_fail(error, WI_ERR_CANCELLED, "the client has left");
    }
    return self.status == WI_OK ? WI_OK : store_fail(error, self.status, "%s", self.error.message);
}

void srv_describer_measure(srv_describer *d, srv_describer_figures *out)
{
    pthread_mutex_lock(&d->mutex);
    *out = d->figures;
    out->n_waiting = n_waiting(d);
    pthread_mutex_unlock(&d->mutex);
}

void srv_describer_tick(srv_describer *d)
{
    pthread_mutex_lock(&d->mutex);
    if (!d->is_working && d->words && d->options.idle_s > 0 &&
        srv_clock_ms() - d->used_ms > d->options.idle_s * 1e3) {
        give_back(d);
    }
    pthread_mutex_unlock(&d->mutex);
}
