#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [WI_OK] = "ok",
    [WI_ERR_ARG] = "argument",
    [WI_ERR_NOMEM] = "memory",
    [WI_ERR_IO] = "io",
    [WI_ERR_FORMAT] = "format",
    [WI_ERR_UNSUPPORTED] = "unsupported",
    [WI_ERR_LIMIT] = "limit",
    [WI_ERR_MISMATCH] = "mismatch",
    [WI_ERR_NOT_FOUND] = "not found",
    [WI_ERR_CANCELLED] = "cancelled",
    [WI_ERR_INTERNAL] = "internal",
};

const char *wi_status_name(wi_status status)
{
    size_t i = (size_t)status;
    return i < sizeof status_names / sizeof *status_names ? status_names[i] : "unknown";
}

/* File names and bytes of hostile files end up in messages: keep them one line and harmless on a
 * terminal, and do not leave half a UTF-8 sequence where the buffer ended. */
static void make_one_line(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            text[i] = '?';
    }
    size_t back = 0;
    while (back < 4 && back < n && ((unsigned char)text[n - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back >= n)
        return;
    unsigned char lead = (unsigned char)text[n - 1 - back];
    size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (want > back)
        text[n - 1 - back] = '\0';
}

wi_status wi_fail(wi_error *error, wi_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
        make_one_line(error->message);
    }
    return status;
}

wi_status wi_fail_nomem(wi_error *error, size_t n_bytes, const char *what)
{
    return wi_fail(error, WI_ERR_NOMEM, "out of memory (%zu bytes for %s)", n_bytes, what);
}

wi_status wi_fail_errno(wi_error *error, const char *path, const char *what, int errno_value)
{
    return wi_fail(error, WI_ERR_IO, "%s: %s: %s", path, what, strerror(errno_value));
}

void wi_error_prefix(wi_error *error, const char *prefix)
{
    if (!error)
        return;
    char old[WI_ERROR_MESSAGE_BYTES];
    memcpy(old, error->message, sizeof old);
    wi_fail(error, error->status, "%s: %s", prefix, old);
}
