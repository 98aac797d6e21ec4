/* Command-line words -> options and operands, by the verb's own table. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli.h"

/* Reads argv[0..n) for the verb. Owns: the caller frees with cli_args_free, also after failure.
 * Returns CLI_OK, or CLI_USAGE after printing why. */
int cli_args_parse(const cli_verb *verb, int n, char **argv, cli_args *out);
void cli_args_free(cli_args *args);

bool cli_args_has(const cli_args *args, const char *name);
/* The last value given, or NULL. */
const char *cli_args_value(const cli_args *args, const char *name);
/* Walks the values of a repeated option in order: start with *position = 0; NULL at the end. */
const char *cli_args_next(const cli_args *args, const char *name, size_t *position);
size_t cli_args_count(const cli_args *args, const char *name);
/* A whole number from low to high, or fallback when not given. CLI_USAGE after printing why. */
int cli_args_number(const cli_args *args, const char *name, long low, long high, long fallback,
                    long *out);

/* Prints "whatsit VERB: MESSAGE (see 'whatsit VERB --help')" and returns CLI_USAGE. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int cli_usage(const cli_verb *verb, const char *format, ...);

/* The candidate nearest to word by edit distance, or NULL when none is near. Start with *best =
 * NULL and *distance = 3. */
void cli_nearest(const char *word, const char *candidate, const char **best, size_t *distance);

#endif
