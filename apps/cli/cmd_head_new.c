/* Making heads from words and example photos: new, add, rebuild. */
#include "groups.h"
#include "inputs.h"
#include "photos.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option new_options[] = {
    {"labels", 'l', "a,b,c|FILE", false, "the labels, typed or one a line in a file", "@file"},
    {"template", 'T', "TEXT", true,
     "a prompt, with {} for the label (default: \"a photo of a {}.\")", NULL},
    {"examples", 'e', "LABEL=PHOTOS", true,
     "photos of a label: files with commas between, or a folder", "@file"},
    CLI_GROUP_OPTION,
    {"unknown", 'u', "PHOTOS", true, "photos that no label fits, for none-of-these", "@file"},
    {"rate", 0, "R", false, "share of unknown photos that may pass (default: 0.05)", NULL},
    {"none", 0, NULL, false, "answer none-of-these when everyday nouns fit better", NULL},
    {"multi", 0, NULL, false, "judge every label for itself, yes or no", NULL},
    {"single", 0, NULL, false,
     "choose one label, also with a model that judges each for itself (SigLIP)", NULL},
    {"source", 0, "TEXT", false, "where the labels or photos come from, kept in the head", NULL},
    {"licence", 0, "TEXT", false, "the head's licence, kept in it", NULL},
    {"note", 0, "TEXT", false, "a note that is shown with every answer", NULL},
    {"force", 0, NULL, false, "replace a head of that name", NULL},
    {0},
};

/* ---- example photos ---- */

static int out_of_memory(cli_app *app)
{
    cli_error(app, "out of memory");
    return CLI_FAILED;
}

/* One photo or a folder of them. */
static int add_examples(cli_app *app, const char *label, const char *operand, cli_dataset *out)
{
    cli_list paths = {0};
    int status = cli_inputs_read(app, NULL, &operand, 1, &paths);
    for (size_t i = 0; i < paths.n && status == CLI_OK; i++) {
        char *path = paths.items[i];
        paths.items[i] = NULL;
        status = cli_dataset_add(out, path, label) ? CLI_OK : out_of_memory(app);
    }
    cli_list_free(&paths);
    return status;
}

/* "cat=a.jpg,b.jpg". A file may have a comma in its name. */
static int read_example(cli_app *app, const cli_args *args, const char *value, cli_dataset *out)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1]) {
        return cli_usage(args->verb, "--examples takes LABEL=PHOTO,..., not '%s'", value);
    }
    char *label = cli_text("%.*s", (int)(equals - value), value);
    char *rest = cli_text("%s", equals + 1);
    int status = label && rest ? CLI_OK : out_of_memory(app);
    if (status == CLI_OK && cli_exists(rest)) {
        status = add_examples(app, label, rest, out);
    } else if (status == CLI_OK) {
        for (char *part = rest, *next; part && status == CLI_OK; part = next) {
            next = strchr(part, ',');
            if (next) {
                *next++ = '\0';
            }
            status = part[0] ? add_examples(app, label, part, out) : CLI_OK;
        }
    }
    free(label);
    free(rest);
    return status;
}

static int read_examples(cli_app *app, const cli_args *args, cli_dataset *out)
{
    const char *value;
    size_t position = 0;
    int status = CLI_OK;
    while (status == CLI_OK && (value = cli_args_next(args, "examples", &position))) {
        status = read_example(app, args, value, out);
    }
    return status;
}

/* ---- words and photos into a head ---- */

/* The labels of the words, and behind them those that only have photos. The copies live in
 * *labels. */
