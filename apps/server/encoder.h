/* The image tower of a model that is served: pictures of concurrent requests are encoded together.
 * As many threads as the engine has take batches from one queue, each with a session of its own that
 * uses no other thread: nobody waits for a core that something else has taken, such as decoding. Few
 * pictures are shared out among all cores instead, so that a lone request is answered soonest. */
#ifndef SERVER_ENCODER_H
#define SERVER_ENCODER_H

#include "../store/fail.h"
#include "asker.h"
#include "burden.h"
#include "tower.h"
#include <whatsit/whatsit.h>

typedef struct srv_encoder srv_encoder;

/* What the encoder must know of the model: how large its pictures and vectors are, and its tower. */
typedef struct srv_encoder_options {
    uint32_t image_px, dim;
    unsigned n_threads, max_batch, max_queue, batch_wait_ms, idle_s;
    srv_tower *tower;        /* borrowed */
    const wi_engine *engine; /* whose threads encode few pictures; borrowed */
    srv_burden *burden; /* what clients' pictures cost is added here; borrowed; NULL: nowhere */
    bool gives_way;     /* its threads give way to all others */
} srv_encoder_options;

/* Starts the threads; the tower is joined at the first picture and left when they have been idle.
 * Owns: the caller stops *out. */
wi_status srv_encoder_start(const srv_encoder_options *options, srv_encoder **out, wi_error *error);
/* Finishes what waits. */
void srv_encoder_stop(srv_encoder **encoder);

/* Pixels are on their way to srv_encode: a batch waits for them a moment. Each call is followed by one
 * of srv_encode or srv_encoder_unexpect. */
void srv_encoder_expect(srv_encoder *encoder);
void srv_encoder_unexpect(srv_encoder *encoder);
/* Embeds one expected picture's pixels together with those of other threads; waits. embedding[dim] is
 * normalised. Errors: WI_ERR_CANCELLED when too many wait (503), those of opening and encoding */
wi_status srv_encode(srv_encoder *encoder, const srv_asker *asker, const uint8_t *pixels,
                     float *embedding, wi_error *error);

typedef struct srv_encoder_figures {
    uint64_t n_batches, n_images;
    double seconds; /* that cores worked on them */
    size_t n_waiting;
} srv_encoder_figures;

void srv_encoder_measure(srv_encoder *encoder, srv_encoder_figures *out);

#endif
