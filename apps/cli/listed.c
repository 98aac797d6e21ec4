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

int cli_lines_read(cli_app *app, const char *name, int end, cli_list *lines)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int status = CLI_OK;
    if (!name) {
        return CLI_OK;
    }
    FILE *file = strcmp(name, "-") ? fopen(name, "rb") : stdin;
    if (!file) {
        cli_error(app, "%s: cannot open: %s", name, strerror(errno));
        return CLI_FAILED;
    }
    while (status == CLI_OK && (n = getdelim(&line, &room, end, file)) > 0) {
        n -= line[n - 1] == (char)end;
        n -= end == '\n' && n > 0 && line[n - 1] == '\r';
        if (n > 0 && !cli_list_add(lines, cli_text("%.*s", (int)n, line))) {
            cli_error(app, "out of memory");
            status = CLI_FAILED;
        }
    }
    if (status == CLI_OK && ferror(file)) {
        cli_error(app, "%s: cannot read: %s", name, strerror(errno));
        status = CLI_FAILED;
    }
    free(line);
    if (file != stdin) {
        fclose(file);
    }
    return status;
}
