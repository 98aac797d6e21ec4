/* Heads as single files to give away: export, import. */
#include "photos.h"
#include "pull.h"
#include "save.h"
#include "term.h"
#include "verbs.h"
#include <stdlib.h>
#include <string.h>

static const cli_option export_options[] = {
    {"output", 'o', "FILE", false, "where to write (default: NAME.safetensors here)", "@file"},
    {"force", 0, NULL, false, "replace a file of that name", NULL},
    {0},
};

static const cli_option import_options[] = {
    {"name", 'n', "NAME", false, "what to call it here (default: its own name)", NULL},
    {"force", 0, NULL, false, "replace a head of that name", NULL},
    {0},
};

static int save_to(cli_app *app, const wi_head *head, const char *path)
{
    wi_error error = {0};
    return wi_head_save(head, path, &error) == WI_OK ? CLI_OK : cli_failed(app, path, &error);
}

/* A head of the user's is copied as it is, whichever model it is for; a shipped one is prepared for
 * the model first. */
static int open_to_export(cli_app *app, const cli_args *args, cli_runtime *runtime, wi_head **out)
{
    const char *name = args->operands[0];
    wi_error error = {0};
    char *own = cli_name_ok(name) ? cli_user_head_path(name) : NULL;
    int status;
    if (own && cli_exists(own)) {
        status =
            wi_head_open(NULL, own, out, &error) == WI_OK ? CLI_OK : cli_failed(app, own, &error);
    } else {
        status = cli_runtime_open(app, args, WI_TOWERS_BOTH, runtime);
        status = status == CLI_OK ? cli_head_open(runtime, name, false, out) : status;
    }
    free(own);
    return status;
}

static int run_export(cli_app *app, const cli_args *args)
{
    const char *name = args->operands[0], *output = cli_args_value(args, "output");
    char *path = output ? cli_text("%s", output) : cli_text("%s.safetensors", name);
    cli_runtime runtime = {0};
    wi_head *head = NULL;
    int status = CLI_FAILED;
    if (!path) {
        cli_error(app, "out of memory");
    } else if (cli_is_folder(path) || cli_is_special(path)) {
        cli_error(app, "%s: not a file to write a head to", path);
    } else if (!output && cli_exists(path) && !cli_args_has(args, "force")) {
        cli_error(app, "%s: is there already: --force replaces it", path);
    } else if (cli_may_write(app, args, "output", NULL) != CLI_OK) {
        status = CLI_FAILED;
    } else {
        status = open_to_export(app, args, &runtime, &head);
    }
    if (status == CLI_OK) {
        status = save_to(app, head, path);
    }
    if (status == CLI_OK) {
        cli_note(app, "%s: 'whatsit head import' takes it in, and so does Python's safetensors",
                 path);
    }
    wi_head_close(&head);
    cli_runtime_close(&runtime);
    free(path);
    return status;
}

/* Opens the model that would be used, so that the head can be compared with it. One that was asked for must be there;
 * without it, or when it cannot be read, the head is taken in all the same. */
static int open_to_compare(cli_app *app, const cli_args *args, cli_runtime *out)
{
    wi_error error = {0};
    *out = (cli_runtime){.app = app};
    if (cli_args_has(args, "model")) {
        return cli_runtime_open(app, args, 0, out);
    }
    int status = cli_engine_open(app, args, &out->engine);
    out->path = status == CLI_OK ? cli_model_find(NULL) : NULL;
    if (out->path && wi_model_open(out->engine, out->path, NULL, &out->model, &error) == WI_OK &&
        wi_model_get_info(out->model, &out->info, &error) != WI_OK) {
        wi_model_close(&out->model);
    }
    return status;
}

