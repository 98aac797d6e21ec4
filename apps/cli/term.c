#include "term.h"
#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

double cli_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

void cli_app_init(cli_app *app)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = !term || !strcmp(term, "dumb");
    *app = (cli_app){.started_at = cli_now_ms()};
    /* Names and labels are UTF-8, also on a terminal that cannot show them all. */
    setlocale(LC_CTYPE, "");
    app->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
    if (!app->utf8 && !setlocale(LC_CTYPE, "C.UTF-8")) {
        setlocale(LC_CTYPE, "en_US.UTF-8");
    }
    app->out_terminal = isatty(STDOUT_FILENO) == 1;
    app->err_terminal = isatty(STDERR_FILENO) == 1 && !dumb;
    app->colour = app->out_terminal && !dumb && !(no_colour && no_colour[0]);
}

/* Bytes of the character at text (1..4), or 0: no UTF-8. cli_app_init chose such a locale. */
static size_t character(const char *text, wchar_t *out)
{
    mbstate_t state = {0};
    size_t n = mbrtowc(out, text, MB_LEN_MAX, &state);
    return n <= MB_LEN_MAX ? n : 0;
}

void cli_printable(const char *text, char *out, size_t n_out)
{
    size_t used = 0;
    wchar_t c;
    while (*text) {
        size_t n = character(text, &c);
        bool control = n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0);
        size_t n_write = control ? 1 : n;
        if (used + n_write + 1 > n_out) {
            break;
        }
        memcpy(out + used, control ? "?" : text, n_write);
        used += n_write;
        text += n ? n : 1;
    }
    out[used] = '\0';
}

size_t cli_columns(const char *text)
{
    size_t n_columns = 0;
    wchar_t c;
    for (size_t n; *text; text += n ? n : 1) {
        n = character(text, &c);
        int width = n ? wcwidth(c) : 1;
        n_columns += width < 0 ? 1 : (size_t)width;
    }
    return n_columns;
}

static void print_line(cli_app *app, const char *format, va_list arguments)
{
    /* Two paths of the greatest length, and words. By the main thread only. */
    static char message[3 * PATH_MAX], clean[3 * PATH_MAX];
    vsnprintf(message, sizeof message, format, arguments);
    cli_printable(message, clean, sizeof clean);
    cli_progress_clear(app);
    fflush(stdout);
    fprintf(stderr, "whatsit: %s\n", clean);
}

void cli_error(cli_app *app, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(app, format, arguments);
    va_end(arguments);
}

void cli_note(cli_app *app, const char *format, ...)
{
    if (app->quiet) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    print_line(app, format, arguments);
    va_end(arguments);
}

/* Control characters of a path are '?' in messages. */
static bool is_same_text(const char *message, const char *path, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)path[i];
        if (message[i] != (c < 0x20 || c == 0x7f ? '?' : path[i])) {
            return false;
        }
    }
    return true;
}

/* What a message says behind the path that it begins with, whole or as "..." and its end; all of it
 * where it begins otherwise. */
static const char *without_path(const char *message, const char *path)
{
    size_t n = strlen(path), n_dots = strncmp(message, "...", 3) ? 0 : 3;
    for (size_t skipped = 0; skipped < (n_dots ? n : 1); skipped++) {
        size_t n_end = n - skipped;
        const char *end = message + n_dots;
        if (n_end + 1 < strlen(end) && end[n_end] == ':' && end[n_end + 1] == ' ' &&
            is_same_text(end, path + skipped, n_end)) {
            return end + n_end + 2;
        }
    }
    return message;
}

int cli_failed(cli_app *app, const char *prefix, const wi_error *error)
{
    if (error->status == WI_ERR_CANCELLED || cli_interrupted()) {
        cli_progress_clear(app);
        return CLI_INTERRUPTED;
    }
    /* Messages about files begin with the path already, which may be cut there. */
    if (prefix) {
        cli_error(app, "%s: %s", prefix, without_path(error->message, prefix));
    } else {
        cli_error(app, "%s", error->message);
    }
    return CLI_FAILED;
}

void cli_progress_line(cli_app *app, const char *line, bool force)
{
    double now = cli_now_ms();
    /* What is over at once needs no progress. */
    bool early = now - app->started_at < 300 || now - app->progress_at < 100;
    if (!app->err_terminal || app->quiet || (!force && early)) {
        return;
    }
    char clean[160];
    cli_printable(line, clean, sizeof clean);
    fprintf(stderr, "\r\033[K%s", clean);
    fflush(stderr);
    app->progress_at = now;
    app->progress_shown = true;
}

void cli_progress(cli_app *app, const char *what, uint64_t done, uint64_t total)
{
    char line[160];
    if (total > 0) {
        snprintf(line, sizeof line, "%.100s  %llu / %llu  %llu %%", what, (unsigned long long)done,
                 (unsigned long long)total, (unsigned long long)(100 * done / total));
    } else {
        snprintf(line, sizeof line, "%.100s  %llu", what, (unsigned long long)done);
    }
    cli_progress_line(app, line, false);
}

void cli_progress_until(cli_app *app, const char *what, uint64_t done, uint64_t total,
                        double since_ms)
{
    double spent = (cli_now_ms() - since_ms) / 1000;
    double left = done > 0 ? spent / (double)done * (double)(total - done) : 0;
    char text[100];
    if (spent < 2 || done >= total) { /* too early to tell */
        cli_progress(app, what, done, total);
        return;
    }
    snprintf(text, sizeof text,
             left < 90     ? "%.60s, %.0f s to go"
             : left < 5400 ? "%.60s, %.0f min to go"
                           : "%.60s, %.1f h to go",
             what,
             left < 90     ? left
             : left < 5400 ? left / 60
                           : left / 3600);
    cli_progress(app, text, done, total);
}

void cli_progress_clear(cli_app *app)
{
    if (app->progress_shown) {
        fputs("\r\033[K", stderr);
        app->progress_shown = false;
    }
}

static bool meter_report(void *context, uint64_t done, uint64_t total)
{
    const cli_meter *meter = context;
    cli_progress(meter->app, meter->what, done, total);
    return !cli_interrupted();
}

wi_progress cli_meter_progress(cli_meter *meter)
{
    return (wi_progress){meter_report, meter};
}

const char *cli_size_text(uint64_t n_bytes, char *text)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)n_bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit < 4) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 24, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

bool cli_output_ok(cli_app *app)
{
    if (ferror(stdout) && !app->out_errno) {
        app->out_errno = errno ? errno : EIO;
    }
    return app->out_errno == 0;
}

int cli_finish_output(cli_app *app)
{
    if (app->out_errno == 0 && fflush(stdout) != 0) {
        app->out_errno = errno ? errno : EIO;
    }
    if (!cli_output_ok(app)) {
        cli_error(app, "standard output: cannot write: %s", strerror(app->out_errno));
        return CLI_FAILED;
    }
    return CLI_OK;
}
