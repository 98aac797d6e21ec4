/* The main job: pictures in, answers out. */
#include "encode.h"
#include "groups.h"
#include "heads.h"
#include "inputs.h"
#include "listed.h"
#include "output.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADS = 32 };

static const cli_option options[] = {
    {"as", 'a', "HEAD", true,
     "answer with this head: a name from 'whatsit head list' or a head file", "@head"},
    {"labels", 'l', "a,b,c|FILE", false, "answer with these labels, typed or one a line in a file",
     "@file"},
    {"template", 'T', "TEXT", true,
     "prompt for --labels, with {} for the label (default: \"a photo of a {}.\")", NULL},
    CLI_GROUP_OPTION,
    {"top", 'k', "K", false, "show the K best answers (default: 5)", NULL},
    {"multi", 0, NULL, false, "judge every label for itself, yes or no", NULL},
    {"single", 0, NULL, false,
     "labels: choose one of them, also with a model that judges each for itself (SigLIP)", NULL},
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {"csv", 0, NULL, false, "comma-separated values with a header line", NULL},
    {"tsv", 0, NULL, false, "tab-separated values with a header line", NULL},
    CLI_INPUTS_OPTIONS,
    CLI_LISTED_OPTIONS,
    {"fresh", 0, NULL, false, "compute everything anew, without the cache", NULL},
    {0},
};

/* One run. */
typedef struct job {
    cli_app *app;
    const cli_args *args;
    cli_format format;
    cli_list paths;
    cli_runtime runtime;
    wi_head *heads[MAX_HEADS];
    cli_head_answers answers[MAX_HEADS];
    size_t n_heads, top;
    size_t n_answered, n_failed;
    bool grouped;  /* a head has groups */
    bool everyday; /* the head that nobody asked for by name */
    int status;
} job;

static int check_usage(job *j)
{
    const cli_args *args = j->args;
    long top = 5;
    int status = cli_format_of(args, &j->format);
    if (status == CLI_OK) {
        status = cli_args_number(args, "top", 1, 1000000, 5, &top);
    }
    if (status != CLI_OK) {
        return status;
    }
    j->top = (size_t)top;
    if (cli_args_has(args, "template") && !cli_args_has(args, "labels")) {
        return cli_usage(args->verb, "--template goes with --labels");
    }
    if (cli_args_has(args, "single") &&
        (cli_args_has(args, "multi") || !cli_args_has(args, "labels"))) {
        return cli_usage(args->verb, "--single goes with --labels and without --multi");
    }
    if (cli_args_has(args, "group") && !cli_args_has(args, "labels")) {
        return cli_usage(args->verb, "--group goes with --labels");
    }
    if (cli_args_count(args, "labels") > 1) {
        return cli_usage(args->verb, "--labels can be given once");
    }
    if (cli_args_count(args, "as") + 1 > MAX_HEADS) {
        return cli_usage(args->verb, "at most %d heads at once", MAX_HEADS - 1);
    }
    if (args->n_operands == 0 && !cli_args_has(args, "files-from")) {
        return cli_usage(args->verb, "needs an IMAGE, or --files-from FILE");
    }
    size_t n_stdin = 0;
    for (size_t i = 0; i < args->n_operands; i++) {
        n_stdin += !strcmp(args->operands[i], "-");
    }
    return n_stdin > 1 ? cli_usage(args->verb, "'-' (standard input) can be given once") : CLI_OK;
}

static int open_typed_head(job *j, const char *spec, wi_head **out)
{
    cli_recipe recipe;
    int status = cli_recipe_from_labels(j->app, j->args, spec, &recipe);
    if (status == CLI_OK) {
        recipe.recipe.sigmoid = cli_args_has(j->args, "multi");
        recipe.recipe.softmax = cli_args_has(j->args, "single");
        status = cli_head_build_cached(&j->runtime, &recipe, out);
    }
    if (status == CLI_OK) {
        status = cli_head_group_by(j->app, j->args, out);
    }
    if (status == CLI_OK) {
        cli_head_warn_single(j->app, "--labels", *out);
    } else {
        wi_head_close(out); /* it may have been built, and not grouped */
    }
    cli_recipe_free(&recipe);
    return status;
}

