#include "args.h"
#include "help.h"
#include "verbs.h"

static int run(cli_app *app, const cli_args *args)
{
    (void)app;
    if (!cli_completion(args->operands[0])) {
        return cli_usage(args->verb, "'%s' is not one of bash, zsh, fish", args->operands[0]);
    }
    return CLI_OK;
}

const cli_verb cli_verb_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .summary = "print the completion script for a shell",
    .examples = "eval \"$(whatsit completion bash)\"\n"
                "    complete in this shell\n"
                "whatsit completion bash > ~/.local/share/bash-completion/completions/whatsit\n"
                "    complete in every bash from now on\n"
                "whatsit completion zsh > ~/.zfunc/_whatsit\n"
                "    the same for zsh, with ~/.zfunc in fpath\n"
                "whatsit completion fish > ~/.config/fish/completions/whatsit.fish\n"
                "    the same for fish\n",
    .complete = "bash zsh fish",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