static int join_labels(cli_app *app, const cli_dataset *data, wi_head_recipe *recipe,
                       const char ***labels)
{
    size_t n = recipe->n_labels, most = n + data->names.n;
    const char **joined = calloc(2 * most + 1, sizeof *joined), **groups = joined + most;
    if (!joined) {
        return out_of_memory(app);
    }
    for (size_t i = 0; i < most; i++) {
        joined[i] = i < n ? recipe->labels[i] : NULL;
        groups[i] = i < n && recipe->groups ? recipe->groups[i] : "";
    }
    for (size_t i = 0; i < data->names.n; i++) {
        size_t k = 0, n_name = strlen(data->names.items[i]);
        while (k < recipe->n_labels && (strncmp(joined[k], data->names.items[i], n_name) != 0 ||
                                        (joined[k][n_name] && joined[k][n_name] != '|'))) {
            k++;
        }
        if (k == recipe->n_labels) {
            joined[n++] = data->names.items[i];
        }
    }
    recipe->labels = joined;
    recipe->groups = groups;
    recipe->n_labels = n;
    *labels = joined;
    return CLI_OK;
}

/* Turns the photos' numbers into those of the head's labels. */
static int match_labels(cli_app *app, const wi_head *head, cli_photos *photos)
{
    size_t n = photos->data.names.n;
    uint32_t *place = calloc(n + 1, sizeof *place);
    int status = place ? CLI_OK : out_of_memory(app);
    for (size_t i = 0; i < n && status == CLI_OK; i++) {
        size_t found = wi_head_find_label(head, photos->data.names.items[i]);
        if (found == SIZE_MAX) {
            cli_error(app, "the head has no label '%s'", photos->data.names.items[i]);
            status = CLI_FAILED;
        } else {
            place[i] = (uint32_t)found;
        }
    }
    for (size_t i = 0; i < photos->n && status == CLI_OK; i++) {
        photos->labels[i] = place[photos->labels[i]];
    }
    free(place);
    return status;
}

/* Replaces *head by one that has seen the photos too. */
static int mix_photos(const cli_runtime *runtime, cli_photos *photos, wi_head **head)
{
    wi_error error = {0};
    wi_head *mixed = NULL;
    int status = match_labels(runtime->app, *head, photos);
    wi_photos view = cli_photos_view(photos);
    cli_meter meter = {runtime->app, "learning"};
    wi_progress progress = cli_meter_progress(&meter);
    wi_status mixing =
        status == CLI_OK ? wi_head_add_photos(*head, &view, &progress, &mixed, &error) : WI_OK;
    cli_progress_clear(runtime->app);
    if (mixing != WI_OK) {
        status = cli_failed(runtime->app, NULL, &error);
    } else if (status == CLI_OK) {
        wi_head_close(head);
        *head = mixed;
    }
    return status;
}

static int photos_alone(const cli_runtime *runtime, const wi_head_recipe *recipe,
                        const cli_photos *photos, wi_head **out)
{
    wi_error error = {0};
    wi_training training = {.name = recipe->name,
                            .labels = (const char *const *)photos->data.names.items,
                            .n_labels = photos->data.names.n,
                            .licence = recipe->licence,
                            .source = recipe->source,
                            .sensitivity = recipe->sensitivity,
                            .photos = cli_photos_view(photos)};
    return wi_head_from_photos(runtime->model, &training, out, &error) == WI_OK
               ? CLI_OK
               : cli_failed(runtime->app, NULL, &error);
}

/* recipe without labels: photos alone. photos are embedded here; none: words alone. */
static int build(const cli_runtime *runtime, cli_recipe *recipe, cli_photos *photos, wi_head **out)
{
    const char **labels = NULL;
    bool words = recipe->recipe.n_labels > 0, examples = photos->data.paths.n > 0;
    int status = CLI_OK;
    if (examples) {
        status = cli_dataset_sort(&photos->data) ? cli_photos_embed(runtime, NULL, photos)
                                                 : out_of_memory(runtime->app);
    }
    if (status == CLI_OK && words) {
        status = join_labels(runtime->app, &photos->data, &recipe->recipe, &labels);
        if (status == CLI_OK) {
            status = cli_head_build(runtime, recipe, out);
        }
        if (status == CLI_OK && examples) {
            status = mix_photos(runtime, photos, out);
        }
    } else if (status == CLI_OK) {
        status = photos_alone(runtime, &recipe->recipe, photos, out);
    }
    free((void *)labels);
    return status;
}

