#include "load.h"
#include "paths.h"
#include "runtime.h"
#include "save.h"
#include "term.h"
#include "verbs.h"
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"output", 'o', "FILE", false, "where to write; '-' is standard output", "@file"},
    {"size", 's', "N", false, "side of the square in pixels (default: the model's)", NULL},
    {"mode", 0, "MODE", false, "crop, squash, longest or halfway (default: the model's)",
     "crop squash longest halfway"},
    CLI_FORCE_OPTION,
    {0},
};

static int read_options(const cli_args *args, wi_preprocess *how)
{
    const char *mode = cli_args_value(args, "mode");
    long size = 0;
    int status = cli_args_number(args, "size", 1, 8192, 0, &size);
    if (status != CLI_OK) {
        return status;
    }
    if (size > 0) {
        how->size_px = (uint32_t)size;
        how->resize_px = 0;
    }
    /* "none" is what a checkpoint may say of itself; nobody asks for it. */
    for (int i = 0; mode && i < CLI_N_RESIZE_MODES; i++) {
        if (i != WI_RESIZE_NONE && strcmp(mode, cli_resize_names[i]) == 0) {
            how->mode = (wi_resize_mode)i;
            return CLI_OK;
        }
    }
    return mode
               ? cli_usage(args->verb, "--mode is crop, squash, longest or halfway, not '%s'", mode)
               : CLI_OK;
}

static int convert(cli_app *app, const cli_args *args, const cli_load_options *load)
{
    wi_error error = {0};
    cli_loaded loaded;
    const char *path = args->operands[0], *output = cli_args_value(args, "output");
    uint64_t size = load->preprocess.size_px;
    size_t n_bytes = (size_t)(size * size * 3);
    uint8_t *pixels = malloc(n_bytes);
    int status = CLI_OK;
    if (!pixels) {
        cli_error(app, "out of memory");
        return CLI_FAILED;
    }
    wi_tensor tensor = {"pixels", WI_U8, 3, {size, size, 3}, pixels, n_bytes};
    if (cli_load(path, load, pixels, &loaded, &error) != WI_OK) {
        status = cli_failed(app, strcmp(path, "-") ? path : "standard input", &error);
    } else if (cli_save_tensors(output, &tensor, 1, NULL, 0, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    if (status == CLI_OK) {
        cli_tell_warnings(app, path, &loaded);
    }
    free(pixels);
    return status;
}

static int run(cli_app *app, const cli_args *args)
{
    cli_runtime runtime = {0};
    wi_preprocess checked = {0};
    if (!cli_args_has(args, "output")) {
        return cli_usage(args->verb, "needs -o FILE");
    }
    int status = read_options(args, &checked);
    if (status == CLI_OK) {
        status = cli_may_write(app, args, "output", NULL);
    }
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, WI_TOWER_IMAGE, &runtime);
    }
    if (status == CLI_OK) {
        cli_load_options load = {runtime.engine, runtime.info.preprocess,
                                 cli_picture_options(args)};
        status = read_options(args, &load.preprocess);
        if (status == CLI_OK) {
            status = convert(app, args, &load);
        }
    }
    cli_runtime_close(&runtime);
    return status;
}

const cli_verb cli_verb_preprocess = {
    .name = "preprocess",
    .operands = "IMAGE",
    .summary = "write the pixels that a model sees",
    .details =
        "Decodes, turns by the camera's orientation mark, resizes and crops as the model's own "
        "preprocessing does (bit-equal to Pillow), and writes a safetensors file with the u8 "
        "tensor "
        "'pixels [H,W,3]'. Other verbs take such a file in place of a picture.",
    .examples = "whatsit preprocess photo.jpg -o photo.safetensors\n"
                "    what the model sees of it\n"
                "whatsit preprocess photo.jpg --size 224 --mode squash -o photo.safetensors\n"
                "    another size, the whole picture squeezed into the square\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
