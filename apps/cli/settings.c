#include "settings.h"
#include "output.h"
#include "paths.h"
#include "term.h"
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

/* Lines of the file, in their order. */
typedef struct line {
    char *name, *value;
} line;

typedef struct reader {
    const cli_verb *verb;
    line *lines;
    size_t n;
    char message[160];
} reader;

static const cli_option *option_called(const cli_verb *verb, const char *name)
{
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        if (!strcmp(option->name, name)) {
            return option;
        }
    }
    return NULL;
}

/* These are for the command line. */
static bool is_setting(const char *name)
{
    return strcmp(name, "config") && strcmp(name, "help") && strcmp(name, "check");
}

static const char *nearest(const cli_verb *verb, const char *name)
{
    const char *best = NULL;
    size_t distance = 3;
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        if (is_setting(option->name)) {
            cli_nearest(name, option->name, &best, &distance);
        }
    }
    return best;
}

static int on_line(void *context, const char *section, const char *name, const char *value)
{
    reader *r = context;
    if (section[0] && strcmp(section, r->verb->name)) {
        snprintf(r->message, sizeof r->message, "there is no section [%.40s]: only [%s]", section,
                 r->verb->name);
        return 0;
    }
    const cli_option *option = is_setting(name) ? option_called(r->verb, name) : NULL;
    if (!option) {
        const char *best = nearest(r->verb, name);
        snprintf(r->message, sizeof r->message,
                 best ? "there is no setting '%.40s': did you mean '%s'?"
                      : "there is no setting '%.40s'",
                 name, best);
        return 0;
    }
    line *larger = realloc(r->lines, (r->n + 1) * sizeof *larger);
    if (!larger) {
        return 0;
    }
    r->lines = larger;
    r->lines[r->n] = (line){cli_text("%s", name), cli_text("%s", value ? value : "")};
    r->n++;
    return 1;
}

static int read_file(cli_app *app, const char *path, reader *r)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        cli_error(app, "%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    int number = ini_parse_file(file, on_line, r);
    fclose(file);
    if (number != 0) {
        cli_error(app, "%s: line %d: %s", path, number,
                  r->message[0] ? r->message : "this is no 'setting = value'");
        return CLI_FAILED;
    }
    return CLI_OK;
}

/* "max-body" -> $WHATSIT_SERVE_MAX_BODY */
static const char *from_environment(const char *name, char variable[80])
{
    size_t n = (size_t)snprintf(variable, 80, "WHATSIT_SERVE_");
    for (const char *c = name; *c && n + 1 < 80; c++) {
        variable[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
    variable[n] = '\0';
    const char *value = getenv(variable);
    if ((!value || !value[0]) && !strcmp(name, "db")) {
        value = getenv(strcpy(variable, "WHATSIT_DB"));
    }
    return value && value[0] ? value : NULL;
}

static int add(cli_settings *s, const cli_option *option, const char *value, const char *origin)
{
    bool yes = !strcmp(value, "yes") || !strcmp(value, "true") || !strcmp(value, "1");
    bool no = !strcmp(value, "no") || !strcmp(value, "false") || !strcmp(value, "0");
    if (!option->value && no) {
        return CLI_OK;
    }
    if (!option->value && !yes) {
        fprintf(stderr, "whatsit: %s: '%s' is yes or no, not '%s'\n", origin, option->name, value);
        return CLI_USAGE;
    }
    char **words = realloc(s->words, (s->n_words + 1) * sizeof *words);
    s->words = words ? words : s->words;
    const char **origins =
        words ? realloc((void *)s->origins, (s->n_words + 1) * sizeof *origins) : NULL;
    s->origins = origins ? origins : s->origins;
    char *word =
        option->value ? cli_text("--%s=%s", option->name, value) : cli_text("--%s", option->name);
    if (!words || !origins || !word) {
        free(word);
        fprintf(stderr, "whatsit: out of memory\n");
        return CLI_FAILED;
    }
    s->words[s->n_words] = word;
    s->origins[s->n_words++] = origin;
    return CLI_OK;
}

static int add_option(cli_settings *s, const cli_args *given, const reader *file,
                      const cli_option *option)
{
    char variable[80];
    const char *value = from_environment(option->name, variable);
    int status = CLI_OK;
    if (cli_args_has(given, option->name)) {
        for (size_t i = 0; i < given->n_given && status == CLI_OK; i++) {
            if (given->given[i].option == option) {
                const char *text = given->given[i].value;
                status = add(s, option, text ? text : "yes", "the command line");
            }
        }
    } else if (value) {
        status = add(s, option, value, "the environment");
    } else {
        for (size_t i = 0; i < file->n && status == CLI_OK; i++) {
            if (!strcmp(file->lines[i].name, option->name)) {
                status = add(s, option, file->lines[i].value, "the file");
            }
        }
    }
    return status;
}

int cli_settings_read(cli_app *app, const cli_args *given, cli_settings *out)
{
    char variable[80];
    reader file = {.verb = given->verb};
    *out = (cli_settings){0};
    const char *path = cli_args_value(given, "config");
    path = path ? path : from_environment("config", variable);
    int status = path ? read_file(app, path, &file) : CLI_OK;
    const cli_option *option;
    for (size_t i = 0; status == CLI_OK && (option = cli_verb_option(given->verb, i)); i++) {
        if (strcmp(option->name, "help")) {
            status = add_option(out, given, &file, option);
        }
    }
    for (size_t i = 0; i < file.n; i++) {
        free(file.lines[i].name);
        free(file.lines[i].value);
    }
    free(file.lines);
    return status == CLI_OK ? cli_args_parse(given->verb, (int)out->n_words, out->words, &out->args)
                            : status;
}

void cli_settings_print(const cli_settings *settings)
{
    for (size_t i = 0; i < settings->n_words; i++) {
        const char *word = settings->words[i] + 2, *scheme = strstr(word, "://");
        const char *at = scheme ? strchr(scheme + 3, '@') : NULL;
        const char *colon = at ? memchr(scheme + 3, ':', (size_t)(at - scheme - 3)) : NULL;
        if (colon) {
            printf("%.*s:...%s", (int)(colon - word), word, at);
        } else {
            printf("%s", word);
        }
        printf("  (from %s)\n", settings->origins[i]);
    }
}

void cli_settings_free(cli_settings *settings)
{
    cli_args_free(&settings->args);
    for (size_t i = 0; i < settings->n_words; i++) {
        free(settings->words[i]);
    }
    free(settings->words);
    free((void *)settings->origins);
    *settings = (cli_settings){0};
}
