/* Errors of the store and the server, in the library's own form. */
#ifndef STORE_FAIL_H
#define STORE_FAIL_H

#include <whatsit/status.h>

/* The database does not answer, or cannot do what it is asked for now (it is full, damaged, gone): a status beside
 * the library's. */
#define STORE_ERR_DOWN ((wi_status)64)

/* Fills the caller's error (nullable) and returns status. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
wi_status
store_fail(wi_error *error, wi_status status, const char *format, ...);

#endif
