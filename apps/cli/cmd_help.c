#include "args.h"
#include "help.h"
#include "verbs.h"

static const cli_option options[] = {
    {"man", 0, NULL, false, "the manual page, for 'man' (troff)", NULL},
    {0},
};

static int run(cli_app *app, const cli_args *args)
{
    char name[80] = "";
    (void)app;
    if (cli_args_has(args, "man")) {
        cli_help_man();
        return CLI_OK;
    }
    if (args->n_operands == 0) {
        cli_help_all();
        return CLI_OK;
    }
    snprintf(name, sizeof name, "%s%s%s", args->operands[0], args->n_operands > 1 ? " " : "",
             args->n_operands > 1 ? args->operands[1] : "");
    const cli_verb *verb = cli_verb_find(name);
    if (verb) {
        cli_help_verb(verb);
    } else if (cli_is_group(name)) {
        cli_help_group(name);
    } else {
        return cli_usage(args->verb, "there is no verb '%s'", name);
    }
    return CLI_OK;
}

const cli_verb cli_verb_help = {
    .name = "help",
    .operands = "[VERB]",
    .summary = "explain a verb, or everything",
    .examples = "whatsit help head new\n"
                "    how to make a head\n"
                "whatsit help --man | man -l -\n"
                "    the manual page\n",
    .max_operands = 2,
    .options = options,
    .run = run,
};
