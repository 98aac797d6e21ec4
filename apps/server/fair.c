/* Source: M. Shreedhar and G. Varghese, "Efficient fair queuing using deficit round robin", 1995; with accounts that
 * are settled after the service, for costs that nobody knows before. */
#include "fair.h"
#include "clock.h"
#include <math.h>
#include <stdlib.h>

/* A debt is bounded, so that nobody is shut out for long by one costly request. */
enum { MAX_DEBT_ROUNDS = 400 };

typedef struct flow {
    uint64_t client;
    double account, idle_since_ms;
    srv_fair_item *first, *last;
    size_t n_waiting, n_inside;
    struct flow *next; /* in the ring, or among the quiet ones */
} flow;

struct srv_fair {
    double quantum, per_ms;
    flow *ring, *end; /* those with something waiting, in turn */
    flow *quiet;      /* those with something inside, or with debts */
    size_t n_waiting;
};

srv_fair *srv_fair_open(double quantum, double per_ms)
{
    srv_fair *fair = calloc(1, sizeof *fair);
    if (fair) {
        fair->quantum = quantum;
        fair->per_ms = per_ms;
    }
    return fair;
}

static void free_list(flow *f)
{
    while (f) {
        flow *next = f->next;
        free(f);
        f = next;
    }
}

void srv_fair_close(srv_fair **fair)
{
    if (*fair) {
        free_list((*fair)->ring);
        free_list((*fair)->quiet);
    }
    free(*fair);
    *fair = NULL;
}

static flow *find(flow *list, uint64_t client)
{
    while (list && list->client != client) {
        list = list->next;
    }
    return list;
}

static void append(srv_fair *fair, flow *f)
{
    f->next = NULL;
    if (fair->end) {
        fair->end->next = f;
    } else {
        fair->ring = f;
    }
    fair->end = f;
}

static void unlink_from(flow **list, flow *f)
{
    while (*list != f) {
        list = &(*list)->next;
    }
    *list = f->next;
}

static void leave_ring(srv_fair *fair, flow *f)
{
    unlink_from(&fair->ring, f);
    fair->end = NULL;
    for (flow *at = fair->ring; at; at = at->next) {
        fair->end = at;
    }
}

static void forgive(srv_fair *fair, flow *f, double now)
{
    if (f->n_inside == 0) {
        f->account = fmin(0, f->account + (now - f->idle_since_ms) * fair->per_ms);
        f->idle_since_ms = now;
    }
}

/* Forgets whom there is nothing to say about. */
static void sweep(srv_fair *fair)
{
    double now = srv_clock_ms();
    for (flow **at = &fair->quiet; *at;) {
        flow *f = *at;
        forgive(fair, f, now);
        if (f->n_inside == 0 && f->account >= 0) {
            *at = f->next;
            free(f);
        } else {
            at = &f->next;
        }
    }
}

bool srv_fair_put(srv_fair *fair, srv_fair_item *item, uint64_t client, size_t max_waiting)
{
    flow *f = find(fair->ring, client);
    if (!f) {
        f = find(fair->quiet, client);
        if (f) {
            forgive(fair, f, srv_clock_ms());
            unlink_from(&fair->quiet, f);
        } else {
            f = calloc(1, sizeof *f);
        }
        if (!f) {
            return false;
        }
        f->client = client;
        append(fair, f);
        sweep(fair);
    }
    if (f->n_waiting >= max_waiting) {
        return false;
    }
    item->client = client;
    item->next = NULL;
    if (f->last) {
        f->last->next = item;
    } else {
        f->first = item;
    }
    f->last = item;
    f->n_waiting++;
    fair->n_waiting++;
    return true;
}

/* To the quiet ones once nothing waits; what is left of an account is not saved up. */
static void rest(srv_fair *fair, flow *f)
{
    if (f->n_waiting == 0) {
        leave_ring(fair, f);
        f->account = fmin(f->account, 0);
        f->idle_since_ms = srv_clock_ms();
        f->next = fair->quiet;
        fair->quiet = f;
    }
}

static srv_fair_item *take_first(srv_fair *fair, flow *f)
{
    srv_fair_item *item = f->first;
    f->first = item->next;
    f->last = f->first ? f->last : NULL;
    f->n_waiting--;
    f->n_inside++;
    fair->n_waiting--;
    rest(fair, f);
    return item;
}

srv_fair_item *srv_fair_take(srv_fair *fair, size_t max_inside)
{
    double rounds = INFINITY;
    size_t n = 0;
    for (flow *f = fair->ring; f; f = f->next, n++) {
        if (f->n_inside < max_inside) {
            rounds = fmin(rounds, f->account > 0 ? 0 : floor(-f->account / fair->quantum) + 1);
        }
    }
    if (isinf(rounds)) {
        return NULL;
    }
    /* So many rounds would pass in which nobody is served: all at once. */
    for (flow *f = fair->ring; f; f = f->next) {
        f->account += f->n_inside < max_inside ? rounds * fair->quantum : 0;
    }
    for (; n > 0; n--) {
        flow *f = fair->ring;
        if (f->account > 0 && f->n_inside < max_inside) {
            return take_first(fair, f);
        }
        leave_ring(fair, f);
        append(fair, f);
    }
    return NULL;
}

void srv_fair_done(srv_fair *fair, uint64_t client, double cost)
{
    flow *f = find(fair->ring, client);
    f = f ? f : find(fair->quiet, client);
    if (f) {
        f->n_inside -= f->n_inside > 0;
        f->account = fmax(f->account - cost, -MAX_DEBT_ROUNDS * fair->quantum);
        f->idle_since_ms = srv_clock_ms();
        if (f == fair->ring && f->account <= 0 && f->next) {
            leave_ring(fair, f);
            append(fair, f);
        }
    }
}

bool srv_fair_remove(srv_fair *fair, srv_fair_item *item)
{
    flow *f = find(fair->ring, item->client);
    srv_fair_item *before = NULL, *at = f ? f->first : NULL;
    while (at && at != item) {
        before = at;
        at = at->next;
    }
    if (!at) {
        return false;
    }
    if (before) {
        before->next = item->next;
    } else {
        f->first = item->next;
    }
    f->last = f->last == item ? before : f->last;
    f->n_waiting--;
    fair->n_waiting--;
    rest(fair, f);
    return true;
}

size_t srv_fair_waiting(const srv_fair *fair)
{
    return fair->n_waiting;
}

size_t srv_fair_waiting_of(const srv_fair *fair, uint64_t client)
{
    const flow *f = find(fair->ring, client);
    return f ? f->n_waiting : 0;
}
