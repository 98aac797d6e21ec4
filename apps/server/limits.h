/* Fairness between clients: token buckets by key and by address, and how many requests of a key run
 * at once. Kept in memory, per server; the quotas of a day are the store's. */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include "../store/fail.h"

typedef struct srv_limits srv_limits;

wi_status srv_limits_open(srv_limits **out, wi_error *error);
void srv_limits_close(srv_limits **limits);

/* Takes one token of a bucket that refills at `rate` a second up to `burst`. *retry_s: when false, after how
 * many seconds one is there. Unknown names share a bounded table; the longest idle are forgotten. */
bool srv_limits_take(srv_limits *limits, const char *name, double rate, double burst,
                     unsigned *retry_s);
/* Takes so many, however few there are: the bucket may owe. */
void srv_limits_charge(srv_limits *limits, const char *name, double rate, double burst,
                       double cost);
/* How many there are. */
double srv_limits_level(srv_limits *limits, const char *name, double rate, double burst);
/* The same without taking it. */
bool srv_limits_has(srv_limits *limits, const char *name, double rate, double burst,
                    unsigned *retry_s);
/* False: max requests of this key run already. Pair with srv_limits_leave. */
bool srv_limits_enter(srv_limits *limits, const char *key, int64_t max);
void srv_limits_leave(srv_limits *limits, const char *key);

#endif
