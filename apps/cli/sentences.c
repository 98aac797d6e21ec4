#include "sentences.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 4 };

typedef struct work {
    const cli_sentences *sentences;
    cli_app *app;
    char *path; /* of the describer */
    wi_model *decoder;
    wi_describer *describer;
    cli_pipeline *pipeline;
    uint8_t *pixels;   /* [MAX_BATCH, size, size, 3] */
    float *embeddings; /* [MAX_BATCH, dim] */
    wi_caption captions[MAX_BATCH * WI_DESCRIBE_MAX_BEAM];
    size_t n_captions[MAX_BATCH];
    size_t pixel_bytes, dim, n_done;
    int status;
} work;

/* Where the describer lies; *out NULL: the model describes by itself. The caller frees. */
static int find_describer(const cli_runtime *runtime, const cli_args *args, char **out)
{
    const char *asked = cli_args_value(args, "describer");
    *out = NULL;
    if (!asked && runtime->info.decoder.present) {
        return CLI_OK;
    }
    *out = cli_model_find(asked ? asked : "whatsit-describe");
    if (*out) {
        return CLI_OK;
    }
    if (asked) {
        cli_error(runtime->app, "%s: no such describer", asked);
    } else {
        cli_error(runtime->app,
                  "the describer whatsit-describe is not beside the program: name one with "
                  "--describer");
    }
    return CLI_FAILED;
}

static int open_decoder(const cli_runtime *runtime, const char *path, wi_model **out)
{
    wi_error error = {0};
    const wi_model_options open = {.towers = WI_TOWER_DECODER};
    return wi_model_open(runtime->engine, path, &open, out, &error) == WI_OK
               ? CLI_OK
               : cli_failed(runtime->app, path, &error);
}

int cli_describer_fingerprint(const cli_runtime *runtime, const cli_args *args, char hex[65])
{
    wi_error error = {0};
    wi_model_info info = runtime->info;
    wi_model *decoder = NULL;
    char *path = NULL;
    int status = find_describer(runtime, args, &path);
    if (status == CLI_OK && path) {
        status = open_decoder(runtime, path, &decoder);
        if (status == CLI_OK && wi_model_get_info(decoder, &info, &error) != WI_OK) {
            status = cli_failed(runtime->app, path, &error);
        }
    }
    memcpy(hex, info.fingerprint, sizeof info.fingerprint);
    wi_model_close(&decoder);
    free(path);
    return status;
}

static int open_pair(work *w)
{
    wi_error error = {0};
    const cli_sentences *s = w->sentences;
    const wi_model *model = s->runtime->model;
    const wi_describer_options room = {
        .max_images = (uint32_t)(s->paths->n < MAX_BATCH ? s->paths->n : MAX_BATCH)};
    int status = find_describer(s->runtime, s->args, &w->path);
    if (status == CLI_OK && w->path) {
        status = open_decoder(s->runtime, w->path, &w->decoder);
    }
    if (status == CLI_OK && wi_describer_open(model, w->path ? w->decoder : model, &room,
                                              &w->describer, &error) != WI_OK) {
        status = cli_failed(w->app, NULL, &error);
    }
    return status;
}

/* Whoever weighs what is said is told whether there is a scale, and so is the user. */
static int open_describer(work *w)
{
    cli_scales *scales = w->sentences->scales;
    const int status = open_pair(w);
    if (status == CLI_OK && scales) {
        scales->has_scale = wi_describer_has_scale(w->describer);
        if (!scales->has_scale) {
            cli_note(w->app,
                     "nothing weighs how sure the sentences of %s are: they are told as they are",
                     w->path ? w->path : w->sentences->runtime->info.name);
        }
    }
    return status;
}

/* The words as they are found, where one picture is described; the end of them where there are many. */
static bool hear(void *context, const char *begun)
{
    enum { COLUMNS = 76 };
    work *w = context;
    const size_t n = strlen(begun);
    char line[COLUMNS + 8];
    if (n > 0 && w->sentences->paths->n == 1) {
        snprintf(line, sizeof line, "%s%s", n > COLUMNS ? "..." : "",
                 begun + (n > COLUMNS ? n - COLUMNS : 0));
        cli_progress_line(w->app, line, true);
    }
    return !cli_interrupted();
}