/* How a head for another model can be used all the same. */
static void say_other_model(const cli_runtime *runtime, const cli_args *args, const char *name,
                            const wi_head_info *info)
{
    const char *theirs = info->model_name, *given = cli_args_value(args, "model");
    bool namesake = !strcmp(theirs, runtime->info.name);
    char *there = namesake ? NULL : cli_model_find(theirs);
    char *use = there ? cli_text("--model %s", theirs)
                : !namesake && cli_pull_alias(theirs)
                    ? cli_text("--model %s after 'whatsit pull %s'", theirs, theirs)
                    : cli_text("--model and the model it was made for");
    char *rebuild = info->kind == WI_HEAD_ZERO_SHOT
                        ? cli_text(", or make it again with 'whatsit head rebuild %s%s%s'", name,
                                   given ? " --model " : "", given ? given : "")
                        : NULL;
    cli_note(runtime->app, "head '%s' with %zu label%s is for %s%s, not for %s: use it with %s%s",
             name, info->n_labels, info->n_labels == 1 ? "" : "s", namesake ? "another " : "",
             theirs, namesake ? "this one" : runtime->info.name, use ? use : "",
             rebuild ? rebuild : "");
    free(there);
    free(use);
    free(rebuild);
}

static void say_imported(const cli_runtime *runtime, const cli_args *args, const char *name,
                         const wi_head *head)
{
    wi_error error = {0};
    wi_head_info info;
    wi_head_get_info(head, &info);
    if (runtime->model && wi_head_check_model(head, runtime->model, &error) == WI_ERR_MISMATCH) {
        say_other_model(runtime, args, name, &info);
    } else {
        char *word = cli_shell_word(name);
        cli_note(runtime->app, "head '%s' with %zu label%s, made for %s: use it with --as %s", name,
                 info.n_labels, info.n_labels == 1 ? "" : "s", info.model_name, word ? word : name);
        free(word);
    }
    if (info.sensitivity[0]) {
        cli_note(runtime->app, "%s: %s", name, info.sensitivity);
    }
}

static int run_import(cli_app *app, const cli_args *args)
{
    const char *file = args->operands[0];
    wi_error error = {0};
    wi_head *head = NULL;
    wi_head_info info;
    cli_runtime runtime;
    if (wi_head_open(NULL, file, &head, &error) != WI_OK) {
        return cli_failed(app, file, &error);
    }
    wi_head_get_info(head, &info);
    const char *name = cli_args_value(args, "name");
    name = name ? name : info.name;
    char *path = NULL;
    int status = CLI_FAILED;
    if (!cli_name_ok(name)) {
        cli_error(app, "%s: its name cannot be used here: choose one with --name", file);
    } else {
        path = cli_new_head_path(app, args, name);
    }
    if (path) {
        status = open_to_compare(app, args, &runtime);
        status = status == CLI_OK ? save_to(app, head, path) : status;
        if (status == CLI_OK) {
            cli_photo_list_remove(name);
            say_imported(&runtime, args, name, head);
            cli_head_note_namesake(app, name);
        }
        cli_runtime_close(&runtime);
    }
    free(path);
    wi_head_close(&head);
    return status;
}

const cli_verb cli_verb_head_export = {
    .name = "head export",
    .operands = "NAME",
    .summary = "write a head as one file, to give away",
    .details =
        "The file holds labels, prompts and numbers, never photos; a head made from few "
        "photos holds their embeddings. It opens in Python with the safetensors package "
        "alone: tensors weight [n,d], bias [n], keys [m,d] and key_label [m], with the labels in "
        "the metadata.",
    .examples = "whatsit head export our-pets -o our-pets.safetensors\n    for a friend\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = export_options,
    .run = run_export,
};

const cli_verb cli_verb_head_import = {
    .name = "head import",
    .operands = "FILE",
    .summary = "take in a head that somebody gave you",
    .details =
        "The file is checked before anything is kept. A head answers only with the model it "
        "was made for: one that is for another model than the one in use is taken in all the "
        "same, with a word about it. 'whatsit head rebuild' makes one from words again for another "
        "model.",
    .examples = "whatsit head import our-pets.safetensors\n"
                "    then: whatsit photo.jpg --as our-pets\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = import_options,
    .run = run_import,
};
