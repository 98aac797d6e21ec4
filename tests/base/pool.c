/* The thread pool: every job runs once, and a thread that is held up holds up only its own job. */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#endif
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MAX_JOBS = 1000, MAX_THREADS = 5 };

typedef struct tally {
    atomic_int runs[MAX_JOBS];
    atomic_int n_done;
    size_t patient; /* this job waits until `n_others` are done */
    int n_others;   /* 0: none waits */
    bool in_vain;
} tally;

static void count(void *context, size_t index, int worker)
{
    (void)worker;
    tally *t = context;
    atomic_fetch_add(&t->runs[index], 1);
    if (t->n_others && index == t->patient) {
        for (int ms = 0; atomic_load(&t->n_done) < t->n_others && !t->in_vain; ms++) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            t->in_vain = ms > 20000;
        }
    }
    atomic_fetch_add(&t->n_done, 1);
}

static wi_pool *opened(int n_threads)
{
    wi_pool *pool = NULL;
    wi_error error = {0};
    assert_int_equal(wi_pool_open(n_threads, &pool, &error), WI_OK);
    assert_int_equal(wi_pool_threads(pool), n_threads);
    return pool;
}

static void every_job_runs_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 6, 7, 48, MAX_JOBS};
    for (int n_threads = 1; n_threads <= MAX_THREADS; n_threads++) {
        wi_pool *pool = opened(n_threads);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            static tally t;
            memset(&t, 0, sizeof t);
            wi_pool_run(pool, counts[c], count, &t);
            for (size_t i = 0; i < MAX_JOBS; i++)
                assert_int_equal(t.runs[i], i < counts[c]);
        }
        wi_pool_close(&pool);
        assert_null(pool);
    }
}

/* One job ends only when all others have: a thread held up by it leaves its stretch to the others. */
static void nobody_waits_for_a_slow_thread(void **state)
{
    (void)state;
    for (int n_threads = 2; n_threads <= MAX_THREADS; n_threads++) {
        wi_pool *pool = opened(n_threads);
        for (size_t patient = 0; patient < 40; patient += 13) {
            tally *t = test_calloc(1, sizeof *t);
            t->patient = patient;
            t->n_others = 39;
            wi_pool_run(pool, 40, count, t);
            assert_false(t->in_vain);
            assert_int_equal(t->n_done, 40);
            test_free(t);
        }
        wi_pool_close(&pool);
    }
}

#if defined(__linux__)
typedef struct place {
    cpu_set_t allowed; /* to the thread that runs jobs */
    atomic_int n_differ, n_workers;
} place;

static void look_at_processors(void *context, size_t job, int worker)
{
    place *p = context;
    cpu_set_t mine;
    (void)job;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0 || !CPU_EQUAL(&mine, &p->allowed))
        atomic_fetch_add(&p->n_differ, 1);
    if (worker > 0)
        atomic_fetch_add(&p->n_workers, 1);
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* A sleeper is woken elsewhere than on the processor of who wakes it, but then may go anywhere. */
static void a_woken_thread_may_run_anywhere(void **state)
{
    (void)state;
    place p = {0};
    assert_int_equal(sched_getaffinity(0, sizeof p.allowed, &p.allowed), 0);
    for (int n_threads = 2; n_threads <= MAX_THREADS; n_threads++) {
        wi_pool *pool = opened(n_threads);
        for (int runs = 0; runs < 3 || p.n_workers == 0; runs++) {
            nanosleep(&(struct timespec){0, 5000000}, NULL); /* they fall asleep */
            wi_pool_run(pool, 8, look_at_processors, &p);
            assert_int_equal(p.n_differ, 0);
        }
        p.n_workers = 0;
        wi_pool_close(&pool);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(nobody_waits_for_a_slow_thread),
#if defined(__linux__)
        cmocka_unit_test(a_woken_thread_may_run_anywhere),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
