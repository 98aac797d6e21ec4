/* Is the server well? Looked at now and then by a thread of its own, so that whoever asks is told at once. */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include "../store/fail.h"
#include "../store/store.h"
#include "log.h"
#include <jansson.h>

typedef struct srv_health srv_health;

/* st, log: borrowed. Listens to the store's trouble. */
wi_status srv_health_open(store *st, srv_log *log, srv_health **out, wi_error *error);
void srv_health_close(srv_health **health);
/* A list of {"reason","message","since_ms"}; empty: all is well. The caller decrefs. */
json_t *srv_health_reasons(srv_health *health);
/* How often the database has failed. */
uint64_t srv_health_database_errors(const srv_health *health);

#endif
