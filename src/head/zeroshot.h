/* Zero-shot heads: from labels and templates through a text tower. */
#ifndef WI_HEAD_ZEROSHOT_H
#define WI_HEAD_ZEROSHOT_H

#include "head/head.h"
#include "head/resume.h"

/* The model as seen from here: what it is called and how it embeds prompts. */
typedef struct wi_head_encoder {
    /* As wi_session_encode_texts; n_truncated is never NULL. */
    wi_status (*encode)(void *context, const char *const *texts, size_t n, float *out,
                        size_t *n_truncated, const wi_progress *progress, wi_error *error);
    void *context;
    wi_head_model model;
} wi_head_encoder;

/* As wi_head_build. */
wi_status wi_zeroshot_build(const wi_head_encoder *encoder, const wi_head_recipe *recipe,
                            wi_head **out, size_t *n_truncated, wi_error *error);

/* How far all prompts of a head are; several calls of wi_zeroshot_rows share one. */
typedef struct wi_prompt_count {
    wi_progress progress;
    uint64_t n_done, n_total;
    uint64_t n_passed; /* prompts of the earlier calls */
    size_t n_truncated;
    wi_resume *resume;
} wi_prompt_count;

/* One unit row per name: each template's embedding of it is normalised, summed, normalised. Begins
 * at prompt n_done of the head, all before it being in out already (wi_resume says how).
 * Shapes: names[n_rows] need no NUL; out[n_rows, dim], zero at first; templates [n_templates >= 1]
 * are checked */
wi_status wi_zeroshot_rows(const wi_head_encoder *encoder, const wi_label_name *names,
                           size_t n_rows, const char *const *templates, size_t n_templates,
                           wi_prompt_count *count, float *out, wi_error *error);

#endif
