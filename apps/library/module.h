/* Libraries of others that few need, each behind a table of ours in a module that is loaded when it is called for. */
#ifndef LIBRARY_MODULE_H
#define LIBRARY_MODULE_H

/* The symbol of the module in `file`, which lies beside the program (a build) or where an installation puts it. A module
 * stays loaded. NULL: it is not in this installation.
 * Threads: one at a time */
const void *module_find(const char *file, const char *symbol);

#endif
