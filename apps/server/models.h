/* The models: opened when first used, batched over concurrent requests, given back when idle.
 * Each tower is opened for itself, so that a server of photos need not hold the text tower. */
#ifndef SERVER_MODELS_H
#define SERVER_MODELS_H

#include "server.h"

typedef struct srv_model srv_model;

/* What does not change while the model is in use; strings live as long as the server. */
typedef struct srv_model_about {
    const char *name, *path, *licence, *source, *format, *weights;
    char fingerprint[65];
    uint32_t dim, image_px, context_length;
    float logit_scale;
    bool sigmoid;
    wi_preprocess preprocess;
    uint64_t n_parameters;
    bool is_file; /* one file, which browsers may fetch */
    uint64_t file_bytes;
    char file_sha256[65];
} srv_model_about;

/* Opens every model once to read what it is. */
wi_status srv_models_open(srv_server *server, srv_models **out, wi_error *error);
void srv_models_close(srv_models **models);

/* By name or alias; NULL or "": the default. NULL when there is none. */
srv_model *srv_models_find(srv_models *models, const char *name);
/* NULL past the end. */
srv_model *srv_models_at(srv_models *models, size_t index);
const srv_model_about *srv_model_describe(const srv_model *model);
/* WI_TOWER_...: what is held now; 0 after idling. */
unsigned srv_model_towers_open(srv_model *model);
/* Batches, the pictures in them, and how long the encoder worked on them. */
uint64_t srv_model_batches(srv_model *model, uint64_t *n_images, double *seconds);
size_t srv_model_waiting(srv_model *model);

/* Pixels are on their way to srv_model_encode: the encoder waits for them a moment, so that they fit
 * in its batch. Each call is followed by one of srv_model_encode or srv_model_unexpect. */
void srv_model_expect(srv_model *model);
void srv_model_unexpect(srv_model *model);
/* Embeds one expected picture's pixels together with those of other threads; waits. embedding[dim] is
 * normalised. Errors: WI_ERR_CANCELLED when too many wait (503), those of opening and encoding */
wi_status srv_model_encode(srv_model *model, const uint8_t *pixels, float *embedding,
                           wi_error *error);

/* Work on texts: each kind waits for its own kind only. */
typedef enum srv_lane { SRV_LANE_SHORT = 0, SRV_LANE_HEADS, SRV_LANE_JOBS, SRV_N_LANES } srv_lane;

/* The text tower. The caller gives the session back with srv_model_text_end, and uses it from one
 * thread. */
wi_status srv_model_text_begin(srv_model *model, srv_lane lane, wi_session **session,
                               wi_error *error);
void srv_model_text_end(srv_model *model, srv_lane lane);
/* Tokens of a text, markers included; between begin and end. */
size_t srv_model_n_tokens(srv_model *model, const char *text);

/* Closes towers that have been idle; call it now and then. */
void srv_models_tick(srv_models *models);
/* Opens the weights anew at the next use. */
void srv_models_reload(srv_models *models);

#endif
