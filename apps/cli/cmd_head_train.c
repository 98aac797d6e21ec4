/* Heads from many labelled photos: train, and the threshold of none-of-these: calibrate. */
#include "groups.h"
#include "inputs.h"
#include "photos.h"
#include "report.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option train_options[] = {
    {"data", 'd', "DIR|TABLE", false,
     "a folder per label, or a table of path, tab, label (in a .csv: path, comma, label)", "@file"},
    {"strength", 'C', "C", false, "how closely to fit (default: chosen by cross-validation)", NULL},
    {"balanced", 0, NULL, false, "labels count the same, however many photos each has", NULL},
    CLI_GROUP_OPTION,
    {"unknown", 'u', "PHOTOS", true, "photos that no label fits, for none-of-these", "@file"},
    {"rate", 0, "R", false, "share of unknown photos that may pass (default: 0.05)", NULL},
    {"report", 'r', "FILE.html", false, "write a page with the confusion picture", "@file"},
    {"source", 0, "TEXT", false, "where the photos come from, kept in the head", NULL},
    {"licence", 0, "TEXT", false, "the head's licence, kept in it", NULL},
    {"note", 0, "TEXT", false, "a note that is shown with every answer", NULL},
    {"json", 0, NULL, false, "the report as a JSON object", NULL},
    CLI_INPUTS_OPTIONS,
    {"force", 0, NULL, false, "replace a head of that name, and a report", NULL},
    {0},
};

static const cli_option calibrate_options[] = {
    {"unknown", 'u', "PHOTOS", true, "photos that no label fits: files or folders", "@file"},
    {"rate", 0, "R", false, "share of unknown photos that may pass (default: 0.05)", NULL},
    {0},
};

static int strength_option(const cli_args *args, double *strength)
{
    const char *value = cli_args_value(args, "strength");
    char *end = NULL;
    *strength = value ? strtod(value, &end) : 0;
    if (value && (end == value || *end || !(*strength >= 1e-6 && *strength <= 1e6))) {
        return cli_usage(args->verb, "--strength takes a number from 1e-6 to 1e6, not '%s'", value);
    }
    return CLI_OK;
}

static int show(const cli_runtime *runtime, const cli_args *args, const cli_photos *photos,
                const wi_training_report *report)
{
    wi_error error = {0};
    const char *name = args->operands[0], *page = cli_args_value(args, "report");
    char *title = cli_text("head '%s' for %s: %zu labels, %zu photos", name, runtime->info.name,
                           photos->data.names.n, photos->n);
    char *how = report->tally
                    ? cli_text("strength %.3g; each photo answered by one of %u fits that did not "
                               "see it",
                               report->strength, report->n_folds)
                    : cli_text("strength %.3g; too few photos to hold some out and measure",
                               report->strength);
    cli_measured measured = {.title = title ? title : name,
                             .head = name,
                             .model = runtime->info.name,
                             .how = how ? how : "",
                             .labels = (const char *const *)photos->data.names.items,
                             .n_labels = photos->data.names.n,
                             .tally = report->tally,
                             .none_share = (double)NAN,
                             .group_share = (double)NAN,
                             .known_auc = (double)NAN,
                             .false_accepts = (double)NAN,
                             .n_left_out = photos->n_left_out,
                             .n_copies = photos->n_copies,
                             .held_out = true};
    int status = CLI_OK;
    if (report->tally && wi_tally_metrics(report->tally, &measured.metrics, &error) != WI_OK) {
        status = cli_failed(runtime->app, NULL, &error);
    } else if (cli_args_has(args, "json")) {
        cli_json_line(cli_report_json(&measured));
    } else {
        cli_report_text(&measured);
    }
    if (status == CLI_OK && page && cli_report_html(page, &measured, 1, &error) != WI_OK) {
        status = cli_failed(runtime->app, NULL, &error);
    }
    free(title);
    free(how);
    return status;
}

static int train_and_save(const cli_runtime *runtime, const cli_args *args, const char *path,
                          cli_photos *photos)
{
    wi_error error = {0};
    wi_head *head = NULL;
    wi_training_report report = {0};
    cli_training how = {.name = args->operands[0],
                        .licence = cli_args_value(args, "licence"),
                        .source = cli_args_value(args, "source"),
                        .note = cli_args_value(args, "note"),
                        .balanced = cli_args_has(args, "balanced")};
    wi_image_options image = cli_picture_options(args);
    int status = strength_option(args, &how.strength);
    if (status == CLI_OK) {
        status = cli_photos_embed(runtime, &image, photos);
    }
    if (status == CLI_OK) {
        status = cli_train(runtime, &how, photos, &head, &report);
    }
    if (status == CLI_OK) {
        status = cli_head_group_by(runtime->app, args, &head);
    }
    if (status == CLI_OK) {
        status = cli_head_calibrate_by(runtime, args, &head);
    }
    if (status == CLI_OK && wi_head_save(head, path, &error) != WI_OK) {
        status = cli_failed(runtime->app, path, &error);
    }
    if (status == CLI_OK) {
        cli_photo_list_save(runtime, how.name, &photos->data, how.balanced ? "balanced" : "");
        status = show(runtime, args, photos, &report);
        char *word = cli_shell_word(how.name);
        cli_note(runtime->app, "use it with --as %s", word ? word : how.name);
        free(word);
        cli_head_note_namesake(runtime->app, how.name);
    }
    wi_tally_close(&report.tally);
    wi_head_close(&head);
    return status;
}

