#include "args.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const cli_option model_option = {
    "model",
    'm',
    "MODEL",
    false,
    "a model's name, file or folder (default: $WHATSIT_MODEL, else whatsit-nano)",
    "@model"};
static const cli_option thread_options[] = {
    {"threads", 't', "N", false, "threads to use (default: one per core)", NULL},
    {"isa", 0, "ISA", false, "at most these processor instructions: scalar, avx2, neon, ...",
     "scalar avx2 avx512 vnni neon dotprod"},
};
/* How pictures are read: wi_image_options. */
static const cli_option picture_options[] = {
    {"no-exif", 0, NULL, false, "leave the camera's orientation mark alone", NULL},
    {"alpha", 0, "WAY", false,
     "transparent places: ground (white behind them, as viewers do; default) or original",
     "ground original"},
    {"exact", 0, NULL, false, "read pictures as the original networks' programs did, to the bit",
     NULL},
    {"strict", 0, NULL, false, "refuse files that are damaged or cut short", NULL},
};
enum { N_PICTURE_OPTIONS = sizeof picture_options / sizeof picture_options[0] };
static const cli_option common_options[] = {
    {"quiet", 'q', NULL, false, "no notes and no progress; errors are still shown", NULL},
    {"help", 'h', NULL, false, "show this help", NULL},
};

const cli_option *cli_verb_option(const cli_verb *verb, size_t index)
{
    for (const cli_option *option = verb->options; option && option->name; option++) {
        if (index-- == 0) {
            return option;
        }
    }
    if (verb->shared & CLI_TAKES_PICTURES) {
        if (index < N_PICTURE_OPTIONS) {
            return &picture_options[index];
        }
        index -= N_PICTURE_OPTIONS;
    }
    if (verb->shared & CLI_TAKES_MODEL) {
        if (index-- == 0) {
            return &model_option;
        }
    }
    if (verb->shared & CLI_TAKES_THREADS) {
        if (index < 2) {
            return &thread_options[index];
        }
        index -= 2;
    }
    return index < 2 ? &common_options[index] : NULL;
}

int cli_usage(const cli_verb *verb, const char *format, ...)
{
    const char *space = verb && verb->name[0] ? " " : "";
    const char *name = verb ? verb->name : "";
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (char *c = message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    fprintf(stderr, "whatsit%s%s: %s (see 'whatsit%s%s --help')\n", space, name, message, space,
            name);
    return CLI_USAGE;
}

void cli_nearest(const char *word, const char *candidate, const char **best, size_t *distance)
{
    enum { MAX = 32 };
    size_t row[MAX + 1];
    size_t n = strlen(word), m = strlen(candidate);
    if (n > MAX || m > MAX) {
        return;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = diagonal + (word[i - 1] != candidate[j - 1]);
            size_t shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replaced < shorter ? replaced : shorter;
        }
    }
    if (row[m] < *distance && row[m] < n) {
        *distance = row[m];
        *best = candidate;
    }
}

static const cli_option *find_option(const cli_verb *verb, const char *name, size_t n_name)
{
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        if (strlen(option->name) == n_name && !strncmp(option->name, name, n_name)) {
            return option;
        }
    }
    return NULL;
}

static const cli_option *find_letter(const cli_verb *verb, char letter)
{
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        if (option->letter && option->letter == letter) {
            return option;
        }
    }
    return NULL;
}

static int unknown_option(const cli_verb *verb, const char *word, size_t n_name)
{
    const char *best = NULL;
    size_t distance = 3;
    char name[33] = "";
    if (n_name < sizeof name) {
        memcpy(name, word + 2, n_name);
    }
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        cli_nearest(name, option->name, &best, &distance);
    }
    if (best) {
        return cli_usage(verb, "unknown option '%s'; did you mean '--%s'?", word, best);
    }
    return cli_usage(verb, "unknown option '%s'", word);
}

static int add_given(cli_args *args, const cli_option *option, const char *value)
{
    if (!strcmp(option->name, "help")) {
        args->help = true;
        return CLI_OK;
    }
    if (value && !value[0] && strcmp(option->name, "text")) {
        return cli_usage(args->verb, "--%s needs a value: %s", option->name, option->value);
    }
    args->given[args->n_given++] = (cli_given){option, value};
    return CLI_OK;
}