static int open_heads(job *j)
{
    const char *name, *labels = cli_args_value(j->args, "labels");
    bool multi = cli_args_has(j->args, "multi");
    size_t position = 0;
    int status = CLI_OK;
    while (status == CLI_OK && (name = cli_args_next(j->args, "as", &position))) {
        status = cli_head_open(&j->runtime, name, multi, &j->heads[j->n_heads]);
        if (status == CLI_OK) {
            cli_head_warn_single(j->app, name, j->heads[j->n_heads++]);
        }
    }
    if (status == CLI_OK && labels) {
        status = open_typed_head(j, labels, &j->heads[j->n_heads]);
        j->n_heads += status == CLI_OK;
    }
    if (status == CLI_OK && j->n_heads == 0) {
        j->everyday = true;
        status = cli_head_everyday(&j->runtime, multi, &j->heads[0]);
        j->n_heads += status == CLI_OK;
    }
    for (size_t i = 0; i < j->n_heads && status == CLI_OK; i++) {
        cli_head_answers *answers = &j->answers[i];
        answers->head = j->heads[i];
        wi_head_get_info(j->heads[i], &answers->info);
        size_t k = j->top < answers->info.n_labels ? j->top : answers->info.n_labels;
        answers->answers = calloc(k ? k : 1, sizeof *answers->answers);
        answers->groups = calloc(answers->info.n_groups + 1, sizeof *answers->groups);
        if (!answers->answers || !answers->groups) {
            cli_error(j->app, "out of memory");
            status = CLI_FAILED;
        }
        j->grouped = j->grouped || answers->info.n_groups > 0;
    }
    return status;
}

static void say_notes(job *j)
{
    if (j->format == CLI_TEXT && !strcmp(j->runtime.info.name, "whatsit-nano")) {
#ifdef WHATSIT_HUB
        cli_note(j->app, "the built-in model knows some hundreds of everyday things; "
                         "'whatsit pull b32' brings the full model");
#else
        cli_note(j->app, "the built-in model knows some hundreds of everyday things; "
                         "--model FILE takes a full one");
#endif
    }
    for (size_t i = 0; i < j->n_heads && j->format != CLI_TEXT; i++) {
        if (j->answers[i].info.sensitivity[0]) {
            cli_note(j->app, "%s: %s", j->answers[i].info.name, j->answers[i].info.sensitivity);
        }
    }
}

static bool answer_one(void *context, const cli_item *item, const float *embedding,
                       double encode_ms)
{
    job *j = context;
    wi_error error = {0};
    size_t dim = j->runtime.info.embedding_dim;
    bool is_table = j->format == CLI_CSV || j->format == CLI_TSV;
    if (!embedding) {
        j->n_failed++;
        if (j->format == CLI_JSON && !cli_json_failure(item->path, &item->error)) {
            cli_error(j->app, "%s: out of memory", item->path);
        }
        return cli_output_ok(j->app);
    }
    double start = cli_now_ms();
    for (size_t i = 0; i < j->n_heads; i++) {
        cli_head_answers *head = &j->answers[i];
        if (wi_head_answer(head->head, embedding, dim, j->top, head->answers, &head->n_answers,
                           &error) != WI_OK) {
            j->status = cli_failed(j->app, item->path, &error);
            return true;
        }
        /* In a table each label's group has its share, also those behind the best. */
        size_t n_groups = is_table ? head->info.n_groups : j->top;
        /* For a person the broad word stands in the everyday answer itself, when it is the better one. */
        n_groups = j->everyday && j->format == CLI_TEXT ? 0 : n_groups;
        if (wi_head_answer_groups(head->head, embedding, dim, n_groups, head->groups,
                                  &head->n_groups, &error) != WI_OK) {
            j->status = cli_failed(j->app, item->path, &error);
            return true;
        }
        head->none = false;
        head->known = (float)NAN;
        if (isfinite(head->info.none_threshold)) {
            wi_head_known(head->head, embedding, dim, &head->known, &head->none, &error);
        }
        if (wi_head_verdict(head->head, embedding, dim, &head->verdict, &error) != WI_OK) {
            j->status = cli_failed(j->app, item->path, &error);
            return true;
        }
    }
    cli_result result = {
        .image = item->path,
        .model = j->runtime.info.name,
        .width_px = item->loaded.width_px,
        .height_px = item->loaded.height_px,
        .loaded = &item->loaded,
        .heads = j->answers,
        .n_heads = j->n_heads,
        .grouped = j->grouped,
        .decode_ms = item->loaded.decode_ms,
        .preprocess_ms = item->loaded.preprocess_ms,
        .encode_ms = encode_ms,
        .score_ms = cli_now_ms() - start,
    };
    if (!cli_write_result(j->app, j->format, &result)) {
        cli_error(j->app, "%s: out of memory", item->path);
        j->status = CLI_FAILED;
    }
    j->n_answered++;
    return cli_output_ok(j->app);
}

