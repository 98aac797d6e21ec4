/* `whatsit eval --captions`: sentences against what people wrote. */
#ifndef CLI_EVAL_CAPTIONS_H
#define CLI_EVAL_CAPTIONS_H

#include "args.h"

/* --captions TABLE, --sentences FILE, --describer, --json. Returns an exit code. */
int cli_eval_captions(cli_app *app, const cli_args *args);

#endif
