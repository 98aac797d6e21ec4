/* Files to embeddings: decoding on the pool's threads, then encoding on them. */
#include <whatsit/embed.h>

#include "api/options.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/size.h"
#include "model/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct batch {
    const wi_engine *engine;
    const char *const *paths;
    const wi_preprocess *how;
    wi_image_options reading;
    uint8_t *pixels;
    size_t picture_bytes;
    wi_error *errors;
} batch;

static void load(void *context, size_t index, int worker)
{
    const batch *b = context;
    wi_error *error = &b->errors[index];
    wi_image *image = NULL;
    (void)worker;
    error->status = wi_image_from_file(b->paths[index], &b->reading, &image, error);
    if (error->status == WI_OK)
        error->status = wi_image_preprocess(b->engine, image, b->how,
                                            b->pixels + index * b->picture_bytes, error);
    wi_image_close(&image);
}

/* What can be read moves to the front, is encoded, and its rows move back to their places. */
static wi_status encode(wi_session *session, const batch *b, size_t n, size_t dim, float *out,
                        size_t *n_failed, wi_error *error)
{
    size_t n_good = 0;
    for (size_t i = 0; i < n; i++) {
        if (b->errors[i].status != WI_OK)
            continue;
        if (n_good < i)
            memcpy(b->pixels + n_good * b->picture_bytes, b->pixels + i * b->picture_bytes,
                   b->picture_bytes);
        n_good++;
    }
    const wi_status status = wi_ses_images(session, b->pixels, n_good, out, error);
    if (status != WI_OK)
        return status;
    wi_normalise(out, n_good, dim);
    *n_failed += n - n_good;
    for (size_t i = n; i-- > 0;) {
        if (b->errors[i].status == WI_OK) {
            if (--n_good < i)
                memcpy(out + i * dim, out + n_good * dim, dim * sizeof *out);
        } else {
            for (size_t k = 0; k < dim; k++)
                out[i * dim + k] = NAN;
        }
    }
    return WI_OK;
}

/* The wanted size lets JPEGs be decoded at a smaller scale. */
static uint32_t wanted_px(const wi_preprocess *how)
{
    return how->mode == WI_RESIZE_NONE ? 0 : how->resize_px ? how->resize_px : how->size_px;
}

static wi_status embed(wi_session *session, const char *const *paths, size_t n,
                       const wi_model_info *info, const wi_embed_options *options, float *out,
                       wi_error *errors, size_t *n_failed, wi_error *error)
{
    const size_t max = n < session->max_images ? n : session->max_images;
    batch b = {.engine = session->model->engine,
               .how = &info->preprocess,
               .reading = options->image,
               .picture_bytes = 3 * (size_t)info->image_px * info->image_px};
    wi_status status = WI_OK;
    if (!b.reading.target_px)
        b.reading.target_px = wanted_px(&info->preprocess);
    b.pixels = calloc(max, b.picture_bytes);
    wi_error *some = calloc(max, sizeof *some);
    if (!b.pixels || !some)
        status = wi_fail_nomem(error, max * (b.picture_bytes + sizeof *some), "pictures");
    for (size_t done = 0; done < n && status == WI_OK;) {
        const size_t now = n - done < max ? n - done : max;
        b.paths = paths + done;
        b.errors = errors ? errors + done : some;
        memset(b.errors, 0, now * sizeof *b.errors);
        wi_pool_run(session->run.pool, now, load, &b);
        status = encode(session, &b, now, info->embedding_dim, out + done * info->embedding_dim,
                        n_failed, error);
        done += now;
        if (status == WI_OK && !wi_progress_report(&options->progress, done, n))
            status = wi_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    free(b.pixels);
    free(some);
    return status;
}

wi_status wi_embed_files(wi_session *session, const char *const *paths, size_t n,
                         const wi_embed_options *options, float *out, wi_error *errors,
                         size_t *n_failed, wi_error *error)
{
    const wi_embed_options defaults = {0};
    wi_model_info info;
    size_t n_bytes, failed = 0;
    if (!session || (n && (!paths || !out)))
        return wi_fail(error, WI_ERR_ARG, "wi_embed_files: a NULL argument");
    for (size_t i = 0; i < n; i++)
        if (!paths[i])
            return wi_fail(error, WI_ERR_ARG, "wi_embed_files: path %zu is NULL", i + 1);
    if (!options)
        options = &defaults;
    wi_status status = wi_check_reserved(options->reserved, "wi_embed_options", error);
    if (status == WI_OK)
        status = wi_check_image_options(&options->image, error);
    if (status == WI_OK)
        status = wi_model_get_info(session->model, &info, error);
    if (status == WI_OK && !info.image.present)
        status = wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no image tower", info.name);
    if (status == WI_OK && !wi_size_mul3(n, info.embedding_dim, sizeof *out, &n_bytes))
        status = wi_fail(error, WI_ERR_LIMIT, "wi_embed_files: %zu pictures at once", n);
    if (status == WI_OK)
        status = embed(session, paths, n, &info, options, out, errors, &failed, error);
    if (status == WI_OK && n_failed)
        *n_failed = failed;
    return status;
}
