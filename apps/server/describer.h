/* The describer of a model that is served: opened when it is first asked, given back when idle. One request at a
 * time, on the thread that asks, in turns between clients: a sentence takes some tens of milliseconds. */
#ifndef SERVER_DESCRIBER_H
#define SERVER_DESCRIBER_H

#include "asker.h"
#include "burden.h"
#include "tower.h"
#include <whatsit/whatsit.h>

typedef struct srv_describer srv_describer;

typedef struct srv_describer_options {
    const char *path;   /* of the describer's file; NULL: there is none; borrowed */
    wi_engine *engine;  /* borrowed */
    srv_tower *tower;   /* that sees; borrowed */
    srv_burden *burden; /* what clients' pictures cost is added here; borrowed; NULL: nowhere */
    unsigned idle_s;    /* 0: it stays */
    size_t max_waiting;
} srv_describer_options;

wi_status srv_describer_open(const srv_describer_options *options, srv_describer **out,
                             wi_error *error);
void srv_describer_close(srv_describer **describer);

/* Sentences about one picture: pixels as the model takes them; captions[how->n_captions]; embedding[dim], not
 * normalised. Waits for its turn.
 * Errors: WI_ERR_NOT_FOUND without a describer, or when it was made for another model;
 *     WI_ERR_CANCELLED when too many wait, or nobody waits for the answer any more; as wi_describe */
wi_status srv_describe(srv_describer *describer, const srv_asker *asker, const uint8_t *pixels,
                       const wi_describe_options *how, wi_caption *captions, size_t *n,
                       float *embedding, wi_error *error);
/* Gives back what has been idle; call it now and then. */
void srv_describer_tick(srv_describer *describer);

#endif
