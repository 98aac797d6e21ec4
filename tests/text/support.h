/* Shared by the text room's tests: a file's lines as JSON objects, and encoding with the published
 * table. */
#ifndef WI_TESTS_TEXT_SUPPORT_H
#define WI_TESTS_TEXT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <whatsit/status.h>

enum { CONTEXT = 77 };

typedef struct encoded {
    wi_status status;
    int32_t ids[CONTEXT];
    size_t n;
    bool truncated;
    wi_error error;
} encoded;

/* From an exact-size copy, so that a read past the end is seen by the sanitizers. */
encoded encode(const char *text, size_t n_bytes);

/* The whole file with a NUL behind it, or NULL; freed by the caller. */
char *read_file(const char *path, size_t *n_bytes);

#endif
