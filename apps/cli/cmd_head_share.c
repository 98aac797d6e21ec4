/* Heads as single files to give away: export, import. */
#include "heads.h"
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
        status = wi_head_open(own, out, &error) == WI_OK ? CLI_OK : cli_failed(app, own, &error);
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
    } else if (cli_exists(path) && !cli_args_has(args, "force")) {
        cli_error(app, "%s is there already: --force replaces it", path);
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

static int run_import(cli_app *app, const cli_args *args)
{
    const char *file = args->operands[0];
    wi_error error = {0};
    wi_head *head = NULL;
    wi_head_info info;
    if (wi_head_open(file, &head, &error) != WI_OK) {
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
        status = path ? save_to(app, head, path) : CLI_FAILED;
    }
    if (status == CLI_OK) {
        cli_note(app, "head '%s' with %zu labels, made for %s: use it with --as %s", name,
                 info.n_labels, info.model_name, name);
    }
    if (status == CLI_OK && info.sensitivity[0]) {
        cli_note(app, "%s: %s", name, info.sensitivity);
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
    .examples = "whatsit head export pets -o pets.safetensors\n    for a friend\n",
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
    .details = "The file is checked before anything is kept. A head answers only with the model it "
               "was made for; 'whatsit head rebuild' makes one from words again for another.",
    .examples = "whatsit head import pets.safetensors\n"
                "    then: whatsit photo.jpg --as pets\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = 1,
    .options = import_options,
    .run = run_import,
};
