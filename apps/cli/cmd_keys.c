/* whatsit keys: who may ask the server, and how much. */
#include "../server/accounts.h"
#include "output.h"
#include "paths.h"
#include "serving.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DB_OPTION                                                                                  \
    {"db", 0, "FILE|URL", false, "the server's database: a file, or postgres://...", "@file"}

static const cli_option new_options[] = {
    {"requests", 0, "N", false, "requests a day (10000; -1: any number)", NULL},
    {"heads", 0, "N", false, "new heads a day (100; -1: any number)", NULL},
    {"megabytes", 0, "N", false, "sent a day (-1: any number)", NULL},
    {"concurrency", 0, "N", false, "requests at once (8; -1: any number)", NULL},
    {"rate", 0, "N", false, "requests a second (-1: any number)", NULL},
    {"burst", 0, "N", false, "how many of them at once (4 times the rate)", NULL},
    {"keep-heads", 0, "N", false, "heads kept for it (1000; -1: any number)", NULL},
    {"keep-megabytes", 0, "N", false, "and how large they are together (2048; -1: any size)", NULL},
    {"expires", 0, "DAYS", false, "good for so many days (0: for ever)", NULL},
    {"read-only", 0, NULL, false, "may classify and look, and makes and deletes nothing", NULL},
    {"only-heads", 0, "NAMES", false, "sees these heads, with commas between, and no others", NULL},
    DB_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

static const cli_option change_options[] = {
    {"requests", 0, "N", false, "requests a day (-1: any number)", NULL},
    {"heads", 0, "N", false, "new heads a day (-1: any number)", NULL},
    {"megabytes", 0, "N", false, "sent a day (-1: any number)", NULL},
    {"concurrency", 0, "N", false, "requests at once (-1: any number)", NULL},
    {"rate", 0, "N", false, "requests a second (-1: any number)", NULL},
    {"burst", 0, "N", false, "how many of them at once", NULL},
    {"keep-heads", 0, "N", false, "heads kept for it (-1: any number)", NULL},
    {"keep-megabytes", 0, "N", false, "and how large they are together (-1: any size)", NULL},
    {"expires", 0, "DAYS", false, "good for so many days from now (0: for ever)", NULL},
    {"only-heads", 0, "NAMES", false, "sees these heads and no others; 'all': all", NULL},
    {"read-only", 0, NULL, false, "makes and deletes nothing from now on", NULL},
    {"read-write", 0, NULL, false, "makes and deletes heads from now on", NULL},
    DB_OPTION,
    {0},
};

static const cli_option rotate_options[] = {
    {"grace", 0, "HOURS", false, "the old secret stays good for so long (24)", NULL},
    DB_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

static const cli_option other_options[] = {
    DB_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

static const cli_option usage_options[] = {
    DB_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {"csv", 0, NULL, false, "as comma-separated values: day,key,name,requests,heads,bytes", NULL},
    {"days", 0, "N", false, "of the last N days (31)", NULL},
    {0},
};

static int open_store(cli_app *app, const cli_args *args, store **out)
{
    wi_error error = {0};
    char *database = cli_serving_database(app, args);
    if (!database) {
        return CLI_FAILED;
    }
    wi_status status = store_open(database, out, &error);
    free(database);
    return status == WI_OK ? CLI_OK : cli_failed(app, NULL, &error);
}

/* What is given on the command line, and the rest as it was. */
static int change_plan(const cli_args *args, store_plan *plan)
{
    const struct {
        const char *name;
        int64_t *value, unit;
    } all[] = {
        {"requests", &plan->requests_a_day, 1},     {"heads", &plan->heads_a_day, 1},
        {"megabytes", &plan->bytes_a_day, 1 << 20}, {"concurrency", &plan->concurrency, 1},
        {"rate", &plan->rate_milli, 1000},          {"burst", &plan->burst, 1},
        {"keep-heads", &plan->heads_kept, 1},       {"keep-megabytes", &plan->bytes_kept, 1 << 20}};
    int status = CLI_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == CLI_OK; i++) {
        long number = 0;
        status = cli_args_number(args, all[i].name, -1, 1L << 40, 0, &number);
        if (status == CLI_OK && cli_args_has(args, all[i].name)) {
            *all[i].value = number < 0 ? -1 : number * all[i].unit;
        }
    }
    return status;
}

/* Heads that a key sees, and until when it is good. */
static int read_scope(const cli_args *args, store_key *key)
{
    long days = -1;
    const char *heads = cli_args_value(args, "only-heads");
    int status = cli_args_number(args, "expires", 0, 36500, -1, &days);
    if (days >= 0) {
        key->expires_ms = days ? store_now_ms() + (int64_t)days * 86400000 : 0;
    }
    if (heads) {
        free(key->only_heads);
        key->only_heads = cli_text("%s", strcmp(heads, "all") ? heads : "");
    }
    key->read_only =
        (key->read_only || cli_args_has(args, "read-only")) && !cli_args_has(args, "read-write");
    return status;
}

static void show_secret(const cli_args *args, const store_key *key, const char *text)
{
    if (cli_args_has(args, "json")) {
        cli_json_line(srv_key_secret_json(key, text));
    } else {
        printf("%s\n", text);
    }
}

static int run_new(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    store_key key = {0};
    char text[SRV_KEY_TEXT_BYTES];
    wi_error error = {0};
    srv_plan_default(&key.plan);
    int status = change_plan(args, &key.plan);
    srv_plan_settle(&key.plan);
    status = status ? status : read_scope(args, &key);
    status = status ? status : open_store(app, args, &st);
    key.name = cli_text("%s", args->operands[0]);
    if (status == CLI_OK && srv_key_make(st, &key, text, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    } else if (status == CLI_OK) {
        show_secret(args, &key, text);
        if (!cli_args_has(args, "json")) {
            cli_note(app, "this is the only time that the key is shown");
        }
    }
    store_key_free(&key);
    store_close(&st);
    return status;
}

static const char *limit_text(int64_t limit, char text[24])
{
    snprintf(text, 24, "%lld", (long long)limit);
    return limit < 0 ? "-" : text;
}

static int run_list(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    store_key *keys = NULL;
    size_t n = 0;
    wi_error error = {0};
    char requests[24], heads[24], concurrency[24], name[100];
    int status = open_store(app, args, &st);
    if (status == CLI_OK && store_key_list(st, &keys, &n, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    for (size_t i = 0; i < n; i++) {
        const store_key *key = &keys[i];
        if (cli_args_has(args, "json")) {
            cli_json_line(srv_key_json(key));
        } else {
            cli_printable(key->name, name, sizeof name);
            json_t *shown = srv_key_json(key);
            const char *state = json_string_value(json_object_get(shown, "state"));
            printf("%s  %-8s %8s requests %6s heads a day, %4s at once%s%s%s  %s\n", key->id, state,
                   limit_text(key->plan.requests_a_day, requests),
                   limit_text(key->plan.heads_a_day, heads),
                   limit_text(key->plan.concurrency, concurrency),
                   key->read_only ? ", reads only" : "", key->only_heads[0] ? ", heads " : "",
                   key->only_heads, name);
            json_decref(shown);
        }
    }
    store_keys_free(&keys, n);
    store_close(&st);
    return status;
}

static int open_key(cli_app *app, const cli_args *args, store **st, store_key *key)
{
    wi_error error = {0};
    char id[40];
    const char *given = args->operands[0];
    int status = open_store(app, args, st);
    given = srv_key_id(given, id, sizeof id) ? id : given;
    if (status == CLI_OK && store_key_get(*st, given, key, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    return status;
}

static int run_change(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    store_key key = {0};
    wi_error error = {0};
    int status = open_key(app, args, &st, &key);
    if (status == CLI_OK && cli_args_has(args, "read-only") && cli_args_has(args, "read-write")) {
        status = cli_usage(args->verb, "--read-only and --read-write contradict each other");
    }
    status = status ? status : change_plan(args, &key.plan);
    srv_plan_settle(&key.plan);
    status = status ? status : read_scope(args, &key);
    if (status == CLI_OK && store_key_change(st, &key, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    store_key_free(&key);
    store_close(&st);
    return status;
}

static int run_rotate(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    store_key key = {0};
    char text[SRV_KEY_TEXT_BYTES];
    wi_error error = {0};
    long hours = 24;
    int status = cli_args_number(args, "grace", 0, 8760, 24, &hours);
    status = status ? status : open_key(app, args, &st, &key);
    if (status == CLI_OK &&
        srv_key_rotate(st, &key, (int64_t)hours * 3600000, text, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    } else if (status == CLI_OK) {
        show_secret(args, &key, text);
        if (!cli_args_has(args, "json")) {
            cli_note(app, "the old secret is good for another %ld hours", hours);
        }
    }
    store_key_free(&key);
    store_close(&st);
    return status;
}

static int run_revoke(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    wi_error error = {0};
    char id[40];
    const char *given = args->operands[0];
    int status = open_store(app, args, &st);
    if (status == CLI_OK) {
        given = srv_key_id(given, id, sizeof id) ? id : given;
        if (store_key_revoke(st, given, store_now_ms(), &error) != WI_OK) {
            status = cli_failed(app, NULL, &error);
        }
    }
    store_close(&st);
    return status;
}

/* A line for each day, in whichever form is asked for. */
static void print_day(void *context, const store_key *key, const store_usage *day)
{
    const cli_args *args = context;
    const bool all = args->n_operands == 0;
    char date[16];
    if (cli_args_has(args, "json")) {
        cli_json_line(srv_usage_json(key, day, all));
    } else if (cli_args_has(args, "csv")) {
        srv_usage_csv(stdout, key, day);
    } else {
        srv_day_text(day->day, date);
        printf("%s  %s%s%lld requests, %lld heads, %lld bytes\n", date, all ? key->id : "",
               all ? "  " : "", (long long)day->requests, (long long)day->heads,
               (long long)day->bytes);
    }
}

/* Of one key, which need not be there any more, or of all. */
static int run_usage(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    long n_days = 0;
    wi_error error = {0};
    int status = cli_args_number(args, "days", 1, 36500, 31, &n_days);
    status = status ? status : open_store(app, args, &st);
    if (status == CLI_OK && cli_args_has(args, "csv")) {
        fputs(SRV_USAGE_CSV, stdout);
    }
    const char *only = args->n_operands > 0 ? args->operands[0] : NULL;
    if (status == CLI_OK && srv_usage_visit(st, only, (size_t)n_days, print_day,
                                            (void *)(uintptr_t)args, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    store_close(&st);
    return status;
}

const cli_verb cli_verb_keys_new = {
    .name = "keys new",
    .operands = "NAME",
    .summary = "make a key for the server",
    .details =
        "Prints the key once; the database keeps a salted hash of it only. NAME says whose it "
        "is.",
    .examples = "whatsit keys new phone-app --requests 100000\n"
                "    a key for many requests\n",
    .min_operands = 1,
    .max_operands = 1,
    .options = new_options,
    .run = run_new,
};

const cli_verb cli_verb_keys_list = {
    .name = "keys list",
    .operands = "",
    .summary = "show the server's keys",
    .examples = "whatsit keys list\n    without the secrets, which are not kept\n",
    .options = other_options,
    .run = run_list,
};

const cli_verb cli_verb_keys_revoke = {
    .name = "keys revoke",
    .operands = "ID",
    .summary = "refuse a key from now on",
    .examples = "whatsit keys revoke 0f3a5c7e9b1d2f48\n    servers that run see it at once\n",
    .min_operands = 1,
    .max_operands = 1,
    .options = other_options,
    .run = run_revoke,
};

const cli_verb cli_verb_keys_usage = {
    .name = "keys usage",
    .operands = "[ID]",
    .summary = "show what a key has used, or all of them, day by day",
    .examples = "whatsit keys usage 0f3a5c7e9b1d2f48\n    the last 31 days, UTC\n"
                "whatsit keys usage --csv --days 366\n    all keys, for a spreadsheet or a bill\n",
    .max_operands = 1,
    .options = usage_options,
    .run = run_usage,
};

const cli_verb cli_verb_keys_change = {
    .name = "keys change",
    .operands = "ID",
    .summary = "give a key another plan",
    .details = "What is not named stays as it was. Servers that run see it at once.",
    .examples = "whatsit keys change 0f3a5c7e9b1d2f48 --requests 500000 --read-only\n"
                "    more requests, and no new heads\n",
    .min_operands = 1,
    .max_operands = 1,
    .options = change_options,
    .run = run_change,
};

const cli_verb cli_verb_keys_rotate = {
    .name = "keys rotate",
    .operands = "ID",
    .summary = "give a key another secret",
    .details = "Prints the new one once. The old one stays good for a while, so that clients can "
               "be changed one after "
               "another; --grace 0 ends it at once.",
    .examples = "whatsit keys rotate 0f3a5c7e9b1d2f48 --grace 48\n    both are good for two days\n",
    .min_operands = 1,
    .max_operands = 1,
    .options = rotate_options,
    .run = run_rotate,
};
