/* What goes to the terminal besides answers: errors, notes, one progress line. All on standard
 * error, all from the main thread. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include "cli.h"

void cli_app_init(cli_app *app);

/* "whatsit: MESSAGE" on one line, whatever bytes the message holds. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void cli_error(cli_app *app, const char *format, ...);
/* The same for remarks, left out with --quiet. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void cli_note(cli_app *app, const char *format, ...);
/* Prints a library error, with "PREFIX: " before it unless prefix is NULL; returns CLI_FAILED, or
 * CLI_INTERRUPTED when the user stopped it. */
int cli_failed(cli_app *app, const char *prefix, const wi_error *error);

/* Draws "WHAT  done/total  NN %" in place, at most ten times a second, on a terminal only. */
void cli_progress(cli_app *app, const char *what, uint64_t done, uint64_t total);
/* The same with the time to go, at the pace since since_ms (as cli_now_ms tells it). */
void cli_progress_until(cli_app *app, const char *what, uint64_t done, uint64_t total,
                        double since_ms);
/* The same with a ready line. */
void cli_progress_line(cli_app *app, const char *line, bool force);
void cli_progress_clear(cli_app *app);

/* A wi_progress that draws such a line and stops the work on Ctrl-C. */
typedef struct cli_meter {
    cli_app *app;
    const char *what;
} cli_meter;
wi_progress cli_meter_progress(cli_meter *meter);

/* "605 MB", "1.7 GB": text is at least 24 bytes. */
const char *cli_size_text(uint64_t n_bytes, char *text);
/* Copies text with control characters (also C1 and broken UTF-8) replaced by '?'; cut to fit. */
void cli_printable(const char *text, char *out, size_t n_out);

/* How many columns of a terminal printable text takes, near enough to line up a table. */
size_t cli_columns(const char *text);

double cli_now_ms(void);

/* False once standard output cannot be written; ask after each record, so that work stops early. */
bool cli_output_ok(cli_app *app);
/* Flushes standard output. CLI_FAILED after saying why when something could not be written. */
int cli_finish_output(cli_app *app);

#endif