/* argv[*at] begins with "--". */
static int parse_long(cli_args *args, int n, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    size_t n_name = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
    const cli_option *option = find_option(args->verb, word + 2, n_name);
    if (!option) {
        return unknown_option(args->verb, word, n_name);
    }
    if (!option->value) {
        return equals ? cli_usage(args->verb, "--%s takes no value", option->name)
                      : add_given(args, option, NULL);
    }
    if (equals) {
        return add_given(args, option, equals + 1);
    }
    if (*at + 1 >= n) {
        return cli_usage(args->verb, "--%s needs a value: %s", option->name, option->value);
    }
    return add_given(args, option, argv[++*at]);
}

/* argv[*at] is "-x", "-xyz" (flags) or "-oVALUE". */
static int parse_short(cli_args *args, int n, char **argv, int *at)
{
    for (const char *c = argv[*at] + 1; *c; c++) {
        const cli_option *option = find_letter(args->verb, *c);
        if (!option) {
            return cli_usage(args->verb, "unknown option '-%c'", *c);
        }
        if (!option->value) {
            int status = add_given(args, option, NULL);
            if (status != CLI_OK) {
                return status;
            }
            continue;
        }
        if (c[1]) {
            return add_given(args, option, c + 1);
        }
        if (*at + 1 >= n) {
            return cli_usage(args->verb, "-%c needs a value: %s", *c, option->value);
        }
        return add_given(args, option, argv[++*at]);
    }
    return CLI_OK;
}

static int check_operands(const cli_args *args)
{
    const cli_verb *verb = args->verb;
    if (args->n_operands > verb->max_operands) {
        return verb->max_operands == 0
                   ? cli_usage(verb, "'%s' is one word too many", args->operands[0])
                   : cli_usage(verb, "'%s' is one word too many",
                               args->operands[verb->max_operands]);
    }
    if (args->n_operands < verb->min_operands) {
        return cli_usage(verb, "needs %s", verb->operands);
    }
    return CLI_OK;
}

int cli_args_parse(const cli_verb *verb, int n, char **argv, cli_args *out)
{
    size_t most = (size_t)n + 1, letters = 0;
    for (int i = 0; i < n; i++) {
        letters += strlen(argv[i]);
    }
    *out = (cli_args){.verb = verb};
    out->given = calloc(most + letters, sizeof *out->given);
    out->operands = calloc(most, sizeof *out->operands);
    if (!out->given || !out->operands) {
        fprintf(stderr, "whatsit: out of memory\n");
        return CLI_FAILED;
    }
    bool only_operands = false;
    for (int i = 0; i < n; i++) {
        int status = CLI_OK;
        if (only_operands || argv[i][0] != '-' || !argv[i][1]) {
            out->operands[out->n_operands++] = argv[i];
        } else if (!strcmp(argv[i], "--")) {
            only_operands = true;
        } else if (argv[i][1] == '-') {
            status = parse_long(out, n, argv, &i);
        } else {
            status = parse_short(out, n, argv, &i);
        }
        if (status != CLI_OK) {
            return status;
        }
    }
    if (out->help) {
        return CLI_OK;
    }
    const char *alpha = cli_args_value(out, "alpha");
    if (alpha && strcmp(alpha, "ground") != 0 && strcmp(alpha, "original") != 0) {
        return cli_usage(verb, "--alpha is ground or original, not '%s'", alpha);
    }
    return check_operands(out);
}

void cli_args_free(cli_args *args)
{
    free(args->given);
    free((void *)args->operands);
    *args = (cli_args){0};
}

bool cli_args_has(const cli_args *args, const char *name)
{
    return cli_args_count(args, name) > 0;
}

const char *cli_args_value(const cli_args *args, const char *name)
{
    const char *last = NULL, *value;
    size_t position = 0;
    while ((value = cli_args_next(args, name, &position))) {
        last = value;
    }
    return last;
}

const char *cli_args_next(const cli_args *args, const char *name, size_t *position)
{
    while (*position < args->n_given) {
        const cli_given *given = &args->given[(*position)++];
        if (!strcmp(given->option->name, name)) {
            return given->value;
        }
    }
    return NULL;
}

size_t cli_args_count(const cli_args *args, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < args->n_given; i++) {
        n += !strcmp(args->given[i].option->name, name);
    }
    return n;
}

int cli_args_number(const cli_args *args, const char *name, long low, long high, long fallback,
                    long *out)
{
    const char *value = cli_args_value(args, name);
    *out = fallback;
    if (!value) {
        return CLI_OK;
    }
    char *end = NULL;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < low || number > high) {
        return cli_usage(args->verb, "--%s takes a whole number from %ld to %ld, not '%s'", name,
                         low, high, value);
    }
    *out = number;
    return CLI_OK;
}
