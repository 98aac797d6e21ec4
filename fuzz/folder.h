/* A folder of its own for a harness whose subject reads files; removed when the process ends. */
#ifndef FUZZ_FOLDER_H
#define FUZZ_FOLDER_H

#include "checkpoint/source.h"

/* The path of a file in it; lives until the fourth next call. */
const char *folder_path(const char *name);
void folder_write(const char *name, const void *bytes, size_t n_bytes);
void folder_remove(const char *name);
/* Copies a file of fuzz/base. */
void folder_copy(const char *base, const char *name);

/* Opens and, when that works, checks the parameters and reads first and last rows of all tensors.
 */
void folder_open_source(const char *name);

#endif
