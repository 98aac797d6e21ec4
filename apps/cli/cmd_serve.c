/* whatsit serve: heads and answers over HTTP. */
#include "heads.h"
#include "paths.h"
#include "photo_library.h"
#include "serving.h"
#include "settings.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"config", 0, "FILE", false,
     "settings as lines 'option = value'; these options come before them", "@file"},
    {"check", 0, NULL, false, "open everything, say what is set and from where, and end", NULL},
    {"listen", 'l', "ADDR:PORT", false, "where to listen (127.0.0.1:8080; port 0: any free one)",
     NULL},
    {"model", 'm', "MODEL", true, "a model to serve; the first one is the default", "@model"},
    {"alias", 0, "NAME=MODEL", true, "another name by which clients ask for a model", NULL},
    {"db", 0, "FILE|URL", false, "heads, keys, usage and jobs: a file, or postgres://...", "@file"},
    {"models-memory", 0, "MB", false,
     "files of all models together, also of those that are loaded later (any size)", NULL},
    {"admin", 0, "SOCKET", false,
     "keys, usage and models over HTTP, at this path, for this user alone", "@file"},
    {"web", 0, "DIR", false, "serve the files of this folder as well: the web app", "@dir"},
#ifdef WHATSIT_LIBRARY
    {"library", 0, "NAME", true,
     "show the photos of this library ('whatsit index'): to keys, this machine and --allow", NULL},
    {"thumbnails", 0, "MB", false, "disk for small copies of its photos (512; 0: none is kept)",
     NULL},
#endif
    {"require-key", 0, NULL, false, "not even requests from this machine go without a key", NULL},
    {"anonymous", 0, NULL, false, "anybody may ask without a key, slowly", NULL},
    {"allow", 0, "RANGE", true,
     "addresses, such as a container's network, that need no key and have no rate", NULL},
    {"drain", 0, "SECONDS", false,
     "at the end: how long /readyz says so before connections are refused (0)", NULL},
    {"rate", 0, "N", false, "with --anonymous: requests a second of one address (5)", NULL},
    {"guest-decoding", 0, "SECONDS", false,
     "seconds of work (decoding, encoding, texts) a second for an address without a key (0.5; 0: "
     "any)",
     NULL},
    {"guest-keep", 0, "MB", false, "heads that an address without a key may keep (16)", NULL},
    {"guest-days", 0, "N", false, "and for how many days (7)", NULL},
    {"max-kept", 0, "MB", false, "all heads together (16384)", NULL},
    {"keep-pictures", 0, "N", false, "in the index of one key (50000)", NULL},
    {"max-pictures", 0, "N", false, "in all indexes together (1000000)", NULL},
    {"max-decoding", 0, "SECONDS", false, "of one picture, about (10)", NULL},
    {"trust-proxy", 0, "RANGE", true,
     "believe what proxies of these addresses say about whom they ask for (this machine's)", NULL},
    {"proxy-protocol", 0, NULL, false,
     "connections begin with a PROXY header, version 2, and come from trusted proxies", NULL},
    {"log", 0, "text|json", false, "how the log is written (text)", NULL},
    {"log-level", 0, "LEVEL", false, "error, warn, info or debug (info)", NULL},
    {"access-log", 0, "FILE", false, "a line for each request; -: to the standard error", "@file"},
    {"cors", 0, "ORIGIN", true, "allow this site's pages, such as https://example.org, to ask",
     NULL},
    {"webhook", 0, "ORIGIN", true,
     "jobs may tell this site, such as https://example.org, when they are over", NULL},
    {"host", 0, "NAME", false, "this machine's own name, for requests without a key", NULL},
    {"max-body", 0, "MB", false, "largest request (20)", NULL},
    {"max-pixels", 0, "MILLIONS", false, "largest picture (50)", NULL},
    {"connections", 0, "N", false, "connections at once (4096)", NULL},
    {"workers", 0, "N", false, "requests worked on at once (32)", NULL},
    {"queue", 0, "N", false, "requests that may wait (256)", NULL},
    {"batch", 0, "N", false, "pictures encoded at once (8); each core takes its share, or 4", NULL},
    {"idle", 0, "SECONDS", false,
     "give a model's memory back after so long without use (600; 0: never)", NULL},
    {"timeout", 0, "SECONDS", false, "for slow clients (30)", NULL},
    {"no-sandbox", 0, NULL, false, "decode pictures in this process", NULL},
    {0},
};

