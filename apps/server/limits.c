#include "limits.h"
#include "asker.h"
#include "clock.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { N_BUCKETS = 8192, N_WAYS = 8, N_RUNNING = 1024 };

typedef struct bucket {
    uint64_t name; /* its hash; 0: free */
    double tokens, at_ms;
} bucket;

typedef struct running {
    char key[40];
    int64_t n;
} running;

struct srv_limits {
    pthread_mutex_t mutex;
    bucket buckets[N_BUCKETS];
    running running[N_RUNNING];
};

wi_status srv_limits_open(srv_limits **out, wi_error *error)
{
    srv_limits *limits = calloc(1, sizeof *limits);
    if (!limits) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_mutex_init(&limits->mutex, NULL);
    *out = limits;
    return WI_OK;
}

void srv_limits_close(srv_limits **limits)
{
    if (*limits) {
        pthread_mutex_destroy(&(*limits)->mutex);
    }
    free(*limits);
    *limits = NULL;
}

/* The bucket of that name among the few places where it may be, else the longest idle of them. */
static bucket *find(srv_limits *limits, uint64_t name, double burst, double now)
{
    bucket *set = &limits->buckets[name % (N_BUCKETS / N_WAYS) * N_WAYS], *oldest = set;
    for (size_t i = 0; i < N_WAYS; i++) {
        if (set[i].name == name) {
            return &set[i];
        }
        oldest = set[i].at_ms < oldest->at_ms ? &set[i] : oldest;
    }
    *oldest = (bucket){name, burst, now};
    return oldest;
}

static bool look(srv_limits *limits, const char *name, double rate, double burst, double cost,
                 unsigned *retry_s)
{
    if (rate <= 0) {
        return true;
    }
    double now = srv_clock_ms();
    burst = burst < 1 ? 1 : burst;
    pthread_mutex_lock(&limits->mutex);
    bucket *b = find(limits, srv_client_of(name), burst, now);
    b->tokens = fmin(burst, b->tokens + (now - b->at_ms) / 1e3 * rate);
    b->at_ms = now;
    bool taken = b->tokens >= 1;
    b->tokens -= taken ? cost : 0;
    *retry_s = taken ? 0 : (unsigned)ceil((1 - b->tokens) / rate);
    pthread_mutex_unlock(&limits->mutex);
    return taken;
}

bool srv_limits_take(srv_limits *limits, const char *name, double rate, double burst,
                     unsigned *retry_s)
{
    return look(limits, name, rate, burst, 1, retry_s);
}

bool srv_limits_has(srv_limits *limits, const char *name, double rate, double burst,
                    unsigned *retry_s)
{
    return look(limits, name, rate, burst, 0, retry_s);
}

double srv_limits_level(srv_limits *limits, const char *name, double rate, double burst)
{
    double now = srv_clock_ms();
    pthread_mutex_lock(&limits->mutex);
    const bucket *b = find(limits, srv_client_of(name), burst, now);
    double level = fmin(burst, b->tokens + (now - b->at_ms) / 1e3 * rate);
    pthread_mutex_unlock(&limits->mutex);
    return level;
}

void srv_limits_charge(srv_limits *limits, const char *name, double rate, double burst, double cost)
{
    double now = srv_clock_ms();
    pthread_mutex_lock(&limits->mutex);
    bucket *b = find(limits, srv_client_of(name), burst, now);
    b->tokens = fmin(burst, b->tokens + (now - b->at_ms) / 1e3 * rate) - cost;
    b->at_ms = now;
    pthread_mutex_unlock(&limits->mutex);
}

static running *find_running(srv_limits *limits, const char *key)
{
    running *free_one = NULL;
    for (size_t i = 0; i < N_RUNNING; i++) {
        running *r = &limits->running[i];
        if (r->n > 0 && !strcmp(r->key, key)) {
            return r;
        }
        free_one = !free_one && r->n == 0 ? r : free_one;
    }
    return free_one;
}

bool srv_limits_enter(srv_limits *limits, const char *key, int64_t max)
{
    pthread_mutex_lock(&limits->mutex);
    running *r = find_running(limits, key);
    bool enters = r && (max < 0 || r->n < max);
    if (enters && r->n == 0) {
        strncpy(r->key, key, sizeof r->key - 1);
        r->key[sizeof r->key - 1] = '\0';
    }
    if (enters) {
        r->n++;
    }
    pthread_mutex_unlock(&limits->mutex);
    return enters;
}

void srv_limits_leave(srv_limits *limits, const char *key)
{
    pthread_mutex_lock(&limits->mutex);
    running *r = find_running(limits, key);
    if (r && r->n > 0) {
        r->n--;
    }
    pthread_mutex_unlock(&limits->mutex);
}
