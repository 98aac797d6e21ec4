#include "listed.h"
#include "term.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_listed_read(cli_app *app, const cli_args *args, cli_list *paths)
{
    return cli_lines_read(app, cli_args_value(args, "files-from"),
                          cli_args_has(args, "null") ? '\0' : '\n', paths);
}

int cli_lines_open(cli_app *app, const char *name, int end, cli_lines *out)
{
    *out = (cli_lines){
        .file = strcmp(name, "-") ? fopen(name, "rb") : stdin, .name = name, .end = end};
    if (!out->file) {
        cli_error(app, "%s: cannot open: %s", name, strerror(errno));
        return CLI_FAILED;
    }
    return CLI_OK;
}

const char *cli_lines_next(cli_lines *lines)
{
    ssize_t n;
    while ((n = getdelim(&lines->line, &lines->room, lines->end, lines->file)) > 0) {
        static const char mark[] =
            "\xef\xbb\xbf"; /* what some editors put before a text in UTF-8 */
        n -= lines->line[n - 1] == (char)lines->end;
        n -= lines->end == '\n' && n > 0 && lines->line[n - 1] == '\r';
        lines->line[n] = '\0';
        lines->number++;
        if (strlen(lines->line) < (size_t)n) { /* what follows it would be lost */
            lines->failed = EILSEQ;
            return NULL;
        }
        const bool marked = lines->number == 1 && !strncmp(lines->line, mark, 3);
        if (n > (marked ? 3 : 0)) {
            return lines->line + (marked ? 3 : 0);
        }
    }
    lines->failed = ferror(lines->file) ? errno : feof(lines->file) ? 0 : ENOMEM;
    return NULL;
}

int cli_lines_close(cli_app *app, cli_lines *lines)
{
    const int failed = lines->failed;
    if (failed && failed != EILSEQ) {
        cli_error(app, "%s: cannot read: %s", lines->name, strerror(failed));
    } else if (failed) {
        cli_error(
            app,
            "%s: line %zu holds a zero byte: names that end with one need --null, and UTF-16 is "
            "not read: save it as UTF-8",
            lines->name, lines->number);
    }
    free(lines->line);
    if (lines->file && lines->file != stdin) {
        fclose(lines->file);
    }
    *lines = (cli_lines){0};
    return failed ? CLI_FAILED : CLI_OK;
}

int cli_lines_read(cli_app *app, const char *name, int end, cli_list *out)
{
    cli_lines lines;
    int status = CLI_OK;
    if (!name) {
        return CLI_OK;
    }
    if (cli_lines_open(app, name, end, &lines) != CLI_OK) {
        return CLI_FAILED;
    }
    for (const char *line; status == CLI_OK && (line = cli_lines_next(&lines));) {
        if (!cli_list_add(out, cli_text("%s", line))) {
            cli_error(app, "out of memory");
            status = CLI_FAILED;
        }
    }
    const int closed = cli_lines_close(app, &lines);
    return status == CLI_OK ? closed : status;
}
