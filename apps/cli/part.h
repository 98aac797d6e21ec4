/* What a head's build has done so far, kept in a file beside where the finished head is cached, so that an
 * interrupted build (Ctrl-C, a crash, no power) goes on from there. One that is left for days is removed when another
 * build begins. */
#ifndef CLI_PART_H
#define CLI_PART_H

#include "runtime.h"
#include <whatsit/head.h>

typedef struct cli_part {
    const cli_runtime *runtime;
    const char *head; /* its name, for messages */
    char *path;       /* NULL: nothing is kept */
    double saved_at, pause_ms;
    bool kept, failed;
    wi_head_keeper keeper;
} cli_part;

/* Owns: path (malloc, may be NULL) goes to the part; the part stays where it is until it is closed. */
void cli_part_open(cli_part *part, const cli_runtime *runtime, const char *head, char *path);
/* Removes the file when the build is over; otherwise says that it is there. */
void cli_part_close(cli_part *part, int status);

#endif
