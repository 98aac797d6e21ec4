#include "model/session.h"

#include "base/error.h"
#include "base/size.h"
#include <whatsit/vectors.h>

#include <stdlib.h>
#include <string.h>

wi_status wi_session_open(const wi_model *model, const wi_session_options *options,
                          wi_session **out, wi_error *error)
{
    const wi_session_options defaults = {0};
    if (!model || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_session_open: a model and a place for the session are needed");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_session_options", error);
    if (fits != WI_OK)
        return fits;
    uint32_t towers = 0;
    if (model->params.tower[WI_ROLE_IMAGE].kind)
        towers |= WI_TOWER_IMAGE;
    if (model->params.tower[WI_ROLE_TEXT].kind)
        towers |= WI_TOWER_TEXT;
    return wi_ses_open(model, towers, options, out, error);
}

void wi_session_close(wi_session **session)
{
    wi_ses_close(session);
}

wi_status wi_session_encode_images(wi_session *session, const uint8_t *pixels, size_t n, float *out,
                                   wi_error *error)
{
    if (!session || (n && (!pixels || !out)))
        return wi_fail(error, WI_ERR_ARG, "wi_session_encode_images: a NULL argument");
    return wi_ses_images(session, pixels, n, out, error);
}

wi_status wi_session_encode_texts(wi_session *session, const char *const *texts, size_t n,
                                  float *out, size_t *n_truncated, const wi_progress *progress,
                                  wi_error *error)
{
    if (!session || (n && (!texts || !out)))
        return wi_fail(error, WI_ERR_ARG, "wi_session_encode_texts: a NULL argument");
    for (size_t i = 0; i < n; i++)
        if (!texts[i])
            return wi_fail(error, WI_ERR_ARG, "wi_session_encode_texts: text %zu is NULL", i);
    return wi_ses_texts(session, texts, n, out, n_truncated, progress, error);
}

wi_status wi_session_encode_mean_text(wi_session *session, const char *const *texts, size_t n,
                                      float *out, wi_error *error)
{
    size_t n_floats;
    if (!session || !texts || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_session_encode_mean_text: a NULL argument");
    if (n == 0)
        return wi_fail(error, WI_ERR_ARG, "wi_session_encode_mean_text: no texts");
    const size_t dim = session->model->params.embedding_dim;
    if (!wi_size_mul(n, dim, &n_floats))
        return wi_fail(error, WI_ERR_LIMIT, "wi_session_encode_mean_text: %zu texts at once", n);
    float *rows = calloc(n_floats, sizeof *rows);
    wi_status status = rows ? wi_session_encode_texts(session, texts, n, rows, NULL, NULL, error)
                            : wi_fail_nomem(error, n_floats * sizeof *rows, "embeddings");
    if (status == WI_OK) {
        wi_normalise(rows, n, dim);
        memset(out, 0, dim * sizeof *out);
        for (size_t i = 0; i < n_floats; i++)
            out[i % dim] += rows[i];
        wi_normalise(out, 1, dim);
    }
    free(rows);
    return status;
}
