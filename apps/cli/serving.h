/* The options of `whatsit serve`, which `whatsit lambda` shares. */
#ifndef CLI_SERVING_H
#define CLI_SERVING_H

#include "../server/server.h"
#include "args.h"

typedef struct cli_serving {
    srv_config config;
    char address[64];
    char *model_paths[SRV_MAX_MODELS], *alias_names[SRV_MAX_ALIASES];
    char *library_paths[SRV_MAX_LIBRARIES], *thumbnails;
    char *heads, *everyday, *nouns, *describer, *database;
} cli_serving;

/* Returns an exit code; free in any case. Options that the verb does not have keep their defaults. */
int cli_serving_read(cli_app *app, const cli_args *args, cli_serving *out);
void cli_serving_free(cli_serving *serving);
/* --db, or the user's own; NULL after printing why. The caller frees. */
char *cli_serving_database(cli_app *app, const cli_args *args);

#endif
