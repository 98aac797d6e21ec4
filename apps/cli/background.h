/* What else a photo might show (library/background.h), kept beside a library so that each search need not make it. */
#ifndef CLI_BACKGROUND_H
#define CLI_BACKGROUND_H

#include "../library/background.h"
#include "photo_library.h"

/* From the library's folder; made and kept there when it is not. Nothing where the shipped nouns are missing.
 * background_close frees it. CLI_OK, or CLI_FAILED after saying why. */
int cli_background_open(const cli_runtime *runtime, const cli_library *library, background *out);

#endif
