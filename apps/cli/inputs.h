/* The pictures a command line names: files, folders (walked), "-". */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "paths.h"

/* Adds operand to paths: a folder's picture files in sorted order, folders inside it included;
 * anything else as it is. Returns CLI_OK, or CLI_FAILED after printing what is wrong with a folder
 * (the rest is added all the same). */
int cli_inputs_add(cli_app *app, const char *operand, cli_list *paths);

/* Adds the pictures in folder and below, which may be none. */
int cli_inputs_walk(cli_app *app, const char *folder, cli_list *paths);

#endif
