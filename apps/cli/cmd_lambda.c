/* whatsit lambda: the same answers as a function of AWS Lambda. */
#include "../server/lambda.h"
#include "serving.h"
#include "settings.h"
#include "term.h"
#include "verbs.h"
#include <signal.h>
#include <stdlib.h>

static const cli_option options[] = {
    {"model", 'm', "MODEL", true, "a model to serve; the first one is the default", "@model"},
    {"alias", 0, "NAME=MODEL", true, "another name by which clients ask for a model", NULL},
    {"db", 0, "FILE|URL", false, "heads, keys, usage and jobs: a file, or postgres://...", "@file"},
    {"anonymous", 0, NULL, false, "anybody may ask without a key, slowly", NULL},
    {"rate", 0, "N", false, "with --anonymous: requests a second of one address (5)", NULL},
    {"cors", 0, "ORIGIN", true, "allow this site's pages, such as https://example.org, to ask",
     NULL},
    {"max-pixels", 0, "MILLIONS", false, "largest picture (50)", NULL},
    {"no-sandbox", 0, NULL, false, "decode pictures in this process", NULL},
    {0},
};

static atomic_bool stop;

static void on_signal(int number)
{
    (void)number;
    stop = true;
}

static int run(cli_app *app, const cli_args *args)
{
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    cli_serving serving = {0};
    cli_settings settings;
    srv_server *server = NULL;
    wi_error error = {0};
    struct sigaction action = {.sa_handler = on_signal};
    if (!api || !api[0]) {
        cli_error(app, "AWS_LAMBDA_RUNTIME_API is not set: this verb runs inside AWS Lambda");
        return CLI_FAILED;
    }
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int status = cli_settings_read(app, args, &settings);
    status = status ? status : cli_serving_read(app, &settings.args, &serving);
    if (status == CLI_OK) {
        wi_status opened = srv_server_open(&serving.config, &server, &error);
        if (opened != WI_OK) {
            srv_lambda_failed(api, error.message);
        } else {
            opened = srv_lambda_run(srv_server_services(server), api, &stop, &error);
        }
        status = opened == WI_OK ? CLI_OK : cli_failed(app, NULL, &error);
    }
    srv_server_close(&server);
    cli_serving_free(&serving);
    cli_settings_free(&settings);
    return status;
}

const cli_verb cli_verb_lambda = {
    .name = "lambda",
    .operands = "",
    .summary = "answer as a function of AWS Lambda",
    .details =
        "The program of a custom runtime: a 'bootstrap' script that calls 'whatsit lambda' is "
        "all there is to it. Takes the events of function URLs and of API Gateway's HTTP "
        "APIs (version 2), and answers as 'whatsit serve' does.",
    .examples = "whatsit lambda --anonymous --db /tmp/store.db\n"
                "    heads live as long as the instance\n",
    .shared = CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
