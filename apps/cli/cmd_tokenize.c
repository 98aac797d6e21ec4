#include "load.h"
#include "output.h"
#include "runtime.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"jsonl", 0, NULL, false,
     "read lines {\"text\":...} from standard input, write lines {\"ids\":[...],\"truncated\":...}",
     NULL},
    {"tokenizer", 0, "PATH", false,
     "the tokenizer of a folder, or one file of it (tokenizer.json, tokenizer.model, spiece.model, "
     "vocab.txt, merges.txt), instead of a model's",
     NULL},
    {0},
};

typedef struct job {
    cli_app *app;
    cli_runtime runtime;
    wi_tokenizer *tokenizer; /* --tokenizer, or NULL */
    uint32_t context_length;
    int32_t *ids;
    bool json;
    int status;
} job;

static json_t *json_ids(const int32_t *ids, size_t n_ids, bool truncated)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n_ids; i++) {
        json_array_append_new(array, json_integer(ids[i]));
    }
    return json_pack("{s:o,s:b}", "ids", array, "truncated", (int)truncated);
}

static wi_status tokenize(job *j, const char *text, size_t n_bytes, wi_error *error)
{
    size_t n_ids = 0;
    bool truncated = false;
    wi_status status =
        j->tokenizer
            ? wi_tokenizer_encode(j->tokenizer, text, n_bytes, j->context_length, j->ids, &n_ids,
                                  &truncated, error)
            : wi_model_tokenize(j->runtime.model, text, n_bytes, j->ids, &n_ids, &truncated, error);
    if (status != WI_OK) {
        return status;
    }
    if (j->json) {
        cli_json_line(json_ids(j->ids, n_ids, truncated));
        return WI_OK;
    }
    for (size_t i = 0; i < n_ids; i++) {
        printf("%s%d", i ? " " : "", (int)j->ids[i]);
    }
    printf("%s\n", truncated ? " (truncated)" : "");
    return WI_OK;
}

/* A bad line gets a line {"error":...}, so that answers stay beside their questions. */
static void answer_line(job *j, const char *line, size_t n_bytes, size_t number)
{
    json_error_t why;
    wi_error error = {0};
    json_t *object = json_loadb(line, n_bytes, JSON_ALLOW_NUL, &why);
    json_t *text = json_object_get(object, "text");
    if (!object) {
        cli_fail(&error, WI_ERR_FORMAT, "not JSON: %.150s", why.text);
    } else if (!json_is_string(text)) {
        cli_fail(&error, WI_ERR_FORMAT, "no string \"text\" in it");
    } else {
        tokenize(j, json_string_value(text), json_string_length(text), &error);
    }
    if (error.status != WI_OK) {
        cli_error(j->app, "standard input: line %zu: %s", number, error.message);
        cli_json_line(json_pack("{s:o}", "error", cli_json_text(error.message)));
        j->status = CLI_FAILED;
    }
    json_decref(object);
}

static void answer_lines(job *j)
{
    char *line = NULL;
    size_t capacity = 0, number = 0;
    ssize_t n;
    errno = 0;
    while ((n = getline(&line, &capacity, stdin)) >= 0 && !cli_interrupted()) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) {
            n--;
        }
        number++;
        if (n > 0) {
            answer_line(j, line, (size_t)n, number);
        }
        if (!cli_output_ok(j->app)) {
            break;
        }
    }
    if (ferror(stdin) && !cli_interrupted()) {
        cli_error(j->app, "standard input: cannot read: %s", strerror(errno));
        j->status = CLI_FAILED;
    }
    free(line);
}

static int open_tokenizer(job *j, const cli_args *args)
{
    const char *path = cli_args_value(args, "tokenizer");
    if (!path) {
        int status = cli_runtime_open(j->app, args, WI_TOWER_TEXT, &j->runtime);
        j->context_length = j->runtime.info.context_length;
        return status;
    }
    wi_error error = {0};
    wi_tokenizer_info info;
    if (wi_tokenizer_open(path, &j->tokenizer, &error) != WI_OK ||
        wi_tokenizer_get_info(j->tokenizer, &info, &error) != WI_OK) {
        return cli_failed(j->app, NULL, &error);
    }
    j->context_length = info.context_length;
    return CLI_OK;
}

static int run(cli_app *app, const cli_args *args)
{
    job j = {.app = app, .json = cli_args_has(args, "jsonl")};
    if (j.json == (args->n_operands > 0)) {
        return cli_usage(args->verb,
                         j.json ? "--jsonl reads standard input and takes no TEXT" : "needs TEXT");
    }
    if (cli_args_has(args, "tokenizer") && cli_args_has(args, "model")) {
        return cli_usage(args->verb, "--tokenizer stands in the place of --model");
    }
    int status = open_tokenizer(&j, args);
    if (status == CLI_OK) {
        j.ids = calloc(j.context_length + 1, sizeof *j.ids);
        status = j.ids ? CLI_OK : CLI_FAILED;
    }
    if (status == CLI_OK && j.json) {
        answer_lines(&j);
    }
    for (size_t i = 0; status == CLI_OK && i < args->n_operands; i++) {
        wi_error error = {0};
        if (tokenize(&j, args->operands[i], strlen(args->operands[i]), &error) != WI_OK) {
            j.status = cli_failed(app, args->operands[i], &error);
        }
    }
    free(j.ids);
    wi_tokenizer_close(&j.tokenizer);
    cli_runtime_close(&j.runtime);
    return status != CLI_OK ? status : j.status;
}

const cli_verb cli_verb_tokenize = {
    .name = "tokenize",
    .operands = "[TEXT...]",
    .summary = "show the token ids of a text",
    .details = "Ids begin with the start marker and end with the end marker; text that is too long "
               "is cut before "
               "the end marker and marked as truncated. With --tokenizer no model is needed; the "
               "configuration beside the file says whose rules apply.",
    .examples = "whatsit tokenize \"a photo of a cat\"\n"
                "    53205 320 1121 539 320 2339 53206\n"
                "echo '{\"text\":\"a cat\"}' | whatsit tokenize --jsonl\n"
                "    {\"ids\":[53205,320,2339,53206],\"truncated\":false}\n",
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
