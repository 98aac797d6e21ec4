/* Waits with an end, by time that only runs forwards: whoever sets the clock back lengthens none of them. */
#ifndef STORE_WAIT_H
#define STORE_WAIT_H

#include <pthread.h>
#include <time.h>

/* A condition whose waits end by store_in_ms(). */
static inline void store_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static inline struct timespec store_in_ms(double ms)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    const long long ns = when.tv_nsec + (long long)(ms * 1e6);
    when.tv_sec += (time_t)(ns / 1000000000);
    when.tv_nsec = (long)(ns % 1000000000);
    return when;
}

#endif