static int answer_all(job *j)
{
    cli_cache *cache = cli_cache_of_folders(&j->runtime, j->args, true);
    cli_encode encode = {.runtime = &j->runtime,
                         .paths = &j->paths,
                         .image = cli_picture_options(j->args),
                         .cache = cache,
                         .each = answer_one,
                         .context = j};
    cli_write_header(j->format, j->grouped);
    int status = cli_encode_images(&encode);
    cli_cache_close(&cache);
    if (j->format == CLI_JSON && j->n_failed > 0 && !cli_interrupted()) {
        cli_json_line(cli_json_total(j->n_answered, j->n_failed));
    }
    return status;
}

static void close_job(job *j)
{
    for (size_t i = 0; i < j->n_heads; i++) {
        free(j->answers[i].answers);
        free(j->answers[i].groups);
        wi_head_close(&j->heads[i]);
    }
    cli_runtime_close(&j->runtime);
    cli_list_free(&j->paths);
}

static int run(cli_app *app, const cli_args *args)
{
    job j = {.app = app, .args = args};
    int status = check_usage(&j);
    if (status != CLI_OK) {
        return status;
    }
    j.status = cli_inputs_read(app, args, args->operands, args->n_operands, &j.paths);
    int listed = cli_listed_read(app, args, &j.paths);
    j.status = j.status == CLI_OK ? listed : j.status;
    if (j.paths.n > 0) {
        status = cli_runtime_open(app, args, WI_TOWERS_BOTH, &j.runtime);
        if (status == CLI_OK) {
            status = open_heads(&j);
        }
        if (status == CLI_OK) {
            say_notes(&j);
            status = answer_all(&j);
        }
    }
    status = status != CLI_OK ? status : j.status;
    close_job(&j);
    return status;
}

const cli_verb cli_verb_classify = {
    .name = "",
    .operands = "IMAGE...",
    .summary = "say what is in a picture",
    .details =
        "Shows the best answers for each IMAGE with their probabilities. A folder stands for all "
        "pictures in it "
        "and below, '-' for a picture on standard input. A file NAME.safetensors with a u8 tensor "
        "'pixels [H,W,3]' is taken as already preprocessed.\n\n"
        "Without --as and --labels the model's everyday head answers. Several heads on one picture "
        "cost one "
        "encoding. A picture that cannot be read is reported and the rest goes on; the exit status "
        "is 1 then.",
    .examples =
        "whatsit photo.jpg\n"
        "    what is it?\n"
        "whatsit photo.jpg --as foods --as scenes\n"
        "    two questions about one picture\n"
        "whatsit photo.jpg --labels \"cat,dog,fox\"\n"
        "    which of these is it?\n"
        "whatsit photo.jpg --labels jobs.txt --template \"a photo of a {}, a profession.\"\n"
        "    labels from a file, with a prompt that fits them\n"
        "whatsit ~/Pictures --top 1 --csv > answers.csv\n"
        "    a whole folder into a table\n"
        "curl -s https://example.org/cat.jpg | whatsit -\n"
        "    a picture from another program\n",
    .complete = "@file",
    .min_operands = 0, /* --files-from names them too */
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
