/* The immutable model: towers, tokenizer, parameters, and whatever memory or mapping they stand in.
 */
#ifndef WI_MODEL_MODEL_H
#define WI_MODEL_MODEL_H

#include "base/map.h"
#include "fmt/gguf.h"
#include "model/net.h"
#include "model/owned.h"
#include "nn/engine.h"
#include "text/tokenizer.h"

#include <whatsit/model.h>

/* Tells whether bytes are a model file of ours: GGUF with our architecture. A GGUF that cannot be
 * parsed is not: whoever opens it next says what is wrong.
 * Errors: WI_ERR_NOMEM */
wi_status wi_modelfile_probe(const uint8_t *bytes, size_t n_bytes, bool *ours, wi_error *error);

struct wi_model {
    wi_engine *engine;
    wi_params params;
    wi_net net;
    wi_tokenizer tokenizer;
    char *name, *licence, *source; /* never NULL once open */
    const char *format;
    wi_weights weights;
    uint64_t file_bytes;
    char fingerprint[65]; /* "" only while it is made; of a file, what the file says */
    /* Backing, one of: */
    wi_owned owned;
    wi_map map;
    wi_gguf *gguf;
};

/* Binds a model file's bytes, which are borrowed. file: for messages. */
wi_status wi_mdl_from_bytes(wi_engine *engine, const char *file, const uint8_t *bytes,
                            size_t n_bytes, wi_model **out, wi_error *error);
/* Writes a model file: our GGUF. */
wi_status wi_mdl_write(wi_model *model, const char *path, const wi_progress *progress,
                       wi_error *error);
void wi_mdl_close(wi_model **model);

/* SHA-256 over the parameters that change embeddings and over every stored tensor. */
wi_status wi_mdl_fingerprint(const wi_model *model, const wi_progress *progress, char hex[65],
                             wi_error *error);

/* SHA-256 over what decides what a decoder sees: preprocessing, and the parts of the image tower that show
 * it. Models that differ in the rest alone have the same. WI_ERR_UNSUPPORTED without such a tower. */
wi_status wi_mdl_sight(const wi_model *model, char hex[65], wi_error *error);

/* Fills in model->weights. */
wi_status wi_mdl_note_weights(wi_model *model, wi_error *error);

/* WI_ERR_UNSUPPORTED when a wanted one is not there. */
wi_status wi_mdl_require_towers(const wi_model *model, uint32_t towers, wi_error *error);

/* As wi_model_get_info. */
wi_status wi_mdl_info(const wi_model *model, wi_model_info *out, wi_error *error);

#endif
