/* What an operator has chosen, from wherever it was written: a file of settings, then the environment, then the options
 * of the command line; of each setting the last of these that has it counts. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "args.h"

typedef struct cli_settings {
    cli_args args; /* as if everything had been given as options */
    char **words;
    size_t n_words;
    const char **origins; /* of each word: where it was written */
} cli_settings;

/* A file is named by --config or $WHATSIT_SERVE_CONFIG: lines "option = value" with the options' long names; "yes" and
 * "no" for those without a value. In the environment a setting is called WHATSIT_SERVE_ and its name in capitals, with _
 * for -; the database WHATSIT_DB too. Free in any case. CLI_USAGE after printing why. */
int cli_settings_read(cli_app *app, const cli_args *given, cli_settings *out);
/* Every setting and where it comes from, a line each; passwords are left out. */
void cli_settings_print(const cli_settings *settings);
void cli_settings_free(cli_settings *settings);

#endif
