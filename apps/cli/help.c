#include "help.h"
#include <string.h>

enum { WIDTH = 80, COLUMN = 26 };

static const char environment_help[] =
    "WHATSIT_MODEL\n    the model to use when --model is not given\n"
    "WHATSIT_VIEWER\n    the program with which 'search --open' shows photos\n"
    "WHATSIT_SHARE\n    where the shipped models and heads lie, when not beside the program\n"
    "XDG_DATA_HOME, XDG_CACHE_HOME\n    where your heads and models, and what can be made again, "
    "are kept "
    "(~/.local/share, ~/.cache)\n"
    "HF_ENDPOINT\n    the hub that 'pull' asks (https://huggingface.co)\n"
    "HF_TOKEN\n    sent to that hub, for models that need it\n"
    "NO_COLOR\n    when set, no colours\n";

static const char exit_help[] =
    "0\n    all went well\n"
    "1\n    something could not be read, found or written; the rest was done\n"
    "2\n    the command line was wrong; nothing was done\n"
    "130\n    stopped by Ctrl-C\n";

bool cli_is_in_group(const cli_verb *verb, const char *group)
{
    size_t n = strlen(group);
    return n > 0 && !strncmp(verb->name, group, n) && verb->name[n] == ' ';
}

bool cli_is_group(const char *word)
{
    const cli_verb *verb;
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        if (cli_is_in_group(verb, word)) {
            return true;
        }
    }
    return false;
}

