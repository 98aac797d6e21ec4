/* Models on this machine: list, info, convert, verify. */
#include "load.h"
#include "output.h"
#include "paths.h"
#include "pull.h"
#include "runtime.h"
#include "save.h"
#include "term.h"
#include "verbs.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_option list_options[] = {
    {"names", 0, NULL, false, "names only, one a line", NULL},
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {"remote", 0, NULL, false, "the models that 'whatsit pull' knows by a short name", NULL},
    {0},
};

static const cli_option info_options[] = {
    {"json", 0, NULL, false, "as a JSON object", NULL},
    {0},
};

static const cli_option convert_options[] = {
    {"output", 'o', "FILE", false, "the GGUF file to write", "@file"},
    {"type", 'w', "TYPE", false, "f32, f16, bf16 or int8 (default: as stored)",
     "f32 f16 bf16 int8"},
    {"config", 0, "NAME", false,
     "a well-known open_clip configuration, such as ViT-B-32-quickgelu, for weights that bring "
     "none",
     NULL},
    {"name", 'n', "NAME", false, "the model's name (default: kept, or the folder's)", NULL},
    {"licence", 0, "TEXT", false, "the weights' licence, kept in the file", NULL},
    {"source", 0, "TEXT", false, "where the weights come from, kept in the file", NULL},
    CLI_FORCE_OPTION,
    {0},
};

/* Adds NAME for every NAME.gguf and every folder with a config in it. Frees folder. */
static void add_models(char *folder, cli_list *names)
{
    cli_list entries = {0};
    cli_list_names(folder, ".gguf", names);
    cli_list_names(folder, "", &entries);
    for (size_t i = 0; i < entries.n; i++) {
        char *config = cli_text("%s/%s/config.json", folder, entries.items[i]);
        char *open_clip = cli_text("%s/%s/open_clip_config.json", folder, entries.items[i]);
        if ((config && cli_exists(config)) || (open_clip && cli_exists(open_clip))) {
            cli_list_add(names, cli_text("%s", entries.items[i]));
        }
        free(config);
        free(open_clip);
    }
    cli_list_free(&entries);
    free(folder);
}

static void drop_doubles(cli_list *names)
{
    size_t kept = 0;
    cli_list_sort(names);
    for (size_t i = 0; i < names->n; i++) {
        if (kept > 0 && !strcmp(names->items[kept - 1], names->items[i])) {
            free(names->items[i]);
        } else {
            names->items[kept++] = names->items[i];
        }
    }
    names->n = kept;
}

static json_t *json_tower(const wi_tower_info *tower)
{
    if (!tower->present) {
        return json_null();
    }
    return json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:I,s:I}", "kind", tower->kind, "activation",
                     tower->activation, "width", (int)tower->width, "layers", (int)tower->n_layers,
                     "heads", (int)tower->n_heads, "mlp_width", (int)tower->mlp_width, "patch",
                     (int)tower->patch_px, "parameters", (json_int_t)tower->n_parameters, "macs",
                     (json_int_t)tower->macs);
}

static json_t *json_model(const wi_model_info *info, const char *path)
{
    return json_pack("{s:o,s:o,s:s,s:s,s:s,s:I,s:i,s:i,s:i,s:i,s:o,s:o,s:b,s:o,s:o,s:o,s:o,s:o}",
                     "name", cli_json_text(info->name), "path", cli_json_text(path), "format",
                     info->format, "weights", wi_weights_name(info->weights), "fingerprint",
                     info->fingerprint, "bytes", (json_int_t)info->file_bytes, "embedding_dim",
                     (int)info->embedding_dim, "image_size", (int)info->image_px, "context_length",
                     (int)info->context_length, "vocabulary_size", (int)info->vocabulary_size,
                     "logit_scale", cli_json_number(info->logit_scale), "logit_bias",
                     cli_json_number(info->logit_bias), "sigmoid", (int)info->sigmoid, "licence",
                     cli_json_text(info->licence), "source", cli_json_text(info->source), "image",
                     json_tower(&info->image), "text", json_tower(&info->text), "decoder",
                     json_tower(&info->decoder));
}

/* What a list says of it in a word: the side of its pictures, or that it takes none. */
static const char *kind_text(const wi_model_info *info, char text[24])
{
    if (info->decoder.present || !info->image.present) {
        return info->decoder.present ? "describer" : "texts";
    }
    snprintf(text, 24, "%u px", info->image_px);
    return text;
}

static int list_one(cli_app *app, wi_engine *engine, const char *name, bool json)
{
    wi_error error = {0};
    wi_model *model = NULL;
    wi_model_info info;
    char size[24], kind[24];
    char *path = cli_model_path(app, name);
    int status = CLI_OK;
    if (!path) {
        return CLI_FAILED;
    }
    if (wi_model_open(engine, path, NULL, &model, &error) != WI_OK ||
        wi_model_get_info(model, &info, &error) != WI_OK) {
        status = cli_failed(app, path, &error);
    } else if (json) {
        cli_json_line(json_model(&info, path));
    } else {
        printf("  %-20s %8s  %-5s %-9s  %s\n", name,
               info.file_bytes > 0 ? cli_size_text(info.file_bytes, size) : "folder",
               wi_weights_name(info.weights), kind_text(&info, kind), path);
    }
    wi_model_close(&model);
    free(path);
    return status;
}

