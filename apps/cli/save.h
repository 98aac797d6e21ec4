/* Output files of the command line: whole or not at all, also to pipes and standard output. */
#ifndef CLI_SAVE_H
#define CLI_SAVE_H

#include "args.h"
#include "paths.h"

/* A stream whose text goes to a sink: a file that appears whole at the end; a pipe or device as it
 * comes; "-" is standard output. */
typedef struct cli_save {
    FILE *stream;
    char *waiting; /* what was printed and not yet written */
    size_t n_waiting;
    wi_sink *sink;
    bool is_stdout;
    wi_error failed; /* of the first write that failed */
} cli_save;

wi_status cli_save_open(cli_save *save, const char *path, wi_error *error);
/* Call it now and then after printing, so that little waits in memory. False once a write failed. */
bool cli_save_ok(cli_save *save);
/* Writes the rest and puts the file in place. On failure nothing is left but the old one. */
wi_status cli_save_commit(cli_save *save, wi_error *error);
/* Safe after commit and on a zeroed save. */
void cli_save_abandon(cli_save *save);

/* The row of a verb's options that cli_may_write reads. */
#define CLI_FORCE_OPTION {"force", 0, NULL, false, "replace a file that is there", NULL}
/* The one rule for every file that a verb writes: what is there is not replaced unless --force says
 * so, and never when the verb reads it too: as an operand, as the value of another option, or as one
 * of the files in more (nullable). option: the one that names the file; fine when it was not given.
 * Returns CLI_OK, or CLI_FAILED after printing why. */
int cli_may_write(cli_app *app, const cli_args *args, const char *option, const cli_list *more);

/* The same for a path that goes with the option's. */
int cli_may_replace(cli_app *app, const cli_args *args, const char *option, const char *path,
                    const cli_list *more);

/* wi_tensors_write to any path that cli_save_open takes. */
wi_status cli_save_tensors(const char *path, const wi_tensor *tensors, size_t n_tensors,
                           const char *const (*metadata)[2], size_t n_metadata, wi_error *error);

#endif
