/* Errors of the store and the server, in the library's own form. */
#ifndef STORE_FAIL_H
#define STORE_FAIL_H

#include <whatsit/status.h>

/* Fills the caller's error (nullable) and returns status. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
wi_status
store_fail(wi_error *error, wi_status status, const char *format, ...);

#endif