static int save_head(const cli_runtime *runtime, const wi_head *head, const char *path)
{
    wi_error error = {0};
    return wi_head_save(head, path, &error) == WI_OK ? CLI_OK
                                                     : cli_failed(runtime->app, path, &error);
}

/* ---- new ---- */

static int read_recipe(cli_app *app, const cli_args *args, cli_recipe *recipe)
{
    const char *labels = cli_args_value(args, "labels");
    int status = labels ? cli_recipe_from_labels(app, args, labels, recipe) : CLI_OK;
    wi_head_recipe *r = &recipe->recipe;
    r->name = args->operands[0];
    r->sigmoid = cli_args_has(args, "multi");
    r->softmax = cli_args_has(args, "single");
    r->source = cli_args_has(args, "source") ? cli_args_value(args, "source") : r->source;
    r->licence = cli_args_has(args, "licence") ? cli_args_value(args, "licence") : r->licence;
    r->sensitivity = cli_args_has(args, "note") ? cli_args_value(args, "note") : r->sensitivity;
    if (status == CLI_OK && labels && cli_args_has(args, "none")) {
        cli_recipe_add_distractors(app, recipe);
    }
    return status;
}

static void say_made(const cli_runtime *runtime, const char *name, const wi_head *head)
{
    wi_head_info info;
    char photos[40] = "";
    wi_head_get_info(head, &info);
    if (info.n_examples > 0) {
        snprintf(photos, sizeof photos, " and %zu photo%s", info.n_examples,
                 info.n_examples == 1 ? "" : "s");
    }
    char *word = cli_shell_word(name);
    cli_note(runtime->app, "head '%s' with %zu label%s%s for %s: use it with --as %s", name,
             info.n_labels, info.n_labels == 1 ? "" : "s", photos, runtime->info.name,
             word ? word : name);
    free(word);
}

static int make_head(cli_app *app, const cli_args *args, const char *path)
{
    cli_recipe recipe = {0};
    cli_runtime runtime = {0};
    cli_photos photos = {0};
    wi_head *head = NULL;
    int status = read_recipe(app, args, &recipe);
    if (status == CLI_OK) {
        status = read_examples(app, args, &photos.data);
    }
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, WI_TOWERS_BOTH, &runtime);
    }
    if (status == CLI_OK) {
        status = build(&runtime, &recipe, &photos, &head);
    }
    if (status == CLI_OK) {
        status = cli_head_group_by(app, args, &head);
    }
    if (status == CLI_OK) {
        status = cli_head_calibrate_by(&runtime, args, &head);
    }
    if (status == CLI_OK) {
        status = save_head(&runtime, head, path);
    }
    if (status == CLI_OK) {
        bool unset =
            photos.data.paths.n > 0 && cli_args_has(args, "none") && !cli_args_has(args, "unknown");
        if (unset) {
            cli_note(
                app,
                "with example photos, --none needs a threshold to answer none-of-these: 'whatsit "
                "head calibrate %s --unknown PHOTOS' sets it",
                args->operands[0]);
        }
        if (photos.data.paths.n > 0) {
            cli_photo_list_save(&runtime, args->operands[0], &photos.data, "");
        } else {
            cli_photo_list_remove(args->operands[0]);
        }
        say_made(&runtime, args->operands[0], head);
        cli_head_note_namesake(app, args->operands[0]);
        if (!unset) {
            cli_head_warn_single(app, args->operands[0], head);
        }
        status = photos.n_left_out > 0 ? CLI_FAILED : CLI_OK;
    }
    wi_head_close(&head);
    cli_photos_free(&photos);
    cli_recipe_free(&recipe);
    cli_runtime_close(&runtime);
    return status;
}

