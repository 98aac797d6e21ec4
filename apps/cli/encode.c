#include "encode.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 8 };

typedef struct work {
    const cli_encode *encode;
    cli_app *app;
    wi_session *session;
    cli_pipeline *pipeline;
    size_t dim, pixel_bytes, n_done;
    uint8_t *pixels;   /* [MAX_BATCH, size, size, 3] */
    float *embeddings; /* [MAX_BATCH, dim] */
    int status;
} work;

static int open_work(work *w)
{
    wi_error error = {0};
    const cli_encode *encode = w->encode;
    const wi_model_info *info = &encode->runtime->info;
    size_t n = encode->paths->n, batch = n < MAX_BATCH ? n : MAX_BATCH;
    cli_load_options load = {encode->runtime->engine, info->preprocess, encode->image};
    wi_session_options session = {.max_images = (uint32_t)batch,
                                  .max_tokens = info->context_length};
    int n_threads = wi_engine_threads(encode->runtime->engine);
    w->dim = info->embedding_dim;
    w->pixel_bytes = (size_t)load.preprocess.size_px * load.preprocess.size_px * 3;
    w->pixels = calloc(batch, w->pixel_bytes);
    w->embeddings = calloc(batch, w->dim * sizeof(float));
    if (!w->pixels || !w->embeddings) {
        cli_error(w->app, "out of memory");
        return CLI_FAILED;
    }
    if (wi_session_open(encode->runtime->model, &session, &w->session, &error) != WI_OK ||
        cli_pipeline_open((const char *const *)encode->paths->items, n, &load, encode->cache,
                          encode->with_content, n_threads, 2 * MAX_BATCH + (size_t)n_threads,
                          &w->pipeline, &error) != WI_OK) {
        return cli_failed(w->app, encode->runtime->path, &error);
    }
    return CLI_OK;
}

/* A picture that was read with warnings is read again each time, so that they are told again. */
static void keep(const work *w, const cli_item *item, const float *embedding)
{
    if (w->encode->cache && item->loaded.n_warnings == 0) {
        cli_cache_keep(w->encode->cache, w->app, &item->known, embedding, item->loaded.width_px,
                       item->loaded.height_px);
    }
}

/* Encodes the good ones of n items together, then hands all of them on in order. */
static bool encode_batch(work *w, const cli_item *items, size_t n)
{
    wi_error error = {0};
    size_t n_good = 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].status == WI_OK && !items[i].known.row) {
            memcpy(w->pixels + n_good++ * w->pixel_bytes, items[i].pixels, w->pixel_bytes);
        }
    }
    double start = cli_now_ms();
    if (n_good > 0 &&
        wi_session_encode_images(w->session, w->pixels, n_good, w->embeddings, &error) != WI_OK) {
        w->status = cli_failed(w->app, NULL, &error);
        return false;
    }
    double encode_ms = n_good > 0 ? (cli_now_ms() - start) / (double)n_good : 0;
    for (size_t i = 0; i < n; i++) {
        const float *embedding = NULL;
        if (items[i].status == WI_OK) {
            embedding = items[i].known.row ? items[i].known.row : w->embeddings + used++ * w->dim;
            cli_tell_warnings(w->app, items[i].path, &items[i].loaded);
            keep(w, &items[i], embedding);
        } else {
            bool is_stdin = !strcmp(items[i].path, "-");
            w->status =
                cli_failed(w->app, is_stdin ? "standard input" : items[i].path, &items[i].error);
        }
        if (!w->encode->each(w->encode->context, &items[i], embedding,
                             items[i].known.row ? 0 : encode_ms)) {
            return false;
        }
        w->n_done++;
    }
    return true;
}

int cli_encode_images(const cli_encode *encode)
{
    work w = {.encode = encode, .app = encode->runtime->app};
    const cli_item *items;
    size_t n;
    double start = cli_now_ms();
    int status = open_work(&w);
    while (status == CLI_OK && (n = cli_pipeline_take(w.pipeline, MAX_BATCH, &items)) > 0) {
        if (!encode_batch(&w, items, n) || cli_interrupted()) {
            break;
        }
        if (encode->paths->n > 1) {
            cli_progress_until(w.app, "pictures", w.n_done, encode->paths->n, start);
        }
    }
    cli_progress_clear(w.app);
    cli_pipeline_close(&w.pipeline);
    wi_session_close(&w.session);
    free(w.pixels);
    free(w.embeddings);
    status = status != CLI_OK ? status : w.status;
    return cli_interrupted() ? CLI_INTERRUPTED : status;
}

int cli_add_texts(const cli_runtime *runtime, const char *const *texts, size_t n, float sign,
                  float *to)
{
    wi_error error = {0};
    wi_session *session = NULL;
    const wi_session_options sizes = {.max_images = 1};
    const size_t dim = runtime->info.embedding_dim;
    if (n == 0) {
        return CLI_OK;
    }
    float *meant = calloc(dim, sizeof *meant);
    wi_status status =
        meant ? wi_session_open(runtime->model, &sizes, &session, &error) : WI_ERR_NOMEM;
    if (status == WI_OK) {
        status = wi_session_encode_mean_text(session, texts, n, meant, &error);
    }
    for (size_t i = 0; i < dim && status == WI_OK; i++) {
        to[i] += sign * meant[i];
    }
    wi_session_close(&session);
    free(meant);
    return status == WI_OK ? CLI_OK : cli_failed(runtime->app, NULL, &error);
}

int cli_add_option(const cli_runtime *runtime, const cli_args *args, const char *option, float sign,
                   float *to)
{
    const size_t n = cli_args_count(args, option);
    size_t position = 0;
    const char **texts = calloc(n + 1, sizeof *texts);
    if (!texts) {
        cli_error(runtime->app, "out of memory");
    }
    for (size_t i = 0; i < n && texts; i++) {
        texts[i] = cli_args_next(args, option, &position);
    }
    const int status = texts ? cli_add_texts(runtime, texts, n, sign, to) : CLI_FAILED;
    free((void *)texts);
    return status;
}
