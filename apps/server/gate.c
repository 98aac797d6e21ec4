#include "gate.h"
#include "../store/wait.h"
#include "clock.h"
#include "fair.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { LOOK_MS = 200 };

typedef struct waiter {
    srv_fair_item item; /* the first, so that it stands for the whole */
    bool admitted;
    double since_ms;
    pthread_cond_t admitted_now;
    struct waiter *before, *after; /* all of them, in the order in which they came */
} waiter;

struct srv_gate {
    srv_gate_options options;
    pthread_mutex_t mutex;
    srv_fair *fair;
    unsigned n_inside;
    waiter *oldest, *newest;
};

wi_status srv_gate_open(const srv_gate_options *options, srv_gate **out, wi_error *error)
{
    srv_gate *gate = calloc(1, sizeof *gate);
    if (gate) {
        gate->fair = srv_fair_open(options->quantum, 1);
    }
    if (!gate || !gate->fair) {
        free(gate);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    gate->options = *options;
    pthread_mutex_init(&gate->mutex, NULL);
    *out = gate;
    return WI_OK;
}

void srv_gate_close(srv_gate **gate)
{
    if (*gate) {
        srv_fair_close(&(*gate)->fair);
        pthread_mutex_destroy(&(*gate)->mutex);
    }
    free(*gate);
    *gate = NULL;
}

/* Called with the mutex held. */
static void admit(srv_gate *gate)
{
    srv_fair_item *item;
    while (gate->n_inside < gate->options.n_inside &&
           (item = srv_fair_take(gate->fair, gate->options.n_each))) {
        waiter *w = (waiter *)(void *)item;
        gate->n_inside++;
        w->admitted = true;
        pthread_cond_signal(&w->admitted_now);
    }
}

static void wait_for_turn(srv_gate *gate, waiter *self, const srv_asker *asker)
{
    while (!self->admitted && !srv_asker_is_gone(asker)) {
        const struct timespec when = store_in_ms(LOOK_MS);
        pthread_cond_timedwait(&self->admitted_now, &gate->mutex, &when);
    }
}

static void list(srv_gate *gate, waiter *self)
{
    self->before = gate->newest;
    if (gate->newest) {
        gate->newest->after = self;
    } else {
        gate->oldest = self;
    }
    gate->newest = self;
}

static void unlist(srv_gate *gate, waiter *self)
{
    *(self->before ? &self->before->after : &gate->oldest) = self->after;
    *(self->after ? &self->after->before : &gate->newest) = self->before;
}

wi_status srv_gate_enter(srv_gate *gate, const srv_asker *asker, wi_error *error)
{
    waiter self = {.since_ms = srv_clock_ms()};
    pthread_mutex_lock(&gate->mutex);
    if (srv_fair_waiting(gate->fair) >= gate->options.max_waiting ||
        !srv_fair_put(gate->fair, &self.item, asker->client, gate->options.max_each)) {
        pthread_mutex_unlock(&gate->mutex);
        return store_fail(error, WI_ERR_CANCELLED, "too much waits to be worked on: try again");
    }
    store_cond_init(&self.admitted_now);
    list(gate, &self);
    admit(gate);
    wait_for_turn(gate, &self, asker);
    unlist(gate, &self);
    bool admitted = self.admitted;
    if (!admitted) {
        srv_fair_remove(gate->fair, &self.item);
    }
    pthread_mutex_unlock(&gate->mutex);
    pthread_cond_destroy(&self.admitted_now);
    return admitted ? WI_OK : store_fail(error, WI_ERR_CANCELLED, "the client has left");
}

void srv_gate_leave(srv_gate *gate, const srv_asker *asker, double cost_ms)
{
    pthread_mutex_lock(&gate->mutex);
    gate->n_inside--;
    srv_fair_done(gate->fair, asker->client, cost_ms);
    admit(gate);
    pthread_mutex_unlock(&gate->mutex);
}

size_t srv_gate_waiting(srv_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    size_t n = srv_fair_waiting(gate->fair);
    pthread_mutex_unlock(&gate->mutex);
    return n;
}

double srv_gate_age_ms(srv_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    double age = gate->oldest ? srv_clock_ms() - gate->oldest->since_ms : 0;
    pthread_mutex_unlock(&gate->mutex);
    return age;
}