static int run_new(cli_app *app, const cli_args *args)
{
    const char *name = args->operands[0];
    double rate;
    if (!cli_name_ok(name)) {
        return cli_usage(args->verb, "'%s' cannot be a head's name: no '/', no '.' or '-' in front",
                         name);
    }
    if (cli_args_count(args, "labels") > 1 ||
        (!cli_args_has(args, "labels") && !cli_args_has(args, "examples"))) {
        return cli_usage(args->verb,
                         "needs --labels a,b,c or --labels FILE, once, or --examples LABEL=PHOTOS");
    }
    if (!cli_args_has(args, "labels") &&
        (cli_args_has(args, "template") || cli_args_has(args, "multi") ||
         cli_args_has(args, "single"))) {
        return cli_usage(args->verb, "--template, --multi and --single go with --labels");
    }
    if (cli_args_has(args, "multi") && cli_args_has(args, "single")) {
        return cli_usage(args->verb, "--multi and --single exclude each other");
    }
    if (cli_rate_option(args, &rate) != CLI_OK) {
        return CLI_USAGE;
    }
    char *path = cli_new_head_path(app, args, name);
    int status = path ? make_head(app, args, path) : CLI_FAILED;
    free(path);
    return status;
}

/* ---- add ---- */

/* The list beside the head learns of the new photos too. */
static void note_photos(const cli_runtime *runtime, const char *name, cli_dataset *added)
{
    cli_app *app = runtime->app;
    cli_dataset all = {0};
    bool balanced = false;
    char *list = cli_photo_list_path(name);
    bool there = list && cli_exists(list);
    free(list);
    if (there && cli_photo_list_open(app, name, &all, &balanced) != CLI_OK) {
        cli_dataset_free(&all);
        return;
    }
    bool done = true;
    for (size_t i = 0; i < added->paths.n && done; i++) {
        done = cli_dataset_add(&all, cli_text("%s", added->paths.items[i]),
                               added->names.items[added->labels[i]]);
    }
    if (done) {
        cli_photo_list_save(runtime, name, &all, balanced ? "balanced" : "");
    }
    cli_dataset_free(&all);
}

static int run_add(cli_app *app, const cli_args *args)
{
    const char *name = args->operands[0];
    cli_runtime runtime = {0};
    cli_photos photos = {0};
    wi_head *head = NULL;
    int status = CLI_OK;
    char *path = cli_own_head_path(app, name);
    for (size_t i = 2; i < args->n_operands && status == CLI_OK; i++) {
        status = add_examples(app, args->operands[1], args->operands[i], &photos.data);
    }
    if (status == CLI_OK) {
        status = path ? cli_runtime_open(app, args, 0, &runtime) : CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = cli_head_open(&runtime, path, false, &head);
    }
    if (status == CLI_OK && wi_head_find_label(head, args->operands[1]) == SIZE_MAX) {
        char *what = cli_text("head '%s'", name);
        cli_head_no_label(app, head, what ? what : name, args->operands[1]);
        free(what);
        status = CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = cli_photos_embed(&runtime, NULL, &photos);
    }
    if (status == CLI_OK) {
        status = mix_photos(&runtime, &photos, &head);
    }
    if (status == CLI_OK) {
        status = save_head(&runtime, head, path);
    }
    if (status == CLI_OK) {
        if (!strchr(name, '/')) {
            note_photos(&runtime, name, &photos.data);
        }
        say_made(&runtime, name, head);
        cli_head_warn_single(app, name, head);
        status = photos.n_left_out > 0 ? CLI_FAILED : CLI_OK;
    }
    wi_head_close(&head);
    cli_photos_free(&photos);
    cli_runtime_close(&runtime);
    free(path);
    return status;
}

/* ---- rebuild ---- */