static int run_list(cli_app *app, const cli_args *args)
{
    if (cli_args_has(args, "remote")) {
        return cli_args_has(args, "names")
                   ? cli_usage(args->verb, "--remote and --names exclude each other")
                   : cli_pull_list(cli_args_has(args, "json"));
    }
    cli_list names = {0};
    wi_engine *engine = NULL;
    int status = CLI_OK;
    add_models(cli_data_path("models"), &names);
    add_models(cli_share_path("models"), &names);
    drop_doubles(&names);
    if (!cli_args_has(args, "names")) {
        status = cli_engine_open(app, args, &engine);
    }
    for (size_t i = 0; i < names.n && (engine || cli_args_has(args, "names")); i++) {
        if (!engine) {
            puts(names.items[i]);
            continue;
        }
        int listed = list_one(app, engine, names.items[i], cli_args_has(args, "json"));
        status = status != CLI_OK ? status : listed;
    }
    if (names.n == 0 && status == CLI_OK && !cli_args_has(args, "names")) {
        char hint[CLI_PULL_HINT];
        cli_note(app, "no models here: %s", cli_pull_hint("b32", hint));
    }
    wi_engine_close(&engine);
    cli_list_free(&names);
    return status;
}

static void print_tower(const char *name, const wi_tower_info *tower)
{
    if (!tower->present) {
        printf("%-12s none\n", name);
        return;
    }
    printf("%-12s %s, %u layers of width %u", name, tower->kind, tower->n_layers, tower->width);
    if (tower->n_heads > 0) {
        printf(", %u head%s", tower->n_heads, tower->n_heads == 1 ? "" : "s");
    }
    printf(", %s", tower->activation);
    if (tower->patch_px > 0) {
        printf(", patches of %u px", tower->patch_px);
    }
    bool text = name[0] != 'i'; /* tokens, not pictures */
    printf("; %.1f M parameters, %.3g %s\n", (double)tower->n_parameters * 1e-6,
           (double)tower->macs * (text ? 1e-6 : 1e-9), text ? "MMAC a token" : "GMAC a picture");
}

static void print_info(const wi_model_info *info, const char *path)
{
    char size[24], text[512];
    const wi_preprocess *how = &info->preprocess;
    cli_printable(info->name, text, sizeof text);
    printf("%-12s %s\n", "name", text);
    cli_printable(path, text, sizeof text);
    printf("%-12s %s\n", "path", text);
    printf("%-12s %s, %s weights", "format", info->format, wi_weights_name(info->weights));
    printf(info->file_bytes > 0 ? ", %s\n" : "\n", cli_size_text(info->file_bytes, size));
    printf("%-12s %s\n", "fingerprint", info->fingerprint);
    if (info->decoder.present) { /* a describer has this alone */
        print_tower("decoder", &info->decoder);
        return;
    }
    print_tower("image tower", &info->image);
    print_tower("text tower", &info->text);
    printf("%-12s %u numbers\n", "embedding", info->embedding_dim);
    printf("%-12s %u x %u px, %s, %s\n", "pictures", info->image_px, info->image_px,
           cli_resize_names[how->mode], how->interpolation == WI_BICUBIC ? "bicubic" : "bilinear");
    printf("%-12s %u tokens of %u\n", "texts", info->context_length, info->vocabulary_size);
    printf("%-12s %.4g%s\n", "logit scale", (double)info->logit_scale,
           info->sigmoid ? ", sigmoid" : "");
    if (info->licence[0]) {
        cli_printable(info->licence, text, sizeof text);
        printf("%-12s %s\n", "licence", text);
    }
    if (info->source[0]) {
        cli_printable(info->source, text, sizeof text);
        printf("%-12s %s\n", "source", text);
    }
}

/* The operand is the model; --model does not exist here. */
static int open_operand(cli_app *app, const cli_args *args, cli_runtime *out)
{
    wi_error error = {0};
    *out = (cli_runtime){.app = app};
    int status = cli_engine_open(app, args, &out->engine);
    if (status != CLI_OK) {
        return status;
    }
    out->path = cli_model_path(app, args->n_operands > 0 ? args->operands[0] : NULL);
    if (!out->path) {
        return CLI_FAILED;
    }
    if (wi_model_open(out->engine, out->path, NULL, &out->model, &error) != WI_OK ||
        wi_model_get_info(out->model, &out->info, &error) != WI_OK) {
        return cli_failed(app, out->path, &error);
    }
    return CLI_OK;
}

