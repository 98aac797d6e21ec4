/* Sentences about the photos of a library. */
#ifndef CLI_DESCRIBING_H
#define CLI_DESCRIBING_H

#include "photo_library.h"

typedef struct cli_described {
    size_t n_told;   /* photos that have a sentence now */
    size_t n_untold; /* looked at, and not sure enough to tell */
} cli_described;

/* Describes what the describer (--describer, else as 'whatsit describe') has not looked at yet, and keeps what is
 * told in small steps, so that it can be stopped, or killed, at any moment.
 * CLI_OK; CLI_FAILED when some photos could not be read or nothing works; CLI_INTERRUPTED. */
int cli_describe_library(const cli_runtime *runtime, const cli_args *args, cli_library *library,
                         cli_described *out);

#endif