static int open_pipeline(work *w)
{
    wi_error error = {0};
    const cli_sentences *s = w->sentences;
    const wi_model_info *info = &s->runtime->info;
    cli_load_options load = {s->runtime->engine, info->preprocess, s->image};
    int n_threads = wi_engine_threads(s->runtime->engine);
    w->dim = info->embedding_dim;
    w->pixel_bytes = (size_t)info->image_px * info->image_px * 3;
    w->pixels = calloc(MAX_BATCH, w->pixel_bytes);
    w->embeddings = calloc(MAX_BATCH, w->dim * sizeof *w->embeddings);
    if (!w->pixels || !w->embeddings) {
        cli_error(w->app, "out of memory");
        return CLI_FAILED;
    }
    return cli_pipeline_open((const char *const *)s->paths->items, s->paths->n, &load, NULL, false,
                             n_threads, 2 * MAX_BATCH + (size_t)n_threads, &w->pipeline,
                             &error) == WI_OK
               ? CLI_OK
               : cli_failed(w->app, NULL, &error);
}

/* Describes the good ones of n items together, then hands all of them on in order. */
static bool describe_batch(work *w, const cli_item *items, size_t n)
{
    wi_error error = {0};
    const cli_sentences *s = w->sentences;
    const size_t each = s->how.n_captions ? s->how.n_captions : 1;
    size_t n_good = 0, index = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].status == WI_OK) {
            memcpy(w->pixels + n_good++ * w->pixel_bytes, items[i].pixels, w->pixel_bytes);
        }
    }
    double start = cli_now_ms();
    wi_describe_options how = s->how;
    how.step = hear;
    how.context = w;
    if (n_good > 0 && wi_describe(w->describer, w->pixels, n_good, &how, w->captions, w->n_captions,
                                  w->embeddings, &error) != WI_OK) {
        w->status = cli_failed(w->app, NULL, &error);
        return false;
    }
    double ms = n_good > 0 ? (cli_now_ms() - start) / (double)n_good : 0;
    for (size_t i = 0; i < n; i++, w->n_done++) {
        const bool good = items[i].status == WI_OK;
        if (good) {
            cli_tell_warnings(w->app, items[i].path, &items[i].loaded);
        } else {
            const char *name = strcmp(items[i].path, "-") ? items[i].path : "standard input";
            w->status = cli_failed(w->app, name, &items[i].error);
        }
        if (!s->each(s->context, &items[i], w->captions + index * each,
                     good ? w->n_captions[index] : 0, w->embeddings + index * w->dim, ms)) {
            return false;
        }
        index += good;
    }
    return true;
}

int cli_describe_images(const cli_sentences *sentences)
{
    work w = {.sentences = sentences, .app = sentences->runtime->app};
    const cli_item *items;
    size_t n;
    int status = open_describer(&w);
    if (status == CLI_OK) {
        status = open_pipeline(&w);
    }
    while (status == CLI_OK && (n = cli_pipeline_take(w.pipeline, MAX_BATCH, &items)) > 0) {
        if (!describe_batch(&w, items, n) || cli_interrupted()) {
            break;
        }
        if (sentences->paths->n > 1) {
            cli_progress(w.app, "pictures", w.n_done, sentences->paths->n);
        }
    }
    cli_progress_clear(w.app);
    cli_pipeline_close(&w.pipeline);
    wi_describer_close(&w.describer);
    wi_model_close(&w.decoder);
    free(w.path);
    free(w.pixels);
    free(w.embeddings);
    status = status == CLI_OK ? w.status : status;
    return cli_interrupted() ? CLI_INTERRUPTED : status;
}

bool cli_sentence_is_text(const char *sentence)
{
    return sentence[0] && !strstr(sentence, "\xef\xbf\xbd");
}
