#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    app->out_terminal = isatty(STDOUT_FILENO) == 1;
    app->err_terminal = isatty(STDERR_FILENO) == 1 && !dumb;
    app->colour = app->out_terminal && !dumb && !(no_colour && no_colour[0]);
}

/* Bytes of the valid UTF-8 character at text (1..4), or 0. */
static size_t utf8_length(const unsigned char *text)
{
    size_t n = text[0] < 0x80   ? 1
               : text[0] < 0xc2 ? 0
               : text[0] < 0xe0 ? 2
               : text[0] < 0xf0 ? 3
               : text[0] < 0xf5 ? 4
                                : 0;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (text[0] == 0xe0 && n == 3 && text[1] < 0xa0) ||
                    (text[0] == 0xf0 && n == 4 && text[1] < 0x90);
    bool outside = (text[0] == 0xed && n == 3 && text[1] > 0x9f) ||
                   (text[0] == 0xf4 && n == 4 && text[1] > 0x8f);
    return overlong || outside ? 0 : n;
}

void cli_printable(const char *text, char *out, size_t n_out)
{
    const unsigned char *in = (const unsigned char *)text;
    size_t used = 0;
    while (*in) {
        size_t n = utf8_length(in);
        bool control = n == 0 || (n == 1 && (*in < 0x20 || *in == 0x7f)) ||
                       (n == 2 && in[0] == 0xc2 && in[1] < 0xa0);
        size_t n_write = control ? 1 : n;
        if (used + n_write + 1 > n_out) {
            break;
        }
        if (control) {
            out[used] = '?';
        } else {
            memcpy(out + used, in, n);
        }
        used += n_write;
        in += n ? n : 1;
    }
    out[used] = '\0';
}

/* Of a character on a terminal: what combines takes no column, what East Asia writes in a square takes two. */
static size_t width_of(uint32_t c)
{
    static const uint32_t none[][2] = {
        {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
        {0x64b, 0x65f},   {0x93a, 0x93a},   {0x93c, 0x93c},   {0x941, 0x948},
        {0x94d, 0x94d},   {0xe31, 0xe31},   {0xe34, 0xe3a},   {0xe47, 0xe4e},
        {0x200b, 0x200f}, {0x202a, 0x202e}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
    static const uint32_t two[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                      {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                      {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        if (c >= none[i][0] && c <= none[i][1]) {
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        if (c >= two[i][0] && c <= two[i][1]) {
            return 2;
        }
    }
    return 1;
}

size_t cli_columns(const char *text)
{
    const unsigned char *in = (const unsigned char *)text;
    size_t n_columns = 0;
    for (size_t n; *in; in += n) {
        n = utf8_length(in);
        uint32_t c = n < 2 ? *in : *in & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
            c = c << 6 | (in[i] & 0x3fU);
        }
        n_columns += width_of(c);
        n = n ? n : 1;
    }
    return n_columns;
}

static void print_line(cli_app *app, const char *format, va_list arguments)
{
    char message[2048], clean[2048];
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

int cli_failed(cli_app *app, const char *prefix, const wi_error *error)
{
    if (error->status == WI_ERR_CANCELLED || cli_interrupted()) {
        cli_progress_clear(app);
        return CLI_INTERRUPTED;
    }
    /* Messages about files begin with the path already. */
    if (prefix && strncmp(error->message, prefix, strlen(prefix))) {
        cli_error(app, "%s: %s", prefix, error->message);
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
