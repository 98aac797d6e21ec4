/* Bringing a library up to date with the folders that it was made from. */
#ifndef CLI_INDEXING_H
#define CLI_INDEXING_H

#include "photo_library.h"

typedef struct cli_indexed {
    size_t n_files;  /* pictures and videos found in the folders */
    size_t n_videos; /* of these */
    size_t n_new;    /* embedded now */
    size_t n_known;  /* files that are new, of contents that were there: moved, renamed, copied */
    size_t n_gone;   /* files that are not there any more */
    size_t n_unreadable; /* of those that were looked at now */
    size_t n_away;       /* folders that are not there now: what was known of them is kept */
    double seconds;
} cli_indexed;

/* Looks at every folder of the library, embeds what is new and forgets what is gone. What was embedded
 * is kept in small steps, so that it can be stopped, or killed, at any moment.
 * CLI_OK; CLI_FAILED when some pictures could not be read (the others are there) or nothing works;
 * CLI_INTERRUPTED. */
int cli_index_update(const cli_runtime *runtime, cli_library *library, cli_indexed *out);

#endif
