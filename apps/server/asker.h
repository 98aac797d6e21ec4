/* For whom work is done: what queues and budgets go by. */
#ifndef SERVER_ASKER_H
#define SERVER_ASKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <whatsit/status.h>

typedef struct srv_asker {
    bool is_guest;   /* without a key, from elsewhere: has a budget */
    bool gives_way;  /* its work is done by what gives way to everything else (burden.h) */
    uint64_t client; /* stands for a key or an address; 0: the server itself */
    const atomic_bool
        *gone; /* true once nobody waits for the answer any more; NULL: somebody does */
} srv_asker;

/* More than the asker may use in a while (429): a status beside the library's and the store's. */
#define SRV_ERR_BUDGET ((wi_status)65)

/* The number of a name, never 0; nobody outside can tell which names share one. */
uint64_t srv_client_of(const char *name);

static inline bool srv_asker_is_gone(const srv_asker *asker)
{
    return asker->gone && atomic_load(asker->gone);
}

#endif
