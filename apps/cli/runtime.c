#include "runtime.h"
#include "paths.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

int cli_engine_open(cli_app *app, const cli_args *args, wi_engine **out)
{
    wi_error error = {0};
    long n_threads = 0;
    int status = cli_args_number(args, "threads", 1, 256, 0, &n_threads);
    if (status != CLI_OK) {
        return status;
    }
    wi_engine_options options = {.n_threads = (int)n_threads, .isa = cli_args_value(args, "isa")};
    wi_status opened = wi_engine_open(&options, out, &error);
    if (opened == WI_ERR_ARG) {
        return cli_usage(args->verb, "%s", error.message);
    }
    return opened == WI_OK ? CLI_OK : cli_failed(app, NULL, &error);
}

int cli_runtime_open(cli_app *app, const cli_args *args, uint32_t towers, cli_runtime *out)
{
    return cli_runtime_open_model(app, args, cli_args_value(args, "model"), towers, out);
}

int cli_runtime_open_model(cli_app *app, const cli_args *args, const char *model, uint32_t towers,
                           cli_runtime *out)
{
    wi_error error = {0};
    wi_model_options options = {.towers = towers};
    *out = (cli_runtime){.app = app, .asked = model};
    int status = cli_engine_open(app, args, &out->engine);
    if (status != CLI_OK) {
        return status;
    }
    out->path = cli_model_path(app, model);
    if (!out->path) {
        return CLI_FAILED;
    }
    if (wi_model_open(out->engine, out->path, &options, &out->model, &error) != WI_OK ||
        wi_model_get_info(out->model, &out->info, &error) != WI_OK) {
        return cli_failed(app, out->path, &error);
    }
    return CLI_OK;
}

void cli_runtime_close(cli_runtime *runtime)
{
    wi_model_close(&runtime->model);
    wi_engine_close(&runtime->engine);
    free(runtime->path);
    runtime->path = NULL;
}

int cli_weights_option(const cli_args *args, wi_weights fallback, wi_weights *out)
{
    const char *name = cli_args_value(args, "type");
    *out = fallback;
    return !name || wi_weights_find(name, out)
               ? CLI_OK
               : cli_usage(args->verb, "--type is f32, f16, bf16 or int8, not '%s'", name);
}
