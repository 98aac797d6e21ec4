/* A bounded number of threads may be inside; the others wait for their client's turn (fair.h). */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include "../store/fail.h"
#include "asker.h"

typedef struct srv_gate srv_gate;

typedef struct srv_gate_options {
    unsigned n_inside;  /* at once */
    unsigned n_each;    /* of one client */
    size_t max_waiting; /* in all */
    size_t max_each;    /* of one client */
    double quantum;     /* milliseconds */
} srv_gate_options;

wi_status srv_gate_open(const srv_gate_options *options, srv_gate **out, wi_error *error);
void srv_gate_close(srv_gate **gate);
/* Waits for a place. Errors: WI_ERR_CANCELLED: too many wait, or nobody waits for the answer any more */
wi_status srv_gate_enter(srv_gate *gate, const srv_asker *asker, wi_error *error);
/* What was done inside took so long. */
void srv_gate_leave(srv_gate *gate, const srv_asker *asker, double cost_ms);
size_t srv_gate_waiting(srv_gate *gate);
/* For how long the one who has waited longest has waited. */
double srv_gate_age_ms(srv_gate *gate);

#endif
