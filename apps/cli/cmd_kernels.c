#include "output.h"
#include "runtime.h"
#include "term.h"
#include "verbs.h"

static const cli_option options[] = {
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

static int run(cli_app *app, const cli_args *args)
{
    wi_engine *engine = NULL;
    wi_engine_kernel kernel;
    int status = cli_engine_open(app, args, &engine);
    for (size_t i = 0; status == CLI_OK && wi_engine_kernel_at(engine, i, &kernel); i++) {
        if (cli_args_has(args, "json")) {
            cli_json_line(json_pack("{s:s,s:s,s:s?}", "operation", kernel.operation, "isa",
                                    kernel.isa, "warning", kernel.warning));
        } else {
            printf("%-24s %s%s%s\n", kernel.operation, kernel.isa, kernel.warning ? "  " : "",
                   kernel.warning ? kernel.warning : "");
        }
    }
    wi_engine_close(&engine);
    return status;
}

const cli_verb cli_verb_kernels = {
    .name = "kernels",
    .operands = "",
    .summary = "show which processor instructions each operation uses",
    .examples = "whatsit kernels\n"
                "    what this machine runs\n"
                "whatsit kernels --isa scalar\n"
                "    what would run without any of them\n",
    .shared = CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
