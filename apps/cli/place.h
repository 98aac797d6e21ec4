/* Files copied, linked or moved into a folder without ever replacing one, logged so that all of it
 * can be taken back. */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "party.h"

typedef enum cli_place_how { CLI_PLACE_COPY = 0, CLI_PLACE_LINK, CLI_PLACE_MOVE } cli_place_how;

/* What is under way; zero-initialised but for how and into. */
typedef struct cli_placing {
    cli_place_how how;
    FILE *log;
    char *log_path; /* also once the log is closed */
    const char *into;
    cli_list moved_from, moved_to; /* absolute: where a link's file is now */
    size_t n_companions, n_there;  /* done; photos that were there already */
} cli_placing;

/* Brings the party into folder under its own names, or "photo-2.jpg" and "photo-2.xmp" when one of them
 * is taken by another file. A photo that is there already, byte for byte, is left where it is and
 * counted. A link that is moved leads to the same file as before. Each step is written to the log and
 * flushed before it is done.
 * Errors: WI_ERR_IO, WI_ERR_NOMEM, WI_ERR_LIMIT (a full disk or a log that cannot be written: nothing
 *     else will do better); then nothing is left half-done and the originals are whole */
wi_status cli_place_party(cli_placing *placing, const cli_party *party, const char *folder,
                          wi_error *error);
/* Makes the folder placing->into, and in it the log "whatsit-VERB-TIME-PROCESS.tsv". An exit code. */
int cli_place_open_log(cli_app *app, cli_placing *placing, const char *verb);
/* A log that tells of nothing is not left behind. gave_up: what could not be written was told already. */
int cli_place_close_log(cli_app *app, cli_placing *placing, bool gave_up);
/* The file at path, byte for byte that at kept, becomes another name of it (a hard link); logged as the
 * others are, and taken back by making it a file of its own. False, untouched: they are not the same, are
 * the same file already, or lie on different drives.
 * Errors: as cli_place_party */
wi_status cli_place_unite(cli_placing *placing, const char *kept, const char *path, bool *done,
                          wi_error *error);
void cli_placing_free(cli_placing *placing);

/* Takes the log's steps back, last first, and says how many. What cannot be taken back safely (a
 * changed copy, a name that is taken, a file that is gone) is named and kept; a folder that
 * holds something stays, one that is gone is made again. Of what is no such log, nothing is done.
 * CLI_OK; CLI_FAILED when something was kept, or after saying what is wrong. */
int cli_place_run_undo(cli_app *app, const char *log);

#endif
