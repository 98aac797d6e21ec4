/* Places in the file system that were visited: a folder by itself, a file by its folder and name, so
 * that two names of one file are two. */
#ifndef CLI_SEEN_H
#define CLI_SEEN_H

#include <stdbool.h>
#include <sys/stat.h>

typedef struct cli_seen cli_seen;

/* NULL when memory is out. */
cli_seen *cli_seen_open(void);
void cli_seen_close(cli_seen **seen);
/* True the first time; name "" for the folder itself. Memory that is out counts as the first time.
 */
bool cli_seen_first(cli_seen *seen, const struct stat *folder, const char *name);

#endif
