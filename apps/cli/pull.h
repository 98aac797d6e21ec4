/* Models of the hub by short name. */
#ifndef CLI_PULL_H
#define CLI_PULL_H

#include "cli.h"

typedef struct cli_alias {
    const char *name;
    const char *repositories[3]; /* tried in order; NULL ends */
    const char *about;
} cli_alias;

/* NULL when name is no alias. */
const cli_alias *cli_pull_alias(const char *name);
const cli_alias *cli_pull_alias_at(size_t index);

#endif
