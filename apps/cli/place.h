/* Files copied, linked or moved into a folder without ever replacing one, logged so that all of it
 * can be taken back. */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "paths.h"

typedef enum cli_place_how { CLI_PLACE_COPY = 0, CLI_PLACE_LINK, CLI_PLACE_MOVE } cli_place_how;

/* Brings the file into folder as name, or "name-2.jpg", ... when that is taken. The step is written
 * to log and flushed before it is done. *to (the caller frees) tells where.
 * Errors: WI_ERR_IO, WI_ERR_NOMEM, WI_ERR_LIMIT (a full disk or a log that cannot be written: nothing else will do
 *     better); then nothing is left half-done and the original is whole */
wi_status cli_place_file(cli_place_how how, const char *from, const char *folder, const char *name,
                         FILE *log, char **to, wi_error *error);

/* Makes the folder, in parent, unless it is there; the step is written to log and flushed before.
 * Errors: as above */
wi_status cli_place_folder(const char *parent, const char *folder, FILE *log, wi_error *error);

/* Takes the log's steps back, last first; n_undone counts files. What cannot be taken back safely
 * (a changed copy, a name that is taken) is named, kept and counted; a folder that holds something
 * stays.
 * Errors: WI_ERR_IO, WI_ERR_FORMAT (no such log; then nothing is done), WI_ERR_NOMEM */
wi_status cli_place_undo(const char *log, cli_app *app, size_t *n_undone, size_t *n_kept,
                         wi_error *error);

#endif
