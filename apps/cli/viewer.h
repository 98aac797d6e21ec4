/* Photos shown by another program. */
#ifndef CLI_VIEWER_H
#define CLI_VIEWER_H

#include "cli.h"
#include "paths.h"

/* Starts the program that WHATSIT_VIEWER names with all paths, without waiting for it; without that
 * variable, xdg-open (of macOS: open) with the page. CLI_OK, or CLI_FAILED after saying what is missing. */
int cli_viewer_show(cli_app *app, const cli_list *paths, const char *page);

#endif
