/* whatsit keys: who may ask the server, and how much. */
#include "../server/keys.h"
#include "output.h"
#include "paths.h"
#include "serving.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    DB_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

static const cli_option other_options[] = {
    DB_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
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

static int read_plan(const cli_args *args, store_plan *plan)
{
    long requests, heads, megabytes, concurrency, rate, burst, kept, kept_mb;
    int status = cli_args_number(args, "requests", -1, LONG_MAX, 10000, &requests);
    status = status ? status : cli_args_number(args, "heads", -1, LONG_MAX, 100, &heads);
    status = status ? status : cli_args_number(args, "megabytes", -1, 1L << 40, -1, &megabytes);
    status = status ? status : cli_args_number(args, "concurrency", -1, 100000, 8, &concurrency);
    status = status ? status : cli_args_number(args, "rate", -1, 1000000, -1, &rate);
    status = status ? status : cli_args_number(args, "keep-heads", -1, LONG_MAX, 1000, &kept);
    status =
        status ? status : cli_args_number(args, "keep-megabytes", -1, 1L << 40, 2048, &kept_mb);
    status = status ? status
                    : cli_args_number(args, "burst", 1, 1000000, rate > 0 ? 4 * rate : 1, &burst);
    if (status == CLI_OK) {
        *plan = (store_plan){
            .requests_a_day = requests,
            .heads_a_day = heads,
            .bytes_a_day = megabytes < 0 ? -1 : megabytes << 20,
            .concurrency = concurrency,
            .rate_milli = rate < 0 ? -1 : rate * 1000,
            .burst = rate < 0 ? -1 : burst,
            .heads_kept = kept,
            .bytes_kept = kept_mb < 0 ? -1 : kept_mb << 20,
        };
    }
    return status;
}

static int run_new(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    store_key key = {0};
    char text[SRV_KEY_TEXT_BYTES];
    wi_error error = {0};
    int status = read_plan(args, &key.plan);
    status = status ? status : open_store(app, args, &st);
    if (status == CLI_OK) {
        wi_status made = srv_key_new(&key, text, &error);
        key.name = cli_text("%s", args->operands[0]);
        key.created_ms = store_now_ms();
        if (made == WI_OK) {
            made = store_key_put(st, &key, &error);
        }
        if (made != WI_OK) {
            status = cli_failed(app, NULL, &error);
        } else if (cli_args_has(args, "json")) {
            cli_json_line(json_pack("{s:s,s:s,s:s}", "id", key.id, "name", key.name, "key", text));
        } else {
            printf("%s\n", text);
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
        const char *state = key->revoked_ms ? "revoked" : "good";
        if (cli_args_has(args, "json")) {
            cli_json_line(json_pack(
                "{s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "id", key->id, "name", key->name, "state", state,
                "requests_a_day", (json_int_t)key->plan.requests_a_day, "heads_a_day",
                (json_int_t)key->plan.heads_a_day, "bytes_a_day", (json_int_t)key->plan.bytes_a_day,
                "concurrency", (json_int_t)key->plan.concurrency));
        } else {
            cli_printable(key->name, name, sizeof name);
            printf("%s  %-8s %8s requests %6s heads a day, %4s at once  %s\n", key->id, state,
                   limit_text(key->plan.requests_a_day, requests),
                   limit_text(key->plan.heads_a_day, heads),
                   limit_text(key->plan.concurrency, concurrency), name);
        }
    }
    store_keys_free(&keys, n);
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

static int run_usage(cli_app *app, const cli_args *args)
{
    store *st = NULL;
    store_usage days[31];
    size_t n = 0;
    wi_error error = {0};
    int status = open_store(app, args, &st);
    if (status == CLI_OK && store_usage_get(st, args->operands[0], 31, days, &n, &error) != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    for (size_t i = 0; i < n; i++) {
        time_t when = (time_t)days[i].day * 86400;
        struct tm date;
        char text[16];
        gmtime_r(&when, &date);
        strftime(text, sizeof text, "%Y-%m-%d", &date);
        if (cli_args_has(args, "json")) {
            cli_json_line(json_pack("{s:s,s:I,s:I,s:I}", "day", text, "requests",
                                    (json_int_t)days[i].requests, "heads",
                                    (json_int_t)days[i].heads, "bytes", (json_int_t)days[i].bytes));
        } else {
            printf("%s  %lld requests, %lld heads, %lld bytes\n", text, (long long)days[i].requests,
                   (long long)days[i].heads, (long long)days[i].bytes);
        }
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
    .operands = "ID",
    .summary = "show what a key has used, day by day",
    .examples = "whatsit keys usage 0f3a5c7e9b1d2f48\n    the last 31 days, UTC\n",
    .min_operands = 1,
    .max_operands = 1,
    .options = other_options,
    .run = run_usage,
};
