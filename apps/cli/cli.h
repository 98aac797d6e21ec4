/* What every verb of the command line sees: its row in the table, the options given, exit codes.
 * A new verb is one file that defines a cli_verb and one row in verbs.c; help, man page and
 * completions are made from that row. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdarg.h>
#include <stdio.h>
#include <whatsit/whatsit.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

typedef struct cli_option {
    const char *name;  /* long name, without dashes; NULL ends a table */
    char letter;       /* short name, or 0 */
    const char *value; /* placeholder such as "FILE"; NULL for a flag */
    bool repeats;      /* may be given several times, and each counts */
    const char *help;  /* one line */
    const char
        *complete; /* "@file", "@dir", "@model", "@head", or words with spaces; NULL: nothing */
} cli_option;

/* Options that several verbs share. */
enum { CLI_TAKES_MODEL = 1, CLI_TAKES_THREADS = 2, CLI_TAKES_PICTURES = 4 };

typedef struct cli_app cli_app;
typedef struct cli_args cli_args;

typedef struct cli_verb {
    const char *name;     /* "head new"; "" for the main job */
    const char *operands; /* "NAME", "IMAGE..." as shown in the synopsis; "" for none */
    const char *summary;  /* one line, no full stop */
    const char *details;  /* paragraphs, separated by an empty line; NULL for none */
    const char *examples; /* lines "command\n    what it does\n" */
    const char *complete; /* what operands complete to, as in cli_option */
    size_t min_operands, max_operands;
    unsigned shared; /* CLI_TAKES_... */
    const cli_option *options;
    int (*run)(cli_app *app, const cli_args *args);
} cli_verb;

/* NULL past the end. The first row is the main job. */
const cli_verb *cli_verb_at(size_t index);
/* The verb called name, or NULL. */
const cli_verb *cli_verb_find(const char *name);
/* Is it the first word of verbs that this build was made without? */
bool cli_verb_is_left_out(const char *word);
/* Every option of a verb, its own first, then the shared ones; NULL past the end. */
const cli_option *cli_verb_option(const cli_verb *verb, size_t index);

struct cli_app {
    bool quiet;
    bool out_terminal, err_terminal;
    bool colour;         /* on standard output */
    bool utf8;           /* the terminal shows more than ASCII */
    bool progress_shown; /* a progress line stands on standard error */
    double started_at;   /* when the program began, in ms */
    double progress_at;  /* when the progress line was last drawn */
    int out_errno;       /* the first failed write to standard output; 0: none */
};

typedef struct cli_given {
    const cli_option *option;
    const char *value; /* NULL for a flag */
} cli_given;

struct cli_args {
    const cli_verb *verb;
    cli_given *given;
    size_t n_given;
    const char **operands;
    size_t n_operands;
    bool help;
};

/* True once the user has pressed Ctrl-C (or the process was asked to end). A second one ends at
 * once. */
bool cli_interrupted(void);

#endif
