/* Pictures that a file names, one a line. */
#ifndef CLI_LISTED_H
#define CLI_LISTED_H

#include "args.h"
#include "paths.h"

/* The rows of a verb's options that cli_listed_read reads. */
#define CLI_LISTED_OPTIONS                                                                         \
    {"files-from", 0, "FILE", false, "pictures named in a file, one a line; '-': standard input",  \
     "@file"},                                                                                     \
    {                                                                                              \
        "null", '0', NULL, false, "with --files-from: names end with a zero byte", NULL            \
    }

/* A file's lines one after the other. */
typedef struct cli_lines {
    FILE *file;
    const char *name; /* borrowed */
    int end, failed;  /* failed: 0, or the errno of reading; EILSEQ: a zero byte within a line */
    size_t number;    /* of the line that came last, from 1 */
    char *line;
    size_t room;
} cli_lines;

/* name: "-" is standard input; end: the byte that ends a line. CLI_FAILED after saying what is wrong. */
int cli_lines_open(cli_app *app, const char *name, int end, cli_lines *out);
/* The next line that is not empty, without its end, until the next call. NULL: there is none, or `failed`. */
const char *cli_lines_next(cli_lines *lines);
/* CLI_FAILED after saying why the file could not be read to its end. Safe on a zeroed one. */
int cli_lines_close(cli_app *app, cli_lines *lines);

/* Adds the lines of a file that are not empty, each up to a byte `end`; name: NULL adds none, "-" is standard
 * input. CLI_FAILED after saying what is wrong. */
int cli_lines_read(cli_app *app, const char *name, int end, cli_list *lines);
/* Adds what --files-from names. CLI_FAILED after saying what is wrong. */
int cli_listed_read(cli_app *app, const cli_args *args, cli_list *paths);

#endif
