/* A folder for the files of one test, removed with all that is in it. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

/* For cmocka's setup and teardown; *state is not used. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* The path of a file in it. The string lives until the eighth next call. "" is the folder itself.
 */
const char *scratch_path(const char *name);
/* Writes a file and returns its path. Missing folders of name are made. */
const char *scratch_write(const char *name, const void *bytes, size_t n_bytes);
const char *scratch_text(const char *name, const char *text);
/* How many files and folders lie in a folder of it. */
size_t scratch_count(const char *name);

#endif