/* A recipe from the texts that the head itself keeps; without labels when it has no words. */
static int recipe_of(cli_app *app, const wi_head *head, const wi_head_info *info, cli_recipe *out)
{
    *out = (cli_recipe){0};
    out->templates = calloc(info->n_labels + info->n_templates + 1, sizeof *out->templates);
    if (!out->templates) {
        return out_of_memory(app);
    }
    for (size_t i = 0; i < info->n_templates; i++) {
        out->templates[i] = wi_head_template(head, i);
    }
    for (size_t i = 0; i < info->n_labels; i++) {
        out->templates[info->n_templates + i] = wi_head_label_full(head, i);
    }
    out->recipe = (wi_head_recipe){
        .name = info->name,
        .labels = out->templates + info->n_templates,
        .n_labels = info->n_templates > 0 ? info->n_labels : 0,
        .templates = out->templates,
        .n_templates = info->n_templates,
        .licence = info->licence[0] ? info->licence : NULL,
        .source = info->source[0] ? info->source : NULL,
        .sensitivity = info->sensitivity[0] ? info->sensitivity : NULL,
        .sigmoid = info->sigmoid,
    };
    if (info->n_templates > 0 && isfinite(info->none_threshold)) {
        cli_recipe_add_distractors(app, out);
    }
    return CLI_OK;
}

/* Its photos are looked up in the list beside it, and all of them must still be there: a head made
 * of fewer would be another one. */
static int find_photos(const cli_runtime *runtime, const char *name, cli_photos *photos,
                       bool *balanced)
{
    int status = cli_photo_list_open(runtime->app, name, &photos->data, balanced);
    for (size_t i = 0; i < photos->data.paths.n && status == CLI_OK; i++) {
        if (!cli_exists(photos->data.paths.items[i])) {
            cli_error(runtime->app, "head '%s': its photo %s is gone: nothing was changed", name,
                      photos->data.paths.items[i]);
            status = CLI_FAILED;
        }
    }
    return status;
}

static int retrain(const cli_runtime *runtime, const wi_head_info *info, bool balanced,
                   cli_photos *photos, wi_head **out)
{
    cli_training how = {.name = info->name,
                        .licence = info->licence,
                        .source = info->source,
                        .note = info->sensitivity,
                        .balanced = balanced};
    int status = cli_photos_embed(runtime, NULL, photos);
    return status == CLI_OK ? cli_train(runtime, &how, photos, out, NULL) : status;
}

static int rebuild_head(const cli_runtime *runtime, const char *name, const wi_head *old,
                        const char *path)
{
    wi_head_info info;
    wi_head *head = NULL;
    cli_recipe recipe = {0};
    cli_photos photos = {0};
    bool balanced = false;
    wi_head_get_info(old, &info);
    int status =
        info.kind == WI_HEAD_ZERO_SHOT ? CLI_OK : find_photos(runtime, name, &photos, &balanced);
    if (status == CLI_OK) {
        status = recipe_of(runtime->app, old, &info, &recipe);
    }
    if (status == CLI_OK) {
        status = info.kind == WI_HEAD_LINEAR ? retrain(runtime, &info, balanced, &photos, &head)
                                             : build(runtime, &recipe, &photos, &head);
    }
    if (status == CLI_OK) {
        status = cli_head_group_as(runtime->app, old, &head);
    }
    if (status == CLI_OK && photos.n_left_out > 0) {
        cli_error(runtime->app, "head '%s': not all of its photos can be read: nothing was changed",
                  name);
        status = CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = save_head(runtime, head, path);
    }
    if (status == CLI_OK) {
        cli_note(runtime->app, "head '%s' is now for %s%s", name, runtime->info.name,
                 isfinite(info.none_rate) ? "; calibrate it again with 'whatsit head calibrate'"
                                          : "");
    }
    wi_head_close(&head);
    cli_photos_free(&photos);
    cli_recipe_free(&recipe);
    return status;
}

