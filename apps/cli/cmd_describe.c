/* Pictures in, sentences out. */
#include "inputs.h"
#include "output.h"
#include "scales.h"
#include "sentences.h"
#include "term.h"
#include "verbs.h"
#include <string.h>

static const cli_option options[] = {
    {"n", 'n', "K", false, "K sentences for each picture, 1 to 8, with their probabilities", NULL},
    {"about", 0, "WORDS", false, "begin every sentence with these words", NULL},
    {"beam", 0, "B", false, "sentences followed at a time, 1 to 8 (default: 3, or K)", NULL},
    CLI_DESCRIBER_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    CLI_INPUTS_OPTIONS,
    {0},
};

typedef struct describing {
    cli_app *app;
    const cli_args *args;
    cli_list paths;
    cli_runtime runtime;
    wi_describe_options how;
    cli_scales scales;
    bool json;
    size_t n_told, n_failed;
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

static void write_json(describing *d, const cli_item *item, const wi_caption *captions, size_t n,
                       const cli_told *what, double ms)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(
            list, json_pack("{s:o,s:o,s:o}", "text", cli_json_text(captions[i].text), "logprob",
                            cli_json_number((double)captions[i].logprob), "mean_prob",
                            cli_json_number((double)captions[i].mean_prob)));
    }
    json_t *rest =
        json_pack("{s:o,s:o,s:{s:o,s:o,s:o}}", "captions", list, "sure",
                  what->weighed ? json_boolean(what->sentence) : json_null(), "ms", "decode",
                  cli_json_number(item->loaded.decode_ms), "preprocess",
                  cli_json_number(item->loaded.preprocess_ms), "describe", cli_json_number(ms));
    if (rest && !what->sentence) {
        json_object_set_new(rest, "perhaps",
                            what->perhaps[0] ? cli_json_text(what->perhaps) : json_null());
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
                       const cli_told *what)
{
    char path[1024], text[1024];
    cli_progress_clear(d->app);
    cli_printable(item->path, path, sizeof path);
    cli_printable(captions[0].text, text, sizeof text);
    if (what->sentence) {
        printf("%s: %s\n", path, text);
    } else if (strcmp(what->perhaps, WI_GROUP_NOTHING) == 0) {
        printf("%s: perhaps there is nothing to see\n", path);
    } else if (what->perhaps[0]) {
        cli_printable(what->perhaps, text, sizeof text);
        printf("%s: perhaps %s %s; I cannot describe more\n", path, article(text), text);
    } else {
        printf("%s: I cannot describe this picture\n", path);
    }
    for (size_t i = 0; i < n && d->how.n_captions > 1; i++) {
        cli_printable(captions[i].text, text, sizeof text);
        printf("  %5.1f %%  %s\n", 100 * (double)captions[i].mean_prob, text);
    }
}

static bool tell(void *context, const cli_item *item, const wi_caption *captions, size_t n,
                 const float *embedding, double ms)
{
    describing *d = context;
    d->n_told += n > 0;
    d->n_failed += n == 0;
    if (n == 0) {
        if (d->json && !cli_json_failure(item->path, &item->error)) {
            cli_error(d->app, "%s: out of memory", item->path);
        }
        return cli_output_ok(d->app);
    }
    cli_told what;
    if (!cli_weigh(&d->scales, &captions[0], embedding, &what)) {
        d->status = CLI_FAILED;
        return false;
    }
    if (d->json) {
        write_json(d, item, captions, n, &what, ms);
    } else {
        write_text(d, item, captions, n, &what);
    }
    return cli_output_ok(d->app);
}

static int describe_all(describing *d)
{
    int status = cli_runtime_open(d->app, d->args, WI_TOWER_IMAGE, &d->runtime);
    if (status == CLI_OK) {
        const cli_sentences job = {.runtime = &d->runtime,
                                   .args = d->args,
                                   .scales = &d->scales,
                                   .paths = &d->paths,
                                   .image = cli_picture_options(d->args),
                                   .how = d->how,
                                   .each = tell,
                                   .context = d};
        status = cli_describe_images(&job);
        if (d->json && d->n_failed > 0 && !cli_interrupted()) {
            cli_json_line(cli_json_total(d->n_told, d->n_failed));
        }
    }
    return status == CLI_OK ? d->status : status;
}

static int run(cli_app *app, const cli_args *args)
{
    describing d = {.app = app, .args = args};
    d.scales = (cli_scales){.runtime = &d.runtime};
    int status = read_options(&d);
    if (status != CLI_OK) {
        return status;
    }
    int listed = cli_inputs_read(app, args, args->operands, args->n_operands, &d.paths);
    if (d.paths.n > 0) {
        status = describe_all(&d);
    }
    cli_scales_close(&d.scales);
    cli_runtime_close(&d.runtime);
    cli_list_free(&d.paths);
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
        "feel. A model that describes by itself (CoCa) is told as it is: nothing weighs how sure "
        "it is, "
        "and \"sure\" is null.\n\n"
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
