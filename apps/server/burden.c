#define _GNU_SOURCE /* SCHED_BATCH */
#include "burden.h"
#include "limits.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Seconds of a core: whoever has used more lately is heavy; more is not remembered, so that nobody is for long. */
#define HEAVY_S 0.5
#define MOST_REMEMBERED_S 10.0
#define FORGOTTEN_OF_A_CORE (1.0 / 6)
enum { NICE = 10, SLICE_NS = 100000, AT_ONCE_S = 60 };

struct srv_burden {
    srv_limits *recent;
    double forgotten_s;  /* a second */
    srv_limits *budgets; /* NULL: there are none */
    double guest_s;      /* a second */
};

wi_status srv_burden_open(unsigned n_cores, double guest_seconds, srv_burden **out, wi_error *error)
{
    srv_burden *burden = calloc(1, sizeof *burden);
    if (!burden) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    burden->forgotten_s = FORGOTTEN_OF_A_CORE * (n_cores > 1 ? n_cores : 1);
    burden->guest_s = guest_seconds;
    wi_status status = srv_limits_open(&burden->recent, error);
    if (status == WI_OK && guest_seconds > 0) {
        status = srv_limits_open(&burden->budgets, error);
    }
    if (status != WI_OK) {
        srv_burden_close(&burden);
        return status;
    }
    *out = burden;
    return WI_OK;
}

void srv_burden_close(srv_burden **burden)
{
    if (*burden) {
        srv_limits_close(&(*burden)->recent);
        srv_limits_close(&(*burden)->budgets);
    }
    free(*burden);
    *burden = NULL;
}

static void name_of(uint64_t client, char name[20])
{
    snprintf(name, 20, "%llx", (unsigned long long)client);
}

void srv_burden_add(srv_burden *burden, uint64_t client, double seconds)
{
    char name[20];
    if (burden && client) {
        name_of(client, name);
        srv_limits_charge(burden->recent, name, burden->forgotten_s, MOST_REMEMBERED_S, seconds);
    }
    if (burden && client && burden->budgets) {
        srv_limits_charge(burden->budgets, name, burden->guest_s, AT_ONCE_S * burden->guest_s,
                          seconds);
    }
}

wi_status srv_burden_check(srv_burden *burden, const srv_asker *asker, wi_error *error)
{
    char name[20];
    unsigned retry_s;
    if (!burden || !burden->budgets || !asker->is_guest) {
        return WI_OK;
    }
    name_of(asker->client, name);
    return srv_limits_has(burden->budgets, name, burden->guest_s, AT_ONCE_S * burden->guest_s,
                          &retry_s)
               ? WI_OK
               : store_fail(error, SRV_ERR_BUDGET,
                            "what this address has asked for has taken too much: try again in a "
                            "while");
}

bool srv_burden_is_heavy(srv_burden *burden, uint64_t client)
{
    char name[20];
    if (!burden || !client) {
        return false;
    }
    name_of(client, name);
    return srv_limits_level(burden->recent, name, burden->forgotten_s, MOST_REMEMBERED_S) <
           MOST_REMEMBERED_S - HEAVY_S;
}

/* Niceness says how much of a core is left to it, so that it is never starved. The rest is for how long others wait
 * until it is off the core: a request passes through half a dozen threads, and at each would wait until a slice is
 * used up, which is 3 ms unless it says that it wants shorter ones (Linux 6.12; before, that is ignored). */
void srv_give_way(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } how = {.size = sizeof how, .policy = SCHED_BATCH, .nice = NICE, .runtime_ns = SLICE_NS};
    setpriority(PRIO_PROCESS, 0, NICE);
    syscall(SYS_sched_setattr, 0, &how, 0);
}

double srv_thread_seconds(void)
{
    struct timespec used = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