static int read_listen(const cli_args *args, char *address, size_t n_address, srv_config *config)
{
    const char *text = cli_args_value(args, "listen");
    const char *colon = text ? strrchr(text, ':') : NULL;
    char *end;
    if (!text) {
        return CLI_OK;
    }
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool bracket = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    const bool v6 = n > 0 && memchr(text, ':', n); /* without brackets its last number is no port */
    if (n == 0 || n >= n_address || v6 != bracket || port < 0 || port > 65535 || !colon[1] ||
        *end) {
        return cli_usage(args->verb,
                         "--listen is ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080, not '%s'",
                         text);
    }
    snprintf(address, n_address, "%.*s", (int)(n - 2 * bracket), text + bracket);
    config->address = address;
    config->port = (uint16_t)port;
    return CLI_OK;
}

static int read_numbers(const cli_args *args, srv_config *config)
{
    long body = 0, pixels = 0, workers = 0, queue = 0, batch = 0, idle = 0, timeout = 0, rate = 0,
         threads = 0, connections = 0, drain = 0, models = 0;
    int status = cli_args_number(args, "max-body", 1, 1000, 20, &body);
    status = status ? status : cli_args_number(args, "max-pixels", 1, 1000, 50, &pixels);
    status = status ? status : cli_args_number(args, "models-memory", 1, 1L << 40, 0, &models);
    status = status ? status : cli_args_number(args, "drain", 0, 3600, 0, &drain);
    status = status ? status : cli_args_number(args, "connections", 16, 60000, 4096, &connections);
    status = status ? status : cli_args_number(args, "workers", 1, 256, 32, &workers);
    status = status ? status : cli_args_number(args, "queue", 1, 65536, 256, &queue);
    status = status ? status : cli_args_number(args, "batch", 1, 256, 8, &batch);
    status = status ? status : cli_args_number(args, "idle", 0, 1000000, 600, &idle);
    status = status ? status : cli_args_number(args, "timeout", 1, 3600, 30, &timeout);
    status = status ? status : cli_args_number(args, "rate", 1, 100000, 5, &rate);
    status = status ? status : cli_args_number(args, "threads", 1, 256, 0, &threads);
    config->max_body_bytes = (size_t)body << 20;
    config->max_pixels = (uint64_t)pixels * 1000000;
    config->max_models_bytes = (uint64_t)models << 20;
    config->drain_s = (unsigned)drain;
    config->max_connections = (unsigned)connections;
    config->n_workers = (unsigned)workers;
    config->max_queue = (unsigned)queue;
    config->max_batch = (unsigned)batch;
    config->idle_s = (unsigned)idle;
    config->timeout_s = (unsigned)timeout;
    config->rate = (double)rate;
    config->burst = 4.0 * (double)rate;
    config->n_threads = (int)threads;
    return status;
}

/* A number with a fraction; negative ones and what is none are refused. */
static int read_real(const cli_args *args, const char *name, double most, double *out)
{
    const char *text = cli_args_value(args, name);
    char *end = NULL;
    double value = text ? strtod(text, &end) : *out;
    if (text && (end == text || *end || !(value >= 0) || value > most)) {
        return cli_usage(args->verb, "--%s is a number from 0 to %.0f, not '%s'", name, most, text);
    }
    *out = value;
    return CLI_OK;
}

static int read_guests(const cli_args *args, srv_config *config)
{
    long keep = 0, days = 0, all = 0, pictures = 0, all_pictures = 0;
    int status = read_real(args, "guest-decoding", 64, &config->guest_decode_s);
    status = status ? status : read_real(args, "max-decoding", 3600, &config->max_decode_s);
    status = status ? status : cli_args_number(args, "guest-keep", 0, 1L << 30, 16, &keep);
    status = status ? status : cli_args_number(args, "guest-days", 1, 36500, 7, &days);
    status = status ? status : cli_args_number(args, "max-kept", 0, 1L << 40, 16384, &all);
    status =
        status ? status : cli_args_number(args, "keep-pictures", 0, 1L << 40, 50000, &pictures);
    status = status ? status
                    : cli_args_number(args, "max-pictures", 0, 1L << 40, 1000000, &all_pictures);
    config->own_vectors = pictures;
    config->all_vectors = all_pictures;
    config->guest_bytes = (int64_t)keep << 20;
    config->guest_days = (unsigned)days;
    config->all_bytes = (int64_t)all << 20;
    return status;
}

