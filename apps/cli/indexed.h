/* The vectors that the libraries of photos hold, for whoever needs those of photos by their place: one
 * that was indexed and has not changed since is neither read nor encoded again. */
#ifndef CLI_INDEXED_H
#define CLI_INDEXED_H

#include "../library/catalog.h"
#include "runtime.h"

typedef struct cli_libraries cli_libraries;

/* All libraries with vectors of the runtime's model; NULL when there are none (no error: everything can
 * be computed). */
cli_libraries *cli_libraries_open(const cli_runtime *runtime);
void cli_libraries_close(cli_libraries **libraries);
/* What a library knows of the file at path, when it is there as it is now; *row is of length 1 within half
 * precision, and lives as long as the libraries.
 * Threads: any */
bool cli_libraries_ask(cli_libraries *libraries, const char *path, const catalog_stamp *now,
                       catalog_known *out, const float **row);

#endif
