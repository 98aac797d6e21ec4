/* The working memory of one thread that encodes with a model: one arena, taken when the session
 * opens. */
#ifndef WI_MODEL_SESSION_H
#define WI_MODEL_SESSION_H

#include "model/model.h"

#include <whatsit/session.h>

struct wi_session {
    const wi_model *model;
    wi_run run;
    wi_pool *own_pool;        /* of one thread; NULL: the engine's */
    void *memory[WI_N_ROLES]; /* the kinds' own structs; NULL for towers that are not open */
    uint32_t max_images, max_tokens;
    void *block; /* the arena's memory */
    size_t block_bytes;
};

wi_status wi_ses_open(const wi_model *model, uint32_t towers, const wi_session_options *options,
                      wi_session **out, wi_error *error);
void wi_ses_close(wi_session **session);
wi_status wi_ses_images(wi_session *session, const uint8_t *pixels, size_t n, float *out,
                        wi_error *error);
/* What a decoder is shown of picture `index` of the batch that wi_ses_images encoded last (n <=
 * max_images). The image tower has a sight. */
void wi_ses_sight(const wi_session *session, size_t index, float *grid, float *pooled);

/* Decoding, one step after the other, with a session of a decoder (nn/tower.h: wi_tower_decode).
 * n <= max_images. */
void wi_ses_look(wi_session *session, const float *grid, const float *pooled, size_t n);
float *wi_ses_step(wi_session *session, const wi_decode_row *rows, size_t n, uint32_t *first);

wi_status wi_ses_texts(wi_session *session, const char *const *texts, size_t n, float *out,
                       size_t *n_truncated, const wi_progress *progress, wi_error *error);

#endif
