/* What each client has cost lately, in seconds of a core: decoding, encoding and whatever else was done for it. Who has
 * cost much is heavy: his work is done by threads and processes that give way to everybody else's, which costs him
 * nothing while nobody else asks. Threads: any. */
#ifndef SERVER_BURDEN_H
#define SERVER_BURDEN_H

#include "../store/fail.h"
#include "asker.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct srv_burden srv_burden;

/* n_cores: of this machine; a share of each is forgotten as fast as time goes by. guest_seconds: that an asker without a
 * key may cost a second, with a minute's worth at once; 0: any number. */
wi_status srv_burden_open(unsigned n_cores, double guest_seconds, srv_burden **out,
                          wi_error *error);
void srv_burden_close(srv_burden **burden);
/* burden: NULL: nobody counts. */
void srv_burden_add(srv_burden *burden, uint64_t client, double seconds);
bool srv_burden_is_heavy(srv_burden *burden, uint64_t client);
/* Errors: SRV_ERR_BUDGET: the asker has cost more than it may, and has to wait a while */
wi_status srv_burden_check(srv_burden *burden, const srv_asker *asker, wi_error *error);

/* The calling thread, and those that it begins, give way to all other work of this program from now on. There is no
 * way back. */
void srv_give_way(void);
/* Seconds of a core that the calling thread has used. */
double srv_thread_seconds(void);

#endif
