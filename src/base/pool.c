/* Each thread has a stretch of the jobs of its own, so that the job after a job is nearly always its
 * next one and it can fetch ahead; a thread that is done takes from the stretches of the others.
 * Threads between two runs of one forward pass spin for some microseconds before they sleep, because
 * a tower is some hundred runs with almost nothing between them. A scheduler likes to wake a thread
 * on the processor that wakes it, where it would wait for milliseconds behind the caller while
 * others are idle; so the caller's own processor is closed to a sleeper until it has woken.
 *
 * Invariant: `ticket` counts runs. A worker takes part in run t at most once, and the caller
 * returns from run t only when `n_working` is back to 0, so no worker can touch the next run's job
 * too early. */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include "base/pool.h"

#include "base/error.h"

#include <stdlib.h>

#if !defined(__wasm__) /* pool_wasm.c */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { SPIN_ROUNDS = 2000 };

/* Number 0 is the thread that runs jobs. */
typedef struct worker {
    pthread_t thread;
    struct wi_pool *pool;
    int number;
    size_t end; /* of its stretch of jobs */
    atomic_size_t next;
    char apart[64]; /* no two counters in one cache line */
    bool asleep;    /* this and the rest: guarded by the pool's mutex */
#if defined(__linux__)
    pid_t id;
    bool elsewhere;    /* the processor of the thread that wakes it is closed to it */
    cpu_set_t allowed; /* processors, when it fell asleep */
#endif
} worker;

struct wi_pool {
    pthread_mutex_t in_use; /* held by the thread that runs jobs */
    pthread_mutex_t mutex;  /* guards sleeping */
    pthread_cond_t wake;
    atomic_uint ticket;
    atomic_bool closing;
    atomic_int n_working;
    wi_pool_job *job;
    void *context;
    int n_threads;
    worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void share_jobs(wi_pool *pool, size_t n_jobs)
{
    const size_t n = (size_t)pool->n_threads, each = n_jobs / n, more = n_jobs % n;
    for (size_t t = 0, begin = 0; t < n; t++) {
        worker *w = &pool->workers[t];
        atomic_store_explicit(&w->next, begin, memory_order_relaxed);
        begin += each + (t < more);
        w->end = begin;
    }
}

static void take_jobs(wi_pool *pool, int number)
{
    for (int t = 0; t < pool->n_threads; t++) {
        worker *from = &pool->workers[(number + t) % pool->n_threads];
        size_t i;
        while ((i = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed)) < from->end)
            pool->job(pool->context, i, number);
    }
}

#if defined(__linux__)
static void fall_asleep(worker *me)
{
    if (me->id == 0)
        me->id = (pid_t)syscall(SYS_gettid);
    me->asleep = sched_getaffinity(0, sizeof me->allowed, &me->allowed) == 0;
    me->elsewhere = false;
}

static void wake_up(worker *me)
{
    me->asleep = false;
    if (me->elsewhere)
        sched_setaffinity(0, sizeof me->allowed, &me->allowed);
}

/* Where there are fewer processors than threads, some have to share one. */
static void send_elsewhere(const wi_pool *pool, worker *sleeper, int processor)
{
    cpu_set_t others = sleeper->allowed;
    if (CPU_COUNT(&others) < pool->n_threads || !CPU_ISSET((size_t)processor, &others))
        return;
    CPU_CLR((size_t)processor, &others);
    sleeper->elsewhere = sched_setaffinity(sleeper->id, sizeof others, &others) == 0;
}

static void make_room(wi_pool *pool)
{
    const int here = sched_getcpu();
    for (int i = 1; here >= 0 && here < CPU_SETSIZE && i < pool->n_threads; i++) {
        if (pool->workers[i].asleep)
            send_elsewhere(pool, &pool->workers[i], here);
    }
}
#else
static void fall_asleep(worker *me)
{
    me->asleep = true;
}

static void wake_up(worker *me)
{
    me->asleep = false;
}

static void make_room(wi_pool *pool)
{
    (void)pool;
}
#endif

static unsigned wait_for_ticket(worker *me, unsigned seen)
{
    wi_pool *pool = me->pool;
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        unsigned now = atomic_load_explicit(&pool->ticket, memory_order_acquire);
        if (now != seen)
            return now;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    unsigned now = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    if (now == seen) {
        fall_asleep(me);
        do
            pthread_cond_wait(&pool->wake, &pool->mutex);
        while ((now = atomic_load_explicit(&pool->ticket, memory_order_acquire)) == seen);
        wake_up(me);
    }
    pthread_mutex_unlock(&pool->mutex);
    return now;
}

static void *worker_main(void *argument)
{
    worker *me = argument;
    wi_pool *pool = me->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_ticket(me, seen);
        if (atomic_load(&pool->closing))
            return NULL;
        take_jobs(pool, me->number);
        atomic_fetch_sub_explicit(&pool->n_working, 1, memory_order_release);
    }
}

wi_status wi_pool_open(int n_threads, wi_pool **out, wi_error *error)
{
    const int n_wanted = n_threads > 1 ? n_threads : 1;
    size_t size = sizeof(wi_pool) + (size_t)n_wanted * sizeof(worker);
    wi_pool *pool = calloc(1, size);
    if (!pool)
        return wi_fail_nomem(error, size, "the thread pool");
    pthread_mutex_init(&pool->in_use, NULL);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->n_threads = 1;
    for (int i = 1; i < n_wanted; i++) {
        worker *w = &pool->workers[i];
        w->pool = pool;
        w->number = i;
        /* Fewer threads only make it slower: no reason to fail. */
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        pool->n_threads++;
    }
    *out = pool;
    return WI_OK;
}

static void start_run(wi_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    make_room(pool);
    atomic_fetch_add_explicit(&pool->ticket, 1, memory_order_release);
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
}

void wi_pool_close(wi_pool **pool_pointer)
{
    if (!pool_pointer || !*pool_pointer)
        return;
    wi_pool *pool = *pool_pointer;
    atomic_store(&pool->closing, true);
    start_run(pool);
    for (int i = 1; i < pool->n_threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->in_use);
    free(pool);
    *pool_pointer = NULL;
}

int wi_pool_threads(const wi_pool *pool)
{
    return pool->n_threads;
}

void wi_pool_run(wi_pool *pool, size_t n_jobs, wi_pool_job *job, void *context)
{
    if (n_jobs <= 1 || pool->n_threads == 1 || pthread_mutex_trylock(&pool->in_use) != 0) {
        for (size_t i = 0; i < n_jobs; i++)
            job(context, i, 0);
        return;
    }
    pool->job = job;
    pool->context = context;
    share_jobs(pool, n_jobs);
    atomic_store_explicit(&pool->n_working, pool->n_threads - 1, memory_order_relaxed);
    start_run(pool);
    take_jobs(pool, 0);
    for (int rounds = 0; atomic_load_explicit(&pool->n_working, memory_order_acquire) != 0;
         rounds++) {
        relax();
        if (rounds > SPIN_ROUNDS) {
            sched_yield();
            rounds = 0;
        }
    }
    pthread_mutex_unlock(&pool->in_use);
}

#endif
