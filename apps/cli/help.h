/* Help texts, the man page and shell completions: all made from the verb table. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli.h"

/* A few lines for someone who typed nothing. */
void cli_help_short(FILE *stream);
void cli_help_all(void);
void cli_help_verb(const cli_verb *verb);
void cli_help_group(const char *group);
void cli_help_man(void);

/* "head" is a group when verbs are called "head ...". */
bool cli_is_group(const char *word);
bool cli_is_in_group(const cli_verb *verb, const char *group);

/* shell: "bash", "zsh" or "fish"; false for others. */
bool cli_completion(const char *shell);

#endif