static int rebuild_file(const cli_runtime *runtime, const char *name)
{
    wi_error error = {0};
    wi_head *old = NULL;
    char *path = cli_own_head_path(runtime->app, name);
    int status = path ? CLI_OK : CLI_FAILED;
    if (path && wi_head_open(runtime->engine, path, &old, &error) != WI_OK) {
        status = cli_failed(runtime->app, path, &error);
    }
    if (status == CLI_OK) {
        status = rebuild_head(runtime, name, old, path);
    }
    wi_head_close(&old);
    free(path);
    return status;
}

static int run_rebuild(cli_app *app, const cli_args *args)
{
    cli_runtime runtime = {0};
    int status = cli_runtime_open(app, args, WI_TOWERS_BOTH, &runtime);
    for (size_t i = 0; i < args->n_operands && status != CLI_INTERRUPTED && runtime.model; i++) {
        int rebuilt = rebuild_file(&runtime, args->operands[i]);
        status = rebuilt == CLI_OK ? status : rebuilt;
    }
    cli_runtime_close(&runtime);
    return status;
}

const cli_verb cli_verb_head_new = {
    .name = "head new",
    .operands = "NAME",
    .summary = "make a head from words, example photos or both, and keep it",
    .details =
        "A head answers one kind of question: its labels are the possible answers. Prompts put "
        "each label into a sentence; several prompts are averaged, which helps. "
        "'cat|kitty|tomcat' gives one label synonyms. A label file may bring its own prompts in "
        "lines '# template: ...', and lines '[name]' that put the labels below them into a group. "
        "A "
        "group's probability is the sum of its labels'.\n\n"
        "--examples shows the head photos of a label, one or many. With --labels words and photos "
        "answer together: the photos move the words' answer as far as they ask for it. Without "
        "--labels the photos answer alone.\n\n"
        "With --none a head made from words also weighs thousands of everyday nouns that are not "
        "among its labels, and answers none-of-these when they fit better. Photos that no label "
        "fits, given with --unknown, set that threshold for a stated rate of false answers; small "
        "models need them.",
    .examples =
        "whatsit head new our-pets --labels \"cat|kitty,dog|puppy,hamster\"\n"
        "    then: whatsit photo.jpg --as our-pets\n"
        "whatsit head new jobs --labels jobs.txt --template \"a photo of a {}, a profession.\"\n"
        "    labels from a file, one a line\n"
        "whatsit head new mugs --examples mine=a.jpg,b.jpg --examples hers=c.jpg\n"
        "    things without a name of their own, from a photo or two\n"
        "whatsit head new cats --labels \"tabby cat,siamese cat\" --examples \"tabby cat=tabby/\"\n"
        "    words, and photos where words do not suffice\n"
        "whatsit head new dogs-here --labels dogs.txt --none --unknown ~/Pictures/other\n"
        "    a photo without a dog gets no dog's name\n",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = new_options,
    .run = run_new,
};

const cli_verb cli_verb_head_add = {
    .name = "head add",
    .operands = "NAME LABEL PHOTO...",
    .summary = "show a head of yours more photos of a label",
    .details = "Improves a head made from words or example photos without making it again. A "
               "folder stands for its photos. A threshold set by 'head calibrate' is dropped, "
               "since it was set for other numbers.",
    .examples = "whatsit head add our-pets hamster new1.jpg new2.jpg\n"
                "    two that it got wrong\n",
    .complete = "@file",
    .min_operands = 3,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .run = run_add,
};

const cli_verb cli_verb_head_rebuild = {
    .name = "head rebuild",
    .operands = "NAME...",
    .summary = "make heads of yours again, for another model",
    .details = "Uses the labels and prompts that the head itself keeps, and the photos from which "
               "it was made where they still lie.",
    .examples =
        "whatsit head rebuild jobs --model b32\n    the same labels, read by another model\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .run = run_rebuild,
};
