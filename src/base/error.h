/* Filling the caller's error. */
#ifndef WI_BASE_ERROR_H
#define WI_BASE_ERROR_H

#include <stdarg.h>
#include <whatsit/status.h>

/* Formats the message (cut to fit, control characters replaced so that it stays one line) and
 * returns status, so that a failing function can `return wi_fail(...)`. error may be NULL. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
wi_status
wi_fail(wi_error *error, wi_status status, const char *format, ...);

/* "out of memory (N bytes for WHAT)". */
wi_status wi_fail_nomem(wi_error *error, size_t n_bytes, const char *what);

/* WI_ERR_IO (WI_ERR_NOT_FOUND for ENOENT is not used: a missing file is an IO error) with
 * "PATH: WHAT: strerror(errno_value)". */
wi_status wi_fail_errno(wi_error *error, const char *path, const char *what, int errno_value);

/* WI_ERR_UNSUPPORTED when `reserved`, an array in a struct that the caller filled, is not zero: it belongs to a later
 * version of the library, or was never cleared. */
#define wi_check_reserved(reserved, what, error)                                                   \
    wi_check_zero(reserved, sizeof(reserved) / sizeof *(reserved), what, error)
wi_status wi_check_zero(const uint64_t *reserved, size_t n, const char *what, wi_error *error);

/* Puts "PREFIX: " before the message of an error that is already set. */
void wi_error_prefix(wi_error *error, const char *prefix);

#endif
