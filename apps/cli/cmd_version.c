#include "args.h"
#include "output.h"
#include "verbs.h"

static const cli_option options[] = {
    {"json", 0, NULL, false, "as a JSON object", NULL},
    {0},
};

static int run(cli_app *app, const cli_args *args)
{
    (void)app;
    if (cli_args_has(args, "json")) {
        cli_json_line(json_pack("{s:s}", "version", wi_version()));
    } else {
        printf("whatsit %s\n", wi_version());
    }
    return CLI_OK;
}

const cli_verb cli_verb_version = {
    .name = "version",
    .operands = "",
    .summary = "show the version",
    .examples = "whatsit version\n    which one is this?\n",
    .options = options,
    .run = run,
};