/* Prints text wrapped to the width; the first line is already at column `at`. */
static void wrap(const char *text, size_t indent, size_t at)
{
    while (*text) {
        if (*text == '\n') {
            printf("\n");
            at = 0;
            text++;
            continue;
        }
        size_t n = strcspn(text, " \n");
        if (at > indent && at + 1 + n > WIDTH) {
            printf("\n");
            at = 0;
        }
        if (at == 0) {
            printf("%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            printf(" ");
            at++;
        }
        printf("%.*s", (int)n, text);
        at += n;
        text += n;
        text += strspn(text, " ");
    }
    printf("\n");
}

static void print_synopsis(const cli_verb *verb)
{
    printf("whatsit%s%s [OPTION...]%s%s\n", verb->name[0] ? " " : "", verb->name,
           verb->operands[0] ? " " : "", verb->operands);
}

static void print_row(const char *left, const char *right)
{
    size_t n = strlen(left) + 2;
    printf("  %s", left);
    if (n + 2 > COLUMN) {
        printf("\n");
        n = 0;
    } else {
        printf("%*s", (int)(COLUMN - n), "");
        n = COLUMN;
    }
    wrap(right, COLUMN, n);
}

static void option_text(const cli_option *option, char *text, size_t n_text)
{
    char letter[8] = "    ";
    if (option->letter) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    snprintf(text, n_text, "%s--%s%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "", option->repeats ? "..." : "");
}

static void print_options(const cli_verb *verb)
{
    const cli_option *option;
    char text[120];
    printf("\nOptions:\n");
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        option_text(option, text, sizeof text);
        print_row(text, option->help);
    }
}

static void print_examples(const cli_verb *verb)
{
    if (!verb->examples) {
        return;
    }
    printf("\nExamples:\n");
    for (const char *line = verb->examples; *line;) {
        size_t n = strcspn(line, "\n");
        printf("  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

void cli_help_verb(const cli_verb *verb)
{
    printf("Usage: ");
    print_synopsis(verb);
    printf("\n%c",
           verb->summary[0] - ('a' <= verb->summary[0] && verb->summary[0] <= 'z' ? 32 : 0));
    printf("%s.\n", verb->summary + 1);
    if (verb->details) {
        printf("\n");
        wrap(verb->details, 0, 0);
    }
    print_options(verb);
    print_examples(verb);
}

void cli_help_group(const char *group)
{
    const cli_verb *verb;
    printf("Usage: whatsit %s VERB\n\n", group);
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        if (cli_is_in_group(verb, group)) {
            print_row(verb->name, verb->summary);
        }
    }
    printf("\n'whatsit %s VERB --help' says more.\n", group);
}

void cli_help_short(FILE *stream)
{
    fprintf(stream, "Usage: whatsit IMAGE...                       what is in the picture?\n"
                    "       whatsit IMAGE --labels \"cat,dog,fox\"  which of these is it?\n"
                    "       whatsit --help                         everything else\n");
}

void cli_help_all(void)
{
    const cli_verb *verb, *first = cli_verb_at(0);
    printf("whatsit says what is in a picture. It works offline, with any list of words.\n\n");
    cli_help_verb(first);
    printf("\nOther things it does:\n");
    for (size_t i = 1; (verb = cli_verb_at(i)); i++) {
        print_row(verb->name, verb->summary);
    }
    printf("\n'whatsit VERB --help' explains each, with examples. A picture that is called like a "
           "verb is\n"
           "written ./NAME.\n");
}

/* Text for troff: backslashes, hyphens, and dots or quotes that begin a line. */
static void man_text(const char *text, size_t n)
{
    bool line_start = true;
    for (size_t i = 0; i < n; i++) {
        if (line_start && (text[i] == '.' || text[i] == '\'')) {
            printf("\\&");
        }
        if (text[i] == '\\') {
            printf("\\e");
        } else if (text[i] == '-') {
            printf("\\-");
        } else if (text[i] == '\n' && i + 1 < n && text[i + 1] == '\n') {
            printf("\n.PP\n");
            i++;
        } else {
            putchar(text[i]);
        }
        line_start = text[i] == '\n';
    }
}

/* "term\n    explanation\n" pairs. */
static void man_pairs(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        bool is_term = text[0] != ' ';
        printf(is_term ? ".TP\n.B " : "");
        const char *from = text + (is_term ? 0 : strspn(text, " "));
        man_text(from, (size_t)(text + n - from));
        printf("\n");
        text += n + (text[n] == '\n');
    }
}

static void man_options(const cli_verb *verb)
{
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        /* What every verb takes is said once, with the main job. */
        bool common = !strcmp(option->name, "help") || !strcmp(option->name, "quiet");
        if (common && verb->name[0]) {
            continue;
        }
        printf(".TP\n");
        if (option->letter) {
            printf("\\fB\\-%c\\fR, ", option->letter);
        }
        printf("\\fB\\-\\-");
        man_text(option->name, strlen(option->name));
        printf("\\fR%s", option->value ? " \\fI" : "");
        if (option->value) {
            man_text(option->value, strlen(option->value));
            printf("\\fR");
        }
        printf("%s\n", option->repeats ? "..." : "");
        man_text(option->help, strlen(option->help));
        printf("%s\n", option->repeats ? " (may be repeated)" : "");
    }
}

static void man_verb(const cli_verb *verb)
{
    printf(".SS \"whatsit%s%s %s\"\n", verb->name[0] ? " " : "", verb->name, verb->operands);
    man_text(verb->summary, strlen(verb->summary));
    printf(".\n");
    if (verb->details) {
        printf(".PP\n");
        man_text(verb->details, strlen(verb->details));
        printf("\n");
    }
    man_options(verb);
    if (verb->examples) {
        printf(".PP\nExamples:\n");
        man_pairs(verb->examples);
    }
}

void cli_help_man(void)
{
    const cli_verb *verb;
    printf(".TH WHATSIT 1 \"\" \"whatsit %s\" \"User Commands\"\n", wi_version());
    printf(".SH NAME\nwhatsit \\- say what is in a picture\n.SH SYNOPSIS\n");
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        printf("%s.B whatsit%s%s\n[\\fIOPTION\\fR...] ", i ? ".br\n" : "", verb->name[0] ? " " : "",
               verb->name);
        man_text(verb->operands, strlen(verb->operands));
        printf("\n");
    }
    printf(".SH DESCRIPTION\nwhatsit turns a photo into a vector once, and any list of words into "
           "a head "
           "that reads that vector.\nIt works offline.\n.SH COMMANDS\n");
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        man_verb(verb);
    }
    printf(".SH ENVIRONMENT\n");
    man_pairs(environment_help);
    printf(".SH FILES\n");
    man_pairs("~/.local/share/whatsit/heads\n    your heads\n"
              "~/.local/share/whatsit/models\n    models brought by 'whatsit pull'\n"
              "~/.cache/whatsit\n    compiled heads and unfinished downloads; can be deleted at "
              "any time\n");
    printf(".SH \"EXIT STATUS\"\n");
    man_pairs(exit_help);
}
