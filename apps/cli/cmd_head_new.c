/* Making heads from words: new, rebuild. */
#include "heads.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const cli_option new_options[] = {
    {"labels", 'l', "a,b,c|FILE", false, "the labels, typed or one a line in a file", "@file"},
    {"template", 'T', "TEXT", true,
     "a prompt, with {} for the label (default: \"a photo of a {}.\")", NULL},
    {"multi", 0, NULL, false, "judge every label for itself, yes or no", NULL},
    {"force", 0, NULL, false, "replace a head of that name", NULL},
    {0},
};

/* The path of the user's head, with its folder made; NULL after printing why. */
static char *writable_path(cli_app *app, const char *name)
{
    char *folder = cli_data_path("heads");
    if (!folder) {
        cli_error(app, "no home folder to keep heads in: set HOME or XDG_DATA_HOME");
        return NULL;
    }
    char *path = NULL;
    if (!cli_make_folders(folder)) {
        cli_error(app, "%s: cannot make the folder: %s", folder, strerror(errno));
    } else {
        path = cli_user_head_path(name);
    }
    free(folder);
    return path;
}

static int build_and_save(const cli_runtime *runtime, const cli_recipe *recipe, const char *path)
{
    wi_error error = {0};
    wi_head *head = NULL;
    int status = cli_head_build(runtime, recipe, &head);
    if (status == CLI_OK && wi_head_save(head, path, &error) != WI_OK) {
        status = cli_failed(runtime->app, path, &error);
    }
    wi_head_close(&head);
    return status;
}

static int make_head(cli_app *app, const cli_args *args, const char *path)
{
    cli_recipe recipe = {0};
    cli_runtime runtime = {0};
    const char *name = args->operands[0];
    int status = cli_recipe_from_labels(app, args, cli_args_value(args, "labels"), &recipe);
    if (status == CLI_OK) {
        recipe.recipe.name = name;
        recipe.recipe.sigmoid = cli_args_has(args, "multi");
        status = cli_runtime_open(app, args, WI_TOWERS_BOTH, &runtime);
    }
    if (status == CLI_OK) {
        status = build_and_save(&runtime, &recipe, path);
    }
    if (status == CLI_OK) {
        cli_note(app, "head '%s' with %zu label%s for %s: use it with --as %s", name,
                 recipe.recipe.n_labels, recipe.recipe.n_labels == 1 ? "" : "s", runtime.info.name,
                 name);
    }
    cli_recipe_free(&recipe);
    cli_runtime_close(&runtime);
    return status;
}

static int run_new(cli_app *app, const cli_args *args)
{
    const char *name = args->operands[0];
    if (!cli_name_ok(name)) {
        return cli_usage(args->verb, "'%s' cannot be a head's name: no '/', no '.' or '-' in front",
                         name);
    }
    if (cli_args_count(args, "labels") != 1) {
        return cli_usage(args->verb, "needs --labels a,b,c or --labels FILE, once");
    }
    char *path = writable_path(app, name);
    int status = CLI_FAILED;
    if (path && cli_exists(path) && !cli_args_has(args, "force")) {
        cli_error(app, "there is a head '%s' already: --force replaces it", name);
    } else if (path) {
        status = make_head(app, args, path);
    }
    free(path);
    return status;
}

/* A recipe from the texts that the head itself keeps. */
static int recipe_of(cli_app *app, const wi_head *head, const wi_head_info *info, cli_recipe *out)
{
    *out = (cli_recipe){0};
    if (info->kind != WI_HEAD_ZERO_SHOT) {
        cli_error(app, "head '%s' was made from photos and can only be made again from them",
                  info->name);
        return CLI_FAILED;
    }
    out->templates = calloc(info->n_labels + info->n_templates + 1, sizeof *out->templates);
    if (!out->templates) {
        cli_error(app, "out of memory");
        return CLI_FAILED;
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
        .n_labels = info->n_labels,
        .templates = out->templates,
        .n_templates = info->n_templates,
        .licence = info->licence[0] ? info->licence : NULL,
        .source = info->source[0] ? info->source : NULL,
        .sensitivity = info->sensitivity[0] ? info->sensitivity : NULL,
        .sigmoid = info->sigmoid,
    };
    return CLI_OK;
}

static int rebuild_file(const cli_runtime *runtime, const char *name, const char *path)
{
    wi_error error = {0};
    wi_head *head = NULL;
    wi_head_info info;
    cli_recipe recipe = {0};
    if (wi_head_open(path, &head, &error) != WI_OK) {
        return cli_failed(runtime->app, path, &error);
    }
    wi_head_get_info(head, &info);
    int status = recipe_of(runtime->app, head, &info, &recipe);
    if (status == CLI_OK) {
        status = build_and_save(runtime, &recipe, path);
    }
    if (status == CLI_OK) {
        cli_note(runtime->app, "head '%s' is now for %s", name, runtime->info.name);
    }
    cli_recipe_free(&recipe);
    wi_head_close(&head);
    return status;
}

static int run_rebuild(cli_app *app, const cli_args *args)
{
    cli_runtime runtime = {0};
    int status = cli_runtime_open(app, args, WI_TOWERS_BOTH, &runtime);
    for (size_t i = 0; i < args->n_operands && status != CLI_INTERRUPTED && runtime.model; i++) {
        const char *name = args->operands[i];
        bool is_path = strchr(name, '/') || cli_ends_with(name, ".safetensors");
        char *path = is_path             ? cli_text("%s", name)
                     : cli_name_ok(name) ? cli_user_head_path(name)
                                         : NULL;
        int rebuilt = CLI_FAILED;
        if (path && cli_exists(path)) {
            rebuilt = rebuild_file(&runtime, name, path);
        } else {
            cli_error(app, "there is no head '%s' of yours", name);
        }
        status = rebuilt == CLI_OK ? status : rebuilt;
        free(path);
    }
    cli_runtime_close(&runtime);
    return status;
}

const cli_verb cli_verb_head_new = {
    .name = "head new",
    .operands = "NAME",
    .summary = "make a head from words and keep it",
    .details = "A head answers one kind of question: its labels are the possible answers. Prompts "
               "put each label "
               "into a sentence; several prompts are averaged, which helps. 'cat|kitty|tomcat' "
               "gives one label "
               "synonyms. A label file may bring its own prompts in lines '# template: ...'.",
    .examples =
        "whatsit head new pets --labels \"cat|kitty,dog|puppy,hamster\"\n"
        "    then: whatsit photo.jpg --as pets\n"
        "whatsit head new jobs --labels jobs.txt --template \"a photo of a {}, a profession.\"\n"
        "    labels from a file, one a line\n",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = new_options,
    .run = run_new,
};

const cli_verb cli_verb_head_rebuild = {
    .name = "head rebuild",
    .operands = "NAME...",
    .summary = "make heads of yours again, for another model",
    .details = "Uses the labels and prompts that the head itself keeps.",
    .examples =
        "whatsit head rebuild jobs --model b32\n    the same labels, read by another model\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .run = run_rebuild,
};
