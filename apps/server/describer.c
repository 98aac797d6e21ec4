#include "describer.h"
#include "clock.h"
#include "gate.h"
#include <pthread.h>
#include <stdlib.h>

#define QUANTUM_MS 50.0

struct srv_describer {
    srv_describer_options options;
    srv_gate *gate;
    pthread_mutex_t mutex; /* held while it is open or closed, and while it works */
    const wi_model *sees;  /* joined tower; NULL: closed */
    wi_model *decoder;
    wi_describer *words;
    double used_ms;
};

wi_status srv_describer_open(const srv_describer_options *options, srv_describer **out,
                             wi_error *error)
{
    srv_describer *d = calloc(1, sizeof *d);
    if (!d) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    const srv_gate_options gate = {.n_inside = 1,
                                   .n_each = 1,
                                   .max_waiting = options->max_waiting,
                                   .max_each = options->max_waiting,
                                   .quantum = QUANTUM_MS};
    d->options = *options;
    pthread_mutex_init(&d->mutex, NULL);
    const wi_status status = srv_gate_open(&gate, &d->gate, error);
    if (status != WI_OK) {
        srv_describer_close(&d);
        return status;
    }
    *out = d;
    return WI_OK;
}

/* Called with the mutex held. */
static void give_back(srv_describer *d)
{
    wi_describer_close(&d->words);
    wi_model_close(&d->decoder);
    if (d->sees) {
        srv_tower_leave(d->options.tower);
        d->sees = NULL;
    }
}

static wi_status take(srv_describer *d, wi_error *error)
{
    const wi_model_options decoder = {.towers = WI_TOWER_DECODER};
    const wi_describer_options how = {.max_images = 1, .one_thread = true};
    if (d->words) {
        return WI_OK;
    }
    wi_status status = srv_tower_join(d->options.tower, &d->sees, error);
    if (status != WI_OK) {
        d->sees = NULL;
        return status;
    }
    status = wi_model_open(d->options.engine, d->options.path, &decoder, &d->decoder, error);
    if (status == WI_OK) {
        status = wi_describer_open(d->sees, d->decoder, &how, &d->words, error);
    }
    if (status == WI_ERR_MISMATCH || status == WI_ERR_UNSUPPORTED) {
        const wi_error why = *error; /* there is one, but not for this model */
        status = store_fail(error, WI_ERR_NOT_FOUND, "%s", why.message);
    }
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
    srv_gate_close(&d->gate);
    pthread_mutex_destroy(&d->mutex);
    free(d);
    *describer = NULL;
}

wi_status srv_describe(srv_describer *d, const srv_asker *asker, const uint8_t *pixels,
                       const wi_describe_options *how, wi_caption *captions, size_t *n,
                       float *embedding, wi_error *error)
{
    if (!d->options.path) {
        return store_fail(error, WI_ERR_NOT_FOUND, "this server has no describer");
    }
    wi_status status = srv_gate_enter(d->gate, asker, error);
    if (status != WI_OK) {
        return status;
    }
    const double begun_ms = srv_clock_ms();
    pthread_mutex_lock(&d->mutex);
    status = take(d, error);
    if (status == WI_OK) {
        status = wi_describe(d->words, pixels, 1, how, captions, n, embedding, error);
    }
    d->used_ms = srv_clock_ms();
    pthread_mutex_unlock(&d->mutex);
    const double ms = srv_clock_ms() - begun_ms;
    srv_burden_add(d->options.burden, asker->client, ms / 1e3);
    srv_gate_leave(d->gate, asker, ms);
    return status;
}

void srv_describer_tick(srv_describer *d)
{
    if (pthread_mutex_trylock(&d->mutex) != 0) {
        return; /* at work */
    }
    if (d->words && d->options.idle_s > 0 &&
        srv_clock_ms() - d->used_ms > d->options.idle_s * 1e3) {
        give_back(d);
    }
    pthread_mutex_unlock(&d->mutex);
}
