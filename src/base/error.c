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

/* The end of a path that leaves room for n_rest bytes of what went wrong: the name is worth more
 * than where it lies, and the reason more than both. */
static const char *shortened(const char *path, size_t n_rest, const char **dots)
{
    size_t n = strlen(path), room = WI_ERROR_MESSAGE_BYTES - 1;
    room = n_rest + 40 < room ? room - n_rest : 40;
    *dots = n > room ? "..." : "";
    if (n <= room)
        return path;
    path += n - (room - 3);
    while (((unsigned char)*path & 0xc0) == 0x80)
        path++;
    return path;
}

wi_status wi_fail_errno(wi_error *error, const char *path, const char *what, int errno_value)
{
    const char *dots, *why = strerror(errno_value);
    path = shortened(path, strlen(what) + strlen(why) + 4, &dots);
    return wi_fail(error, WI_ERR_IO, "%s%s: %s: %s", dots, path, what, why);
}

void wi_error_prefix(wi_error *error, const char *prefix)
{
    if (!error)
        return;
    char old[WI_ERROR_MESSAGE_BYTES];
    memcpy(old, error->message, sizeof old);
    const char *dots, *end = shortened(prefix, strlen(old) + 2, &dots);
    wi_fail(error, error->status, "%s%s: %s", dots, end, old);
}

wi_status wi_check_zero(const uint64_t *reserved, size_t n, const char *what, wi_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (reserved[i])
            return wi_fail(
                error, WI_ERR_UNSUPPORTED,
                "%s.reserved is not zero: zero the struct first, or use the library that "
                "its members belong to",
                what);
    return WI_OK;
}
