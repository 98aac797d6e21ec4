/* Pictures in, sentences out. */
#include "heads.h"
#include "inputs.h"
#include "output.h"
#include "pipeline.h"
#include "term.h"
#include "verbs.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 4 };

static const cli_option options[] = {
    {"n", 'n', "K", false, "K sentences for each picture, 1 to 8, with their probabilities", NULL},
    {"about", 0, "WORDS", false, "begin every sentence with these words", NULL},
    {"beam", 0, "B", false, "sentences followed at a time, 1 to 8 (default: 3, or K)", NULL},
    {"describer", 0, "FILE", false,
     "a describer that was made for the model (default: whatsit-describe)", "@file"},
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    CLI_INPUTS_OPTIONS,
    {0},
};

typedef struct describing {
    cli_app *app;
    const cli_args *args;
    cli_list paths;
    cli_runtime runtime;
    char *describer_path;
    wi_model *decoder;
    wi_describer *describer;
    wi_describe_options how;
    wi_head *everyday; /* opened when a sentence is unsure */
    cli_pipeline *pipeline;
    uint8_t *pixels;   /* [MAX_BATCH, size, size, 3] */
    float *embeddings; /* [MAX_BATCH, dim] */
    wi_caption captions[MAX_BATCH * WI_DESCRIBE_MAX_BEAM];
    size_t n_captions[MAX_BATCH];
    size_t pixel_bytes, dim, n_done;
    bool json;
    int status;
} describing;

static int read_options(describing *d)
{
    long n = 1, beam = 0;
    int status = cli_args_number(d->args, "n", 1, WI_DESCRIBE_MAX_BEAM, 1, &n);
    if (status == CLI_OK) {
        status = cli_args_number(d->args, "beam", 1, WI_DESCRIBE_MAX_BEAM, 0, &beam);
    }
    if (status != CLI_OK) {
        return status;
    }
    if (beam && beam < n) {
        return cli_usage(d->args->verb, "--beam %ld follows fewer sentences than --n %ld asks for",
                         beam, n);
    }
    d->how = (wi_describe_options){.n_captions = (uint32_t)n,
                                   .beam = (uint32_t)beam,
                                   .about = cli_args_value(d->args, "about")};
    d->json = cli_args_has(d->args, "json");
    return CLI_OK;
}

static int open_describer(describing *d)
{
    wi_error error = {0};
    const char *asked = cli_args_value(d->args, "describer");
    const wi_model_options open = {.towers = WI_TOWER_DECODER};
    const wi_describer_options room = {
        .max_images = (uint32_t)(d->paths.n < MAX_BATCH ? d->paths.n : MAX_BATCH)};
    d->describer_path = cli_model_find(asked ? asked : "whatsit-describe");
    if (!d->describer_path && !asked) {
        cli_error(d->app, "the describer whatsit-describe is not beside the program: name one with "
                          "--describer");
        return CLI_FAILED;
    }
    if (!d->describer_path) {
        cli_error(d->app, "%s: no such describer", asked);
        return CLI_FAILED;
    }
    if (wi_model_open(d->runtime.engine, d->describer_path, &open, &d->decoder, &error) != WI_OK) {
        return cli_failed(d->app, d->describer_path, &error);
    }
    return wi_describer_open(d->runtime.model, d->decoder, &room, &d->describer, &error) == WI_OK
               ? CLI_OK
               : cli_failed(d->app, NULL, &error);
}

static int open_pipeline(describing *d)
{
    wi_error error = {0};
    const wi_model_info *info = &d->runtime.info;
    cli_load_options load = {d->runtime.engine, info->preprocess, cli_picture_options(d->args)};
    int n_threads = wi_engine_threads(d->runtime.engine);
    d->dim = info->embedding_dim;
    d->pixel_bytes = (size_t)info->image_px * info->image_px * 3;
    d->pixels = calloc(MAX_BATCH, d->pixel_bytes);
    d->embeddings = calloc(MAX_BATCH, d->dim * sizeof *d->embeddings);
    if (!d->pixels || !d->embeddings) {
        cli_error(d->app, "out of memory");
        return CLI_FAILED;
    }
    return cli_pipeline_open((const char *const *)d->paths.items, d->paths.n, &load, NULL, false,
                             n_threads, 2 * MAX_BATCH + (size_t)n_threads, &d->pipeline,
                             &error) == WI_OK
               ? CLI_OK
               : cli_failed(d->app, NULL, &error);
}

