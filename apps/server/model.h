/* One model that is served: its towers are opened when first used and given back when idle. The image
 * tower has threads of its own (encoder.h); the text tower is lent. Each tower is opened for itself, so that a server of photos need not hold the text tower.
 * A model that is one file stays the one that was opened, whatever is put in its place: the file is
 * held, and towers that are opened later come from it. */
#ifndef SERVER_MODEL_H
#define SERVER_MODEL_H

#include "config.h"
#include "describer.h"
#include "encoder.h"
#include <stdatomic.h>

typedef struct srv_model srv_model;

/* Models that are there, also those that are closed as soon as nobody uses them any more. */
typedef struct srv_models_held {
    atomic_uint n;
    atomic_uint_fast64_t n_bytes; /* of their files */
} srv_models_held;

/* What models compute with; borrowed. */
typedef struct srv_engines {
    wi_engine *usual;
    wi_engine *slow;       /* whose threads give way to all others */
    srv_burden *burden;    /* what work on pictures costs is added here */
    srv_models_held *held; /* all models that are not closed are counted here */
} srv_engines;

/* What does not change; strings live as long as the model. */
typedef struct srv_model_about {
    const char *name, *path, *licence, *source, *format, *weights;
    const char *asked;   /* the name that it was to have; NULL: its own */
    uint64_t disk_bytes; /* of its file, or of all files of its folder */
    char fingerprint[65];
    uint32_t dim, image_px, context_length;
    float logit_scale;
    bool sigmoid;
    wi_preprocess preprocess;
    uint64_t n_parameters;
    bool speaks;  /* it puts pictures into words itself */
    bool is_file; /* one file, which browsers may fetch */
    uint64_t file_bytes;
    char file_sha256[65];
} srv_model_about;

/* Opens both towers once to read what they are. engines, config: borrowed for the model's life.
 * Owns: counted; *out has one user. */
wi_status srv_model_open(const srv_engines *engines, const srv_config *config,
                         const srv_named_path *from, srv_model **out, wi_error *error);
srv_model *srv_model_hold(srv_model *model);
/* The last user closes it: nothing is under way then. */
void srv_model_release(srv_model **model);
/* How large what lies at a path is: a file, or the files of a folder. 0: there is nothing. */
uint64_t srv_model_disk_bytes(const char *path);
/* Is what lies at its path now what was opened? */
bool srv_model_is_current(const srv_model *model);
/* The file for reading, which the caller closes; -1 when there is none or it was written over. */
int srv_model_file(const srv_model *model);

const srv_model_about *srv_model_describe(const srv_model *model);
/* WI_TOWER_...: what is held now; 0 after idling. */
unsigned srv_model_towers_open(srv_model *model);
/* What the asker's pictures are embedded with: of those whose work gives way there are others. */
srv_encoder *srv_model_encoder(srv_model *model, const srv_asker *asker);
/* What puts the asker's pictures into words: likewise. */
srv_describer *srv_model_describer(srv_model *model, const srv_asker *asker);
/* Of all of them together. */
void srv_model_measure(srv_model *model, srv_encoder_figures *out);
void srv_model_measure_words(srv_model *model, srv_describer_figures *out);

/* Work on texts: each kind waits for its own kind only, in turns between clients. */
typedef enum srv_lane { SRV_LANE_SHORT = 0, SRV_LANE_HEADS, SRV_LANE_JOBS, SRV_N_LANES } srv_lane;

/* The text tower. The caller gives the session back with srv_model_text_end, and uses it from one
 * thread. */
wi_status srv_model_text_begin(srv_model *model, const srv_asker *asker, srv_lane lane,
                               wi_session **session, wi_error *error);
void srv_model_text_end(srv_model *model, const srv_asker *asker, srv_lane lane);
/* Tokens of a text, markers included; between begin and end. */
size_t srv_model_n_tokens(srv_model *model, const char *text);

/* Closes the text tower when it has been idle; call it now and then. The encoder sees to itself. */
void srv_model_tick(srv_model *model);

#endif
