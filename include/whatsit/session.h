/* A session: the working memory of one thread that encodes with a model.
 * Threads: one call per session at a time; sessions of one model at once. */
#ifndef WHATSIT_SESSION_H
#define WHATSIT_SESSION_H

#include <whatsit/model.h>
#include <whatsit/vectors.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_session wi_session;

/* All working memory is taken here, sized for batches of max_images pictures (0: 1) and max_tokens
 * text tokens (0: 512) at a time; no allocation happens while encoding. one_thread: all work is done on the
 * thread that calls, none on the engine's others; a session on each core encodes many small batches faster
 * than all cores together one after the other. engine (NULL: the model's): whose threads share the work; it must
 * outlive the session.
 * Owns: the caller closes *out; the model is borrowed. Threads: one call per session at a time. */
typedef struct wi_session_options {
    uint32_t max_images;
    uint32_t max_tokens;
    bool one_thread;
    const wi_engine *engine;
    uint64_t reserved[4];
} wi_session_options;
WI_API wi_status wi_session_open(const wi_model *model, const wi_session_options *options,
                                 wi_session **out, wi_error *error);
WI_API void wi_session_close(wi_session **session);

/* Image embeddings, not normalised.
 * Shapes: pixels[n,size,size,3] u8 as wi_image_preprocess writes them; out[n,embedding_dim] f32
 * Exact:  results do not depend on n, on the batch or on the number of threads
 * Errors: WI_ERR_UNSUPPORTED without an image tower
 * Source: OpenAI CLIP model.py CLIP.encode_image */
WI_API wi_status wi_session_encode_images(wi_session *session, const uint8_t *pixels, size_t n,
                                          float *out, wi_error *error);

/* Text embeddings, not normalised. Prompts that share a beginning share its computation.
 * Shapes: texts[n] NUL-terminated UTF-8; out[n,embedding_dim] f32
 * n_truncated (nullable) counts texts that were too long. progress may be NULL.
 * Errors: WI_ERR_UNSUPPORTED without a text tower; WI_ERR_FORMAT; WI_ERR_CANCELLED
 * Source: OpenAI CLIP model.py CLIP.encode_text */
WI_API wi_status wi_session_encode_texts(wi_session *session, const char *const *texts, size_t n,
                                         float *out, size_t *n_truncated,
                                         const wi_progress *progress, wi_error *error);

/* What several texts say together: the mean of their normalised embeddings, normalised, as a label's prompts
 * are averaged. However many they are, they count as one.
 * Shapes: texts[n] as above, n at least 1; out[embedding_dim], of length 1 (zeros when they cancel out)
 * Errors: as wi_session_encode_texts; WI_ERR_ARG when n is 0 */
WI_API wi_status wi_session_encode_mean_text(wi_session *session, const char *const *texts,
                                             size_t n, float *out, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