/* What the everyday head says instead; "" when it cannot tell either. The name lives as long as the
 * head. */
static const char *broad_answer(describing *d, const float *embedding)
{
    wi_error error = {0};
    wi_verdict verdict;
    if (!d->runtime.info.text.present) {
        return ""; /* no words to ask with */
    }
    if (!d->everyday && cli_head_everyday(&d->runtime, false, &d->everyday) != CLI_OK) {
        d->status = CLI_FAILED;
        return "";
    }
    if (wi_head_verdict(d->everyday, embedding, d->dim, &verdict, &error) != WI_OK) {
        d->status = cli_failed(d->app, NULL, &error);
        return "";
    }
    if (verdict.certainty <= WI_CANNOT_TELL) {
        return "";
    }
    const char *group =
        verdict.label == SIZE_MAX ? verdict.name : wi_head_group(d->everyday, verdict.label);
    return group && group[0] ? group : verdict.name;
}

static void write_json(describing *d, const cli_item *item, const wi_caption *captions, size_t n,
                       const char *perhaps, double ms)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(
            list, json_pack("{s:o,s:o,s:o}", "text", cli_json_text(captions[i].text), "logprob",
                            cli_json_number((double)captions[i].logprob), "mean_prob",
                            cli_json_number((double)captions[i].mean_prob)));
    }
    json_t *rest =
        json_pack("{s:o,s:b,s:{s:o,s:o,s:o}}", "captions", list, "sure", captions[0].sure, "ms",
                  "decode", cli_json_number(item->loaded.decode_ms), "preprocess",
                  cli_json_number(item->loaded.preprocess_ms), "describe", cli_json_number(ms));
    if (rest && !captions[0].sure) {
        json_object_set_new(rest, "perhaps", perhaps[0] ? cli_json_text(perhaps) : json_null());
    }
    if (!cli_json_line(cli_json_with_path("image", item->path, rest))) {
        cli_error(d->app, "%s: out of memory", item->path);
        d->status = CLI_FAILED;
    }
}

static const char *article(const char *word)
{
    return word[0] && strchr("aeiou", word[0]) ? "an" : "a";
}

static void write_text(describing *d, const cli_item *item, const wi_caption *captions, size_t n,
                       const char *perhaps)
{
    char path[1024], text[1024];
    cli_progress_clear(d->app);
    cli_printable(item->path, path, sizeof path);
    cli_printable(captions[0].text, text, sizeof text);
    if (captions[0].sure) {
        printf("%s: %s\n", path, text);
    } else if (perhaps[0]) {
        cli_printable(perhaps, text, sizeof text);
        printf("%s: perhaps %s %s; I cannot describe more\n", path, article(text), text);
    } else {
        printf("%s: I cannot describe this picture\n", path);
    }
    for (size_t i = 0; i < n && d->how.n_captions > 1; i++) {
        cli_printable(captions[i].text, text, sizeof text);
        printf("  %5.1f %%  %s\n", 100 * (double)captions[i].mean_prob, text);
    }
}

static void tell(describing *d, const cli_item *item, size_t index, double ms)
{
    const wi_caption *captions = d->captions + index * d->how.n_captions;
    const char *perhaps = captions[0].sure ? "" : broad_answer(d, d->embeddings + index * d->dim);
    cli_tell_warnings(d->app, item->path, &item->loaded);
    if (d->json) {
        write_json(d, item, captions, d->n_captions[index], perhaps, ms);
    } else {
        write_text(d, item, captions, d->n_captions[index], perhaps);
    }
}

