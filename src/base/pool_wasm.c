/* The thread pool in WebAssembly. A module cannot start threads: its page starts workers, which
 * instantiate the same module over the same memory, give it a stack of its own and call
 * ww_worker(number), which serves jobs until the page ends the worker.
 *
 * So the threads belong to the memory, not to a pool: they may come late or never, and a run only
 * uses those that are there. Workers run jobs and nothing else, and jobs do not allocate; hence one
 * thread allocates, and the allocator needs no lock.
 *
 * Invariant: `work` may be read only between n_active being raised and is_open being found true. The
 * caller clears is_open when all jobs are handed out and returns when n_active is back to 0; both
 * sides write their own word before they read the other's, in one order for all (seq_cst). */
#include "base/pool.h"

#include "base/error.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__wasm__)

struct wi_pool {
    int n_threads;
};

wi_status wi_pool_open(int n_threads, wi_pool **out, wi_error *error)
{
    wi_pool *pool = malloc(sizeof *pool);
    if (!pool)
        return wi_fail_nomem(error, sizeof *pool, "the thread pool");
#if defined(__wasm_atomics__)
    pool->n_threads = n_threads > 1 ? n_threads : 1;
#else
    (void)n_threads;
    pool->n_threads = 1;
#endif
    *out = pool;
    return WI_OK;
}

void wi_pool_close(wi_pool **pool)
{
    if (pool) {
        free(*pool);
        *pool = NULL;
    }
}

int wi_pool_threads(const wi_pool *pool)
{
    return pool->n_threads;
}

#if defined(__wasm_atomics__)

/* Between two products of one tower lie microseconds: look that often before sleeping. */
enum { SPIN_ROUNDS = 20000 };

static struct {
    size_t n_jobs;
    wi_pool_job *job;
    void *context;
    int n_threads; /* of the pool that runs: workers of higher numbers stay out */
} work;

static atomic_int ticket, n_active, n_asleep;
static atomic_bool is_open;
static atomic_size_t next;

static void take_jobs(int number)
{
    for (;;) {
        const size_t i = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
        if (i >= work.n_jobs)
            return;
        work.job(work.context, i, number);
    }
}

static int wait_for_ticket(int seen)
{
    int now;
    for (int i = 0; i < SPIN_ROUNDS; i++)
        if ((now = atomic_load_explicit(&ticket, memory_order_acquire)) != seen)
            return now;
    atomic_fetch_add(&n_asleep, 1);
    while ((now = atomic_load(&ticket)) == seen)
        __builtin_wasm_memory_atomic_wait32((int *)&ticket, seen, -1);
    atomic_fetch_sub(&n_asleep, 1);
    return now;
}

/* number: 1.. below the threads of the pools that shall use it. Does not return. */
__attribute__((export_name("ww_worker"))) void ww_worker(int number);
void ww_worker(int number)
{
    int seen = 0;
    for (;;) {
        atomic_fetch_add(&n_active, 1);
        if (atomic_load(&is_open) && number < work.n_threads)
            take_jobs(number);
        atomic_fetch_sub(&n_active, 1);
        seen = wait_for_ticket(seen);
    }
}

void wi_pool_run(wi_pool *pool, size_t n_jobs, wi_pool_job *job, void *context)
{
    if (n_jobs <= 1 || pool->n_threads == 1) {
        for (size_t i = 0; i < n_jobs; i++)
            job(context, i, 0);
        return;
    }
    work.n_jobs = n_jobs;
    work.job = job;
    work.context = context;
    work.n_threads = pool->n_threads;
    atomic_store_explicit(&next, 0, memory_order_relaxed);
    atomic_store(&is_open, true);
    atomic_fetch_add(&ticket, 1);
    if (atomic_load(&n_asleep))
        __builtin_wasm_memory_atomic_notify((int *)&ticket, (unsigned)-1);
    take_jobs(0);
    atomic_store(&is_open, false);
    while (atomic_load(&n_active) != 0)
        ;
}

#else

void wi_pool_run(wi_pool *pool, size_t n_jobs, wi_pool_job *job, void *context)
{
    (void)pool;
    for (size_t i = 0; i < n_jobs; i++)
        job(context, i, 0);
}

#endif
#endif
