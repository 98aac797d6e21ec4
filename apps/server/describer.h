/* The describer of a model that is served: a file beside it that was made for it, or the model itself, where it
 * speaks. Opened when it is first asked, given back when idle. Pictures of concurrent requests that ask alike are
 * described together, in turns between clients, by one of the threads that wait for them: there is none of its own. */
#ifndef SERVER_DESCRIBER_H
#define SERVER_DESCRIBER_H

#include "asker.h"
#include "burden.h"
#include "tower.h"
#include <whatsit/whatsit.h>

/* Pictures described together, at most; tokens of a sentence, whatever its decoder has room for. */
enum { SRV_DESCRIBE_TOGETHER = 4, SRV_DESCRIBE_TOKENS = 60 };

typedef struct srv_describer srv_describer;

typedef struct srv_describer_options {
    const char *path;   /* of the describer's file; NULL: there is none; borrowed */
    bool speaks;        /* the model describes by itself: path is not read */
    wi_engine *engine;  /* borrowed */
    srv_tower *tower;   /* that sees; borrowed */
    srv_burden *burden; /* what clients' pictures cost is added here; borrowed; NULL: nowhere */
    unsigned idle_s;    /* 0: it stays */
    size_t max_waiting;
    double max_seconds; /* of one core, of one picture */
} srv_describer_options;

wi_status srv_describer_open(const srv_describer_options *options, srv_describer **out,
                             wi_error *error);
/* Nobody may be waiting. */
void srv_describer_close(srv_describer **describer);

typedef struct srv_sentences {
    wi_caption captions[WI_DESCRIBE_MAX_BEAM]; /* best first */
    size_t n;
    bool has_scale; /* wi_describer_has_scale */
} srv_sentences;

/* Sentences about one picture: pixels as the model takes them; embedding[dim], not normalised. Waits for its turn.
 * Errors: WI_ERR_NOT_FOUND without a describer, or when it was made for another model; WI_ERR_CANCELLED when too many
 *     wait, it takes too long, or nobody waits for the answer any more; as wi_describe */
wi_status srv_describe(srv_describer *describer, const srv_asker *asker, const uint8_t *pixels,
                       const wi_describe_options *how, srv_sentences *out, float *embedding,
                       wi_error *error);

typedef struct srv_describer_figures {
    uint64_t n_batches, n_pictures;
    size_t n_waiting;
} srv_describer_figures;
void srv_describer_measure(srv_describer *describer, srv_describer_figures *out);
/* Gives back what has been idle; call it now and then. */
void srv_describer_tick(srv_describer *describer);

#endif