static bool describe_batch(describing *d, const cli_item *items, size_t n)
{
    wi_error error = {0};
    size_t n_good = 0, index = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].status == WI_OK) {
            memcpy(d->pixels + n_good++ * d->pixel_bytes, items[i].pixels, d->pixel_bytes);
        }
    }
    double start = cli_now_ms();
    if (n_good > 0 && wi_describe(d->describer, d->pixels, n_good, &d->how, d->captions,
                                  d->n_captions, d->embeddings, &error) != WI_OK) {
        d->status = cli_failed(d->app, NULL, &error);
        return false;
    }
    double ms = n_good > 0 ? (cli_now_ms() - start) / (double)n_good : 0;
    for (size_t i = 0; i < n && cli_output_ok(d->app); i++, d->n_done++) {
        if (items[i].status == WI_OK) {
            tell(d, &items[i], index++, ms);
            continue;
        }
        const char *name = strcmp(items[i].path, "-") ? items[i].path : "standard input";
        d->status = cli_failed(d->app, name, &items[i].error);
        if (d->json && !cli_json_failure(items[i].path, &items[i].error)) {
            cli_error(d->app, "%s: out of memory", items[i].path);
        }
    }
    return cli_output_ok(d->app);
}

static int describe_all(describing *d)
{
    const cli_item *items;
    size_t n;
    int status = cli_runtime_open(d->app, d->args, WI_TOWER_IMAGE, &d->runtime);
    if (status == CLI_OK) {
        status = open_describer(d);
    }
    if (status == CLI_OK) {
        status = open_pipeline(d);
    }
    while (status == CLI_OK && (n = cli_pipeline_take(d->pipeline, MAX_BATCH, &items)) > 0) {
        if (!describe_batch(d, items, n) || cli_interrupted()) {
            break;
        }
        if (d->paths.n > 1) {
            cli_progress(d->app, "pictures", d->n_done, d->paths.n);
        }
    }
    cli_progress_clear(d->app);
    return status == CLI_OK ? d->status : status;
}

static int run(cli_app *app, const cli_args *args)
{
    describing d = {.app = app, .args = args};
    int status = read_options(&d);
    if (status != CLI_OK) {
        return status;
    }
    int listed = cli_inputs_read(app, args, args->operands, args->n_operands, &d.paths);
    if (d.paths.n > 0) {
        status = describe_all(&d);
    }
    cli_pipeline_close(&d.pipeline);
    wi_head_close(&d.everyday);
    wi_describer_close(&d.describer);
    wi_model_close(&d.decoder);
    cli_runtime_close(&d.runtime);
    cli_list_free(&d.paths);
    free(d.describer_path);
    free(d.pixels);
    free(d.embeddings);
    return cli_interrupted() ? CLI_INTERRUPTED : status == CLI_OK ? listed : status;
}

const cli_verb cli_verb_describe = {
    .name = "describe",
    .operands = "IMAGE...",
    .summary = "say in a sentence what a picture shows",
    .details =
        "Writes one English sentence for each IMAGE. A folder stands for all pictures in it and "
        "below, '-' for a picture on standard input.\n\n"
        "The sentence is a guess by a small network: it sees what is there more surely than how "
        "many, where and who does what. Where it is not sure enough, it names what the picture is "
        "perhaps of, and says no more. It does not say who people are, how old they are or how "
        "they "
        "feel.\n\n"
        "Probabilities are those of a sentence's words in the mean.",
    .examples = "whatsit describe photo.jpg\n"
                "    what is to be seen?\n"
                "whatsit describe photo.jpg --n 3\n"
                "    in three ways\n"
                "whatsit describe photo.jpg --about \"the dog\"\n"
                "    a sentence that begins so\n"
                "whatsit describe ~/Pictures --json > sentences.jsonl\n"
                "    a whole folder, for another program\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
