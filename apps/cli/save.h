/* Output files of the command line: whole or not at all, also to pipes and standard output. */
#ifndef CLI_SAVE_H
#define CLI_SAVE_H

#include "cli.h"

/* A stream to PATH: written beside and renamed at the end; "-" and what is no regular file (a pipe,
 * a device) are written to directly. */
typedef struct cli_save {
    FILE *stream;
    const char *path;
    char *temporary; /* NULL when written directly */
    bool is_stdout;
    int number; /* errno of the first failed write, 0: none */
} cli_save;

wi_status cli_save_open(cli_save *save, const char *path, wi_error *error);
/* Remembers why a write to the stream failed; call it after writing. False once one has. */
bool cli_save_ok(cli_save *save);
/* Flushes, checks and renames. On failure nothing is left but the old file. */
wi_status cli_save_commit(cli_save *save, wi_error *error);
/* Safe after commit and on a zeroed save. */
void cli_save_abandon(cli_save *save);

/* wi_tensors_write to any path that cli_save_open takes. */
wi_status cli_save_tensors(const char *path, const wi_tensor *tensors, size_t n_tensors,
                           const char *const (*metadata)[2], size_t n_metadata, wi_error *error);

#endif
