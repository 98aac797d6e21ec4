/* A library of photos on this machine: a catalogue and, per model, the vectors of its photos. It lies in
 * the user's data folder, under a name. */
#ifndef CLI_PHOTO_LIBRARY_H
#define CLI_PHOTO_LIBRARY_H

#include "../library/catalog.h"
#include "runtime.h"

typedef struct cli_library {
    const char *name; /* borrowed */
    char *folder;
    catalog *cat;
    catalog_model model;
    wi_index *index;
} cli_library;

/* --library NAME; "photos" without it. CLI_USAGE after saying why it is no name. */
int cli_library_name(const cli_args *args, const char **out);
/* DATA/libraries/NAME; NULL without a home folder. The caller frees. */
char *cli_library_folder(const char *name);
/* Opens the library for the runtime's model, to write (made when it is not there) or to search.
 * Returns an exit code; close in any case. */
int cli_library_open(const cli_runtime *runtime, const char *name, bool writing, cli_library *out);
void cli_library_close(cli_library *library);
/* Where the library's approximate index for the runtime's model is, or would be. The caller frees. */
char *cli_library_near_path(const cli_runtime *runtime, const cli_library *library);

#endif
