/* Engine and model, opened by the options that many verbs share. */
#ifndef CLI_RUNTIME_H
#define CLI_RUNTIME_H

#include "args.h"

typedef struct cli_runtime {
    cli_app *app;
    wi_engine *engine;
    wi_model *model;
    wi_model_info info;
    char *path;        /* of the model */
    const char *asked; /* the value of --model; NULL without it */
} cli_runtime;

/* Reads --threads and --isa. Returns an exit code; close in any case. */
int cli_engine_open(cli_app *app, const cli_args *args, wi_engine **out);
/* The same and --model. towers: WI_TOWER_... or 0 for both. */
int cli_runtime_open(cli_app *app, const cli_args *args, uint32_t towers, cli_runtime *out);
/* The same for a model by name; NULL: the default one. */
int cli_runtime_open_model(cli_app *app, const cli_args *args, const char *model, uint32_t towers,
                           cli_runtime *out);
void cli_runtime_close(cli_runtime *runtime);

/* --weights; fallback when it is not given. Returns an exit code. */
int cli_weights_option(const cli_args *args, wi_weights fallback, wi_weights *out);

#endif
