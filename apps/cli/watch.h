/* Waiting for something to change in the folders of a library. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "../library/catalog.h"
#include "cli.h"

/* Where a folder of the library is, as the system knows it: another one when a drive is plugged in or out. */
typedef struct cli_watched {
    char *path;
    uint64_t device, inode; /* 0: it is not there */
} cli_watched;

typedef struct cli_watch {
    int fd;
    cli_watched *roots;
    size_t n_roots;
} cli_watch;

/* Watches the library's folders and those in them, from now on. Again after each change, before the folders are looked
 * at, so that nothing is missed. False after saying why not; close it in any case. {.fd = -1} to begin with. */
bool cli_watch_folders(cli_app *app, catalog *cat, cli_watch *watch);
/* Returns when something has changed in them since, or since it returned last, and it has been quiet for a moment (or
 * has not for long), or when the user stops it: then false. */
bool cli_watch_wait(const cli_watch *watch);
void cli_watch_close(cli_watch *watch);

#endif