static int read_log(const cli_args *args, srv_log_options *log)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const char *form = cli_args_value(args, "log"), *level = cli_args_value(args, "log-level");
    log->access_path = cli_args_value(args, "access-log");
    log->json = form && !strcmp(form, "json");
    if (form && !log->json && strcmp(form, "text")) {
        return cli_usage(args->verb, "--log is text or json, not '%s'", form);
    }
    bool found = !level;
    for (int i = 0; level && i < 4; i++) {
        if (!strcmp(level, levels[i])) {
            log->level = (srv_log_level)i;
            found = true;
        }
    }
    return found ? CLI_OK
                 : cli_usage(args->verb, "--log-level is error, warn, info or debug, not '%s'",
                             level);
}

static int read_models(cli_app *app, const cli_args *args, cli_serving *out)
{
    const char *name;
    size_t position = 0;
    do {
        name = cli_args_next(args, "model", &position);
        if (!name && out->config.n_models > 0) {
            return CLI_OK;
        }
        if (out->config.n_models == SRV_MAX_MODELS) {
            return cli_usage(args->verb, "at most %d models", SRV_MAX_MODELS);
        }
        char *path = cli_model_path(app, name);
        if (!path) {
            return CLI_FAILED;
        }
        out->model_paths[out->config.n_models] = path;
        out->config.models[out->config.n_models++].path = path;
    } while (name);
    return CLI_OK;
}

static int read_names(const cli_args *args, cli_serving *out)
{
    size_t position = 0;
    const char *text;
    srv_config *config = &out->config;
    while ((text = cli_args_next(args, "alias", &position))) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text || config->n_aliases == SRV_MAX_ALIASES) {
            return cli_usage(args->verb, "--alias is NAME=MODEL, at most %d times",
                             SRV_MAX_ALIASES);
        }
        char *name = cli_text("%.*s", (int)(equals - text), text);
        out->alias_names[config->n_aliases] = name;
        config->aliases[config->n_aliases++] = (srv_named_path){name ? name : "", equals + 1};
    }
    position = 0;
    while ((text = cli_args_next(args, "trust-proxy", &position))) {
        if (config->n_proxies == SRV_MAX_PROXIES) {
            return cli_usage(args->verb, "--trust-proxy at most %d times", SRV_MAX_PROXIES);
        }
        config->proxies[config->n_proxies++] = text;
    }
    position = 0;
    while ((text = cli_args_next(args, "allow", &position))) {
        if (config->n_allowed == SRV_MAX_PROXIES) {
            return cli_usage(args->verb, "--allow at most %d times", SRV_MAX_PROXIES);
        }
        config->allowed[config->n_allowed++] = text;
    }
    position = 0;
    while ((text = cli_args_next(args, "webhook", &position))) {
        if (config->n_webhooks == SRV_MAX_ORIGINS) {
            return cli_usage(args->verb, "--webhook at most %d times", SRV_MAX_ORIGINS);
        }
        config->webhooks[config->n_webhooks++] = text;
    }
    position = 0;
    while ((text = cli_args_next(args, "cors", &position))) {
        if (config->n_origins == SRV_MAX_ORIGINS) {
            return cli_usage(args->verb, "--cors at most %d times", SRV_MAX_ORIGINS);
        }
        config->origins[config->n_origins++] = text;
    }
    return CLI_OK;
}

