/* Waiting until something changes in the folders of a library. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "../library/catalog.h"
#include "cli.h"

/* Returns when files came, went or changed and nothing more has happened for a second. False after
 * Ctrl-C, or after saying why folders cannot be watched. */
bool cli_watch_wait(cli_app *app, catalog *cat);

#endif