static int run_info(cli_app *app, const cli_args *args)
{
    cli_runtime runtime;
    int status = open_operand(app, args, &runtime);
    if (status == CLI_OK && cli_args_has(args, "json")) {
        char sight[65];
        json_t *object = json_model(&runtime.info, runtime.path);
        if (object && wi_model_sight(runtime.model, sight, NULL) == WI_OK) {
            json_object_set_new(object, "sight", json_string(sight)); /* for describers */
        }
        cli_json_line(object);
    } else if (status == CLI_OK) {
        print_info(&runtime.info, runtime.path);
    }
    cli_runtime_close(&runtime);
    return status;
}

static int run_verify(cli_app *app, const cli_args *args)
{
    cli_runtime runtime;
    wi_error error = {0};
    cli_meter meter = {app, "checking"};
    wi_progress progress = cli_meter_progress(&meter);
    int status = open_operand(app, args, &runtime);
    if (status == CLI_OK && wi_model_verify(runtime.model, &progress, &error) != WI_OK) {
        status = cli_failed(app, runtime.path, &error);
    } else if (status == CLI_OK) {
        cli_progress_clear(app);
        printf("%s: good (%s)\n", runtime.info.name, runtime.info.fingerprint);
    }
    cli_runtime_close(&runtime);
    return status;
}

static int run_convert(cli_app *app, const cli_args *args)
{
    wi_error error = {0};
    wi_engine *engine = NULL;
    cli_meter meter = {app, "converting"};
    const char *output = cli_args_value(args, "output");
    wi_convert_options options = {.name = cli_args_value(args, "name"),
                                  .licence = cli_args_value(args, "licence"),
                                  .source = cli_args_value(args, "source"),
                                  .config = cli_args_value(args, "config"),
                                  .progress = cli_meter_progress(&meter)};
    if (!output) {
        return cli_usage(args->verb, "needs -o FILE");
    }
    if (cli_is_special(output)) {
        cli_error(app, "%s: a model is written to a regular file only", output);
        return CLI_FAILED;
    }
    int status = cli_weights_option(args, WI_WEIGHTS_AUTO, &options.weights);
    if (status == CLI_OK) {
        status = cli_may_write(app, args, "output", NULL);
    }
    if (status == CLI_OK) {
        status = cli_engine_open(app, args, &engine);
    }
    char *from = status == CLI_OK ? cli_model_path(app, args->operands[0]) : NULL;
    if (status == CLI_OK && !from) {
        status = CLI_FAILED;
    } else if (status == CLI_OK && strcmp(from, args->operands[0]) != 0 &&
               access(args->operands[0], F_OK) == 0) {
        /* A bare name means a model first; whoever converts has mostly a folder in mind. */
        cli_error(app, "'%s' is both a model (%s) and what lies here: say ./%s, or that path",
                  args->operands[0], from, args->operands[0]);
        status = CLI_FAILED;
    } else if (status == CLI_OK &&
               wi_model_convert(engine, from, output, &options, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    } else if (status == CLI_OK) {
        cli_progress_clear(app);
        cli_note(app, "wrote %s", output);
    }
    free(from);
    wi_engine_close(&engine);
    return status;
}

const cli_verb cli_verb_model_list = {
    .name = "model list",
    .operands = "",
    .summary = "show the models on this machine",
    .examples = "whatsit model list\n    what can be given to --model?\n",
    .options = list_options,
    .run = run_list,
};

const cli_verb cli_verb_model_info = {
    .name = "model info",
    .operands = "[MODEL]",
    .summary = "show what a model is made of",
    .examples = "whatsit model info\n"
                "    the built-in one\n"
                "whatsit model info ./clip-vit-base-patch32\n"
                "    a folder from the Hugging Face hub\n",
    .complete = "@model",
    .max_operands = 1,
    .shared = CLI_TAKES_THREADS,
    .options = info_options,
    .run = run_info,
};

const cli_verb cli_verb_model_convert = {
    .name = "model convert",
    .operands = "MODEL",
    .summary = "write a model as one GGUF file that opens at once",
    .details = "Reads Hugging Face CLIP folders, open_clip folders, OpenAI-named state dicts and "
               "clip.cpp GGUF files.",
    .examples = "whatsit model convert ./clip-vit-base-patch32 -o b32.gguf\n"
                "    a folder into one file\n"
                "whatsit model convert ./clip-vit-base-patch32 --type f16 -o b32.gguf\n"
                "    half the size\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_THREADS,
    .options = convert_options,
    .run = run_convert,
};

const cli_verb cli_verb_model_verify = {
    .name = "model verify",
    .operands = "[MODEL]",
    .summary = "check a model's weights against their fingerprint",
    .examples = "whatsit model verify b32\n    is the file still what it was?\n",
    .complete = "@model",
    .max_operands = 1,
    .shared = CLI_TAKES_THREADS,
    .run = run_verify,
};