#ifdef WHATSIT_LIBRARY
static int read_libraries(cli_app *app, const cli_args *args, cli_serving *out)
{
    srv_config *config = &out->config;
    const char *name;
    size_t position = 0;
    long megabytes = 0;
    int status = cli_args_number(args, "thumbnails", 0, 1L << 30, 512, &megabytes);
    config->thumbnails_bytes = (int64_t)megabytes << 20;
    while (status == CLI_OK && (name = cli_args_next(args, "library", &position))) {
        if (!cli_name_ok(name)) {
            return cli_usage(args->verb, "'%s' cannot be the name of a library", name);
        }
        if (config->n_libraries == SRV_MAX_LIBRARIES) {
            return cli_usage(args->verb, "--library at most %d times", SRV_MAX_LIBRARIES);
        }
        char *folder = cli_library_folder(name);
        if (!folder) {
            cli_error(app, "there is no home folder with libraries: set XDG_DATA_HOME");
            return CLI_FAILED;
        }
        out->library_paths[config->n_libraries] = folder;
        config->libraries[config->n_libraries++] = (srv_named_path){name, folder};
    }
    config->thumbnails = out->thumbnails = cli_cache_path("thumbnails");
    return status;
}
#endif

/* Other users of the machine can read the command line of a program: a password in it is written over. */
static void hide_password(const char *word)
{
    const char *scheme = strstr(word, "://");
    char *at = scheme ? strrchr(scheme, '@') : NULL;
    char *colon = at ? memchr(scheme + 3, ':', (size_t)(at - scheme - 3)) : NULL;
    for (char *c = colon ? colon + 1 : NULL; c && c < at; c++) {
        *c = '*';
    }
}

/* $WHATSIT_DB, else the database of this user, when none is named. */
char *cli_serving_database(cli_app *app, const cli_args *args)
{
    const char *given = cli_args_value(args, "db"), *set = getenv("WHATSIT_DB");
    bool named = given || (set && set[0]);
    char *folder = named ? NULL : cli_data_path("server");
    char *path = named    ? cli_text("%s", given ? given : set)
                 : folder ? cli_text("%s/store.db", folder)
                          : NULL;
    if (given) {
        hide_password(given);
    }
    if (!path) {
        cli_error(app, "there is no home folder: say where the database is with --db FILE");
    } else if (folder && !cli_make_folders(folder)) {
        cli_error(app, "%s: cannot make the folder: %s", folder, strerror(errno));
        free(path);
        path = NULL;
    }
    free(folder);
    return path;
}

int cli_serving_read(cli_app *app, const cli_args *args, cli_serving *out)
{
    *out = (cli_serving){0};
    srv_config_defaults(&out->config);
    srv_config *config = &out->config;
    int status = read_listen(args, out->address, sizeof out->address, config);
    status = status ? status : read_numbers(args, config);
    status = status ? status : read_guests(args, config);
    status = status ? status : read_log(args, &config->log);
    status = status ? status : read_names(args, out);
    status = status ? status : read_models(app, args, out);
#ifdef WHATSIT_LIBRARY
    status = status ? status : read_libraries(app, args, out);
#endif
    if (status == CLI_OK && cli_args_has(args, "require-key") && cli_args_has(args, "anonymous")) {
        status = cli_usage(args->verb, "--require-key and --anonymous contradict each other");
    }
    if (status == CLI_OK && cli_args_has(args, "rate") && !cli_args_has(args, "anonymous")) {
        status = cli_usage(args->verb, "--rate is for --anonymous: who has a key has a plan");
    }
    if (status == CLI_OK && cli_args_has(args, "require-key") && cli_args_has(args, "allow")) {
        status = cli_usage(args->verb, "--require-key and --allow contradict each other");
    }
    if (status != CLI_OK) {
        return status;
    }
    config->isa = cli_args_value(args, "isa");
    config->web = cli_args_value(args, "web");
    config->admin = cli_args_value(args, "admin");
    config->host = cli_args_value(args, "host");
    config->require_key = cli_args_has(args, "require-key");
    config->anonymous = cli_args_has(args, "anonymous");
    config->no_sandbox = cli_args_has(args, "no-sandbox");
    config->proxy_protocol = cli_args_has(args, "proxy-protocol");
    config->heads = out->heads = cli_shipped_heads_folder();
    bool nano = strstr(config->models[0].path, "whatsit-nano") != NULL;
    out->everyday = nano ? cli_share_path("models/nano-concepts.txt") : NULL;
    out->everyday = out->everyday ? out->everyday : cli_share_path("heads/nouns.txt");
    config->everyday = out->everyday;
    config->nouns = out->nouns = cli_share_path("heads/nouns.txt");
    config->describer = out->describer = cli_share_path("models/whatsit-describe.gguf");
    config->database = out->database = cli_serving_database(app, args);
    return config->database ? CLI_OK : CLI_FAILED;
}

