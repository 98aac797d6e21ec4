/* A contact sheet: one HTML page with small copies of photos in it, which needs nothing else. */
#ifndef CLI_SHEET_H
#define CLI_SHEET_H

#include "save.h"

/* Zero-initialised: no sheet, and all of the calls below do nothing. */
typedef struct cli_sheet {
    cli_app *app;
    const wi_engine *engine;
    cli_save save;
    bool in_group;
    size_t n_photos;
} cli_sheet;

/* A page at path; title is text. Returns an exit code. */
int cli_sheet_open(cli_app *app, const wi_engine *engine, const char *path, const char *title,
                   cli_sheet *out);
/* The photos that follow stand together below heading (text). */
void cli_sheet_group(cli_sheet *sheet, const char *heading);
/* The photo at path with a line of text below; chosen ones are marked. One that cannot be read is there by
 * its name. */
void cli_sheet_photo(cli_sheet *sheet, const char *path, const char *text, bool chosen);
/* The same with the frame of a video that is shown at a time; -1: a photo. */
void cli_sheet_video(cli_sheet *sheet, const char *path, int64_t at_ms, const char *text,
                     bool chosen);
/* Puts the page in its place. Returns an exit code. */
int cli_sheet_close(cli_sheet *sheet);

#endif
