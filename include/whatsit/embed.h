/* Files of pictures to embeddings in one call.
 * Threads: one call per session at a time. */
#ifndef WHATSIT_EMBED_H
#define WHATSIT_EMBED_H

#include <whatsit/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_embed_options {
    wi_image_options image; /* target_px 0: as the model needs it */
    wi_progress progress;   /* counts pictures */
    uint64_t reserved[4];
} wi_embed_options;

/* Reads, decodes and encodes on all of the session's threads, as many pictures at a time as the session
 * takes (max_images; 16 and more use the cores best). A picture that cannot be read does not stop the
 * others: its row is NaN and its place in errors says why.
 * Shapes: paths[n]; out[n,embedding_dim] f32, rows of length 1; errors[n], status WI_OK for those that
 *     were read; errors and n_failed may be NULL
 * Exact:  equal to what the command line writes, bit for bit
 * Errors: WI_ERR_UNSUPPORTED without an image tower; WI_ERR_CANCELLED, when rows up to the last one
 *     that was reported are there; WI_ERR_NOMEM. options may be NULL */
WI_API wi_status wi_embed_files(wi_session *session, const char *const *paths, size_t n,
                                const wi_embed_options *options, float *out, wi_error *errors,
                                size_t *n_failed, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
