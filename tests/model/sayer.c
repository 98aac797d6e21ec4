#include "sayer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

enum { MOST_PICTURES = 8 };

wi_engine *sayer_engine(int n_threads, const char *isa)
{
    wi_engine *engine = NULL;
    wi_error error = {0};
    const wi_engine_options options = {.n_threads = n_threads, .isa = isa};
    if (wi_engine_open(&options, &engine, &error) != WI_OK && !isa)
        fail_msg("%s", error.message);
    return engine;
}

wi_model *sayer_model(wi_engine *engine, const char *path)
{
    wi_model *model = NULL;
    wi_error error = {0};
    if (wi_model_open(engine, path, NULL, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    return model;
}

wi_session *sayer_session(const wi_model *model, uint32_t towers, uint32_t n)
{
    wi_session *session = NULL;
    wi_error error = {0};
    const wi_session_options options = {.max_images = n};
    if (wi_ses_open(model, towers, &options, &session, &error) != WI_OK)
        fail_msg("%s", error.message);
    return session;
}

const void *sayer_reference(const golden_tensors *file, const char *name, size_t *n)
{
    const uint8_t *data = golden_tensor(file, name, n);
    if (!data)
        fail_msg("%s is missing", name);
    *n /= 4;
    return data;
}

void sayer_steps(wi_session *session, size_t n_pictures, const int32_t *tokens, size_t n_tokens,
                 size_t n_words, float *out)
{
    wi_decode_row rows[MOST_PICTURES];
    uint32_t first = 0;
    assert_in_range(n_pictures, 1, MOST_PICTURES);
    for (size_t t = 0; t < n_tokens; t++) {
        for (uint32_t p = 0; p < n_pictures; p++)
            rows[p] = (wi_decode_row){tokens[t], p, t ? first + p : WI_DECODE_FIRST};
        const float *logits = wi_ses_step(session, rows, n_pictures, &first);
        for (size_t p = 0; p < n_pictures; p++)
            memcpy(out + (p * n_tokens + t) * n_words, logits + p * wi_ld(n_words),
                   n_words * sizeof *out);
    }
}

double sayer_distance(const float *a, const float *b, size_t n)
{
    double most = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        norm = fmax(norm, fabs((double)b[i]));
    }
    return norm > 0 ? most / norm : most;
}