static int run_train(cli_app *app, const cli_args *args)
{
    const char *name = args->operands[0], *data = cli_args_value(args, "data");
    double rate, strength;
    if (!cli_name_ok(name)) {
        return cli_usage(args->verb, "'%s' cannot be a head's name: no '/', no '.' or '-' in front",
                         name);
    }
    if (!data) {
        return cli_usage(args->verb, "needs --data DIR or --data TABLE");
    }
    if (cli_rate_option(args, &rate) != CLI_OK || strength_option(args, &strength) != CLI_OK) {
        return CLI_USAGE;
    }
    cli_photos photos = {0};
    cli_runtime runtime = {0};
    char *path = cli_new_head_path(app, args, name);
    int status = path ? cli_dataset_open(app, args, data, &photos.data) : CLI_FAILED;
    if (status == CLI_OK) {
        status = cli_may_write(app, args, "report", &photos.data.paths);
    }
    if (status == CLI_OK && photos.data.names.n < 2) {
        cli_error(app, "%s: only the label '%s': a head needs two labels or more", data,
                  photos.data.names.items[0]);
        status = CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, 0, &runtime);
    }
    if (status == CLI_OK) {
        status = train_and_save(&runtime, args, path, &photos);
    }
    status = status == CLI_OK && photos.n_left_out > 0 ? CLI_FAILED : status;
    cli_photos_free(&photos);
    cli_runtime_close(&runtime);
    free(path);
    return status;
}

static int run_calibrate(cli_app *app, const cli_args *args)
{
    const char *name = args->operands[0];
    cli_runtime runtime = {0};
    wi_head *head = NULL;
    wi_head_info info;
    wi_error error = {0};
    double rate;
    int status = cli_rate_option(args, &rate);
    if (status == CLI_OK && !cli_args_has(args, "unknown")) {
        status = cli_usage(args->verb, "needs --unknown PHOTOS");
    }
    char *path = status == CLI_OK ? cli_own_head_path(app, name) : NULL;
    status = status == CLI_OK && !path ? CLI_FAILED : status;
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, 0, &runtime);
    }
    if (status == CLI_OK) {
        status = cli_head_open(&runtime, path, false, &head);
    }
    if (status == CLI_OK) {
        status = cli_head_calibrate_by(&runtime, args, &head);
    }
    if (status == CLI_OK && wi_head_save(head, path, &error) != WI_OK) {
        status = cli_failed(app, path, &error);
    }
    if (status == CLI_OK) {
        wi_head_get_info(head, &info);
        printf("head '%s' answers none-of-these at %.4g; of unknown photos like these, %.3g %% "
               "pass as known\n",
               name, (double)info.none_threshold, 100 * (double)info.none_rate);
    }
    wi_head_close(&head);
    cli_runtime_close(&runtime);
    free(path);
    return status;
}

const cli_verb cli_verb_head_train = {
    .name = "head train",
    .operands = "NAME",
    .summary = "make a head from labelled photos and say how good it is",
    .details =
        "Fits a logistic regression to the photos' embeddings. How closely it fits is chosen by "
        "cross-validation, in which every photo is answered by a fit that did not see it: the "
        "figures that are shown come from those answers. The same photos give the same head.\n\n"
        "--data is a folder with one folder per label, or a table with a path, a tab and a label a "
        "line. Embeddings are kept in the cache folder by the photos' content, so a second run is "
        "quick.\n\nWith --unknown, photos that no label fits, the head also answers none-of-these.",
    .examples = "whatsit head train flowers-here --data ~/Pictures/flowers\n"
                "    a folder per flower\n"
                "whatsit head train parts --data parts.tsv --balanced --report parts.html\n"
                "    a table; rare parts count as much as common ones\n"
                "whatsit head train dogs-here --data dogs --unknown ~/Pictures/other --rate 0.02\n"
                "    at most 2 % of other photos are taken for a dog\n",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = train_options,
    .run = run_train,
};

const cli_verb cli_verb_head_calibrate = {
    .name = "head calibrate",
    .operands = "NAME",
    .summary = "teach a head to answer none-of-these, by photos of other things",
    .details = "Sets the head's threshold so that of photos like the unknown ones at most the "
               "given share passes as known. At least 1 / rate - 1 photos are needed: 19 for 5 %.",
    .examples = "whatsit head calibrate dogs-here --unknown ~/Pictures/other\n"
                "    photos without dogs\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = calibrate_options,
    .run = run_calibrate,
};
