#include "vectors.h"
#include "encode.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

typedef struct work {
    cli_vectors *out;
    const cli_vectors_options *options;
    size_t n_done;
} work;

static bool take(void *context, const cli_item *item, const float *embedding, double encode_ms)
{
    work *w = context;
    size_t index = w->n_done++;
    (void)encode_ms;
    memcpy(w->out->content[index], item->known.content, CLI_DIGEST);
    if (embedding) {
        memcpy(w->out->rows + index * w->out->dim, embedding, w->out->dim * sizeof *embedding);
        w->out->good[index] = true;
        w->out->n_good++;
        w->out->n_cached += item->known.row != NULL;
    } else if (w->options->failed) {
        w->options->failed(w->options->context, item->path, &item->error);
    }
    return true;
}

int cli_vectors_open(const cli_runtime *runtime, const cli_list *paths,
                     const cli_vectors_options *options, cli_vectors *out)
{
    size_t n = paths->n, dim = runtime->info.embedding_dim;
    *out = (cli_vectors){.n = n, .dim = dim};
    work w = {.out = out, .options = options};
    out->rows = calloc(n + 1, dim * sizeof *out->rows);
    out->good = calloc(n + 1, sizeof *out->good);
    out->content = calloc(n + 1, sizeof *out->content);
    if (!out->rows || !out->good || !out->content) {
        cli_error(runtime->app, "out of memory");
        return CLI_FAILED;
    }
    cli_cache *cache =
        options->no_cache ? NULL : cli_cache_open(runtime, options->args, &options->image, false);
    cli_encode encode = {.runtime = runtime,
                         .paths = paths,
                         .image = options->image,
                         .cache = cache,
                         .with_content = !options->no_cache,
                         .each = take,
                         .context = &w};
    double start = cli_now_ms();
    int status = n > 0 ? cli_encode_images(&encode) : CLI_OK;
    out->seconds = (cli_now_ms() - start) / 1000;
    cli_cache_close(&cache);
    for (size_t i = 0; i < n && options->no_cache && !cli_interrupted(); i++) {
        cli_known known; /* not while the photos are timed */
        cli_cache_ask(NULL, paths->items[i], &known);
        memcpy(out->content[i], known.content, CLI_DIGEST);
    }
    return status;
}

void cli_vectors_free(cli_vectors *vectors)
{
    free(vectors->rows);
    free(vectors->good);
    free(vectors->content);
    *vectors = (cli_vectors){0};
}