void cli_serving_free(cli_serving *serving)
{
    for (size_t i = 0; i < SRV_MAX_MODELS; i++) {
        free(serving->model_paths[i]);
    }
    for (size_t i = 0; i < SRV_MAX_ALIASES; i++) {
        free(serving->alias_names[i]);
    }
    for (size_t i = 0; i < SRV_MAX_LIBRARIES; i++) {
        free(serving->library_paths[i]);
    }
    free(serving->thumbnails);
    free(serving->heads);
    free(serving->everyday);
    free(serving->nouns);
    free(serving->describer);
    free(serving->database);
}

static void tell(cli_app *app, const srv_server *server, const srv_config *config)
{
    char text[300];
    srv_server_describe(server, text, sizeof text);
    cli_note(app, "listening on %s", text);
    if (config->anonymous) {
        cli_note(app, "anybody may ask, %.0f requests a second from each address", config->rate);
    }
}

/* Signals are waited for here and nowhere else: every thread inherits that they are blocked. */
static void serve(cli_app *app, srv_server *server, const srv_config *config,
                  const sigset_t *signals)
{
    int number = 0;
    tell(app, server, config);
    do {
        sigwait(signals, &number);
        if (number == SIGHUP) {
            wi_error error = {0};
            if (srv_server_reload(server, &error) == WI_OK) {
                cli_note(app, "reloaded");
            } else {
                cli_error(app, "reloading: %s; what was there goes on", error.message);
            }
        }
    } while (number == SIGHUP);
    cli_note(app, "finishing what is under way; once more ends it at once");
    sigset_t again = *signals;
    sigdelset(&again, SIGHUP);
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(SIGINT, &plain, NULL);
    sigaction(SIGTERM, &plain, NULL);
    pthread_sigmask(SIG_UNBLOCK, &again, NULL);
    srv_server_drain(server, config->drain_s, 30);
}

static int open_and_serve(cli_app *app, const cli_settings *settings, const srv_config *config,
                          const sigset_t *signals)
{
    srv_server *server = NULL;
    wi_error error = {0};
    int status = CLI_OK;
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    wi_status opened = srv_server_open(config, &server, &error);
    if (opened == WI_OK && cli_args_has(&settings->args, "check")) {
        cli_settings_print(settings);
        cli_note(app, "all is well: models, database, decoders and folders could be opened");
    } else if (opened == WI_OK && (opened = srv_server_listen(server, &error)) == WI_OK) {
        serve(app, server, config, signals);
    }
    if (opened != WI_OK) {
        status = cli_failed(app, NULL, &error);
    }
    srv_server_close(&server);
    return status;
}

static int run(cli_app *app, const cli_args *args)
{
    cli_serving serving = {0};
    cli_settings settings;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    int status = cli_settings_read(app, args, &settings);
    for (size_t i = 0; i < args->n_given; i++) {
        if (args->given[i].value && !strcmp(args->given[i].option->name, "db")) {
            hide_password(args->given[i].value); /* kept in the settings */
        }
    }
    status = status ? status : cli_serving_read(app, &settings.args, &serving);
    status = status ? status : open_and_serve(app, &settings, &serving.config, &signals);
    cli_serving_free(&serving);
    cli_settings_free(&settings);
    return status;
}

const cli_verb cli_verb_serve = {
    .name = "serve",
    .operands = "",
    .summary = "answer over HTTP, for phones and other programs",
    .details = "Only this machine can ask unless --listen says otherwise, and others need a key "
               "('whatsit keys new') unless --anonymous says otherwise. /openapi.json describes "
               "the interface; clients of OpenAI's embeddings, of Hugging Face's zero-shot image "
               "classification and of Immich's machine learning work as they are.\n\n"
               "SIGTERM finishes what is under way, SIGHUP reads models, heads and web files anew.",
    .examples = "whatsit serve\n"
                "    on http://127.0.0.1:8080\n"
                "curl --data-binary @photo.jpg 'http://127.0.0.1:8080/v1/classify?head=foods'\n"
                "    ask it\n"
                "whatsit serve --listen 0.0.0.0:8080 --db postgres://db/whatsit\n"
                "    for others, with keys, next to other servers of the same database\n",
    .shared = CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
