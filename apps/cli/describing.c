#include "describing.h"
#include "../library/described.h"
#include "sentences.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

enum { STEP = 64 }; /* a photo takes some tens of milliseconds */
static const double step_ms = 3000;

typedef struct describing {
    const cli_runtime *runtime;
    cli_library *library;
    cli_described *out;
    cli_scales scales;
    char by[65];
    described_photo *photos;
    size_t n_photos, n_taken;
    described_sentence step[STEP];
    char *texts[STEP]; /* of the step; NULL: nothing is told */
    size_t n_step;
    double kept_at;
    bool broken; /* said already */
} describing;

static bool keep_step(describing *d)
{
    wi_error error = {0};
    wi_status status =
        d->n_step > 0 ? described_keep(d->library->cat, d->by, d->step, d->n_step, &error) : WI_OK;
    for (size_t i = 0; i < d->n_step; i++) {
        d->out->n_told += status == WI_OK && d->texts[i];
        d->out->n_untold += status == WI_OK && !d->texts[i];
        free(d->texts[i]);
    }
    d->n_step = 0;
    d->kept_at = cli_now_ms();
    if (status != WI_OK) {
        cli_failed(d->runtime->app, NULL, &error);
        d->broken = true;
    }
    return status == WI_OK;
}

static bool take(void *context, const cli_item *item, const wi_caption *captions, size_t n,
                 const float *embedding, double ms)
{
    describing *d = context;
    const described_photo *photo = &d->photos[d->n_taken++];
    cli_told told;
    (void)item;
    (void)ms;
    if (n == 0) {
        return true; /* it is gone, or was changed: reported, and the next 'index' sees to it */
    }
    if (!cli_weigh(&d->scales, &captions[0], embedding, &told)) {
        d->broken = true;
        return false;
    }
    const bool is_told = told.sentence && cli_sentence_is_text(captions[0].text);
    char *text = is_told ? cli_text("%s", captions[0].text) : NULL;
    if (is_told && !text) {
        cli_error(d->runtime->app, "out of memory");
        d->broken = true;
        return false;
    }
    d->texts[d->n_step] = text;
    d->step[d->n_step++] = (described_sentence){photo->id, text};
    return d->n_step < STEP && cli_now_ms() - d->kept_at < step_ms ? true : keep_step(d);
}

static int describe_missing(describing *d, const cli_args *args)
{
    cli_list paths = {0};
    const cli_sentences job = {.runtime = d->runtime,
                               .args = args,
                               .scales = &d->scales,
                               .paths = &paths,
                               .each = take,
                               .context = d};
    int status = CLI_OK;
    for (size_t i = 0; i < d->n_photos && status == CLI_OK; i++) {
        status = cli_list_add(&paths, cli_text("%s", d->photos[i].text)) ? CLI_OK : CLI_FAILED;
    }
    if (status != CLI_OK) {
        cli_error(d->runtime->app, "out of memory");
    } else if (paths.n > 0) {
        status = cli_describe_images(&job);
    }
    if (!d->broken && !keep_step(d)) {
        status = CLI_FAILED;
    }
    cli_list_free(&paths);
    return cli_interrupted() ? CLI_INTERRUPTED : d->broken ? CLI_FAILED : status;
}

int cli_describe_library(const cli_runtime *runtime, const cli_args *args, cli_library *library,
                         cli_described *out)
{
    wi_error error = {0};
    *out = (cli_described){0};
    describing *d = calloc(1, sizeof *d);
    if (!d) {
        cli_error(runtime->app, "out of memory");
        return CLI_FAILED;
    }
    *d = (describing){.runtime = runtime, .library = library, .out = out, .kept_at = cli_now_ms()};
    d->scales.runtime = runtime;
    int status = cli_describer_fingerprint(runtime, args, d->by);
    if (status == CLI_OK && (described_begin(library->cat, &error) != WI_OK ||
                             described_missing(library->cat, library->model.id, d->by, &d->photos,
                                               &d->n_photos, &error) != WI_OK)) {
        status = cli_failed(runtime->app, NULL, &error);
    }
    if (status == CLI_OK) {
        status = describe_missing(d, args);
    }
    for (size_t i = 0; i < d->n_step; i++) { /* of a step that was not kept */
        free(d->texts[i]);
    }
    described_free_photos(d->photos, d->n_photos);
    cli_scales_close(&d->scales);
    free(d);
    return status;
}
