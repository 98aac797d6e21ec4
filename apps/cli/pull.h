/* Models of the hub by short name. */
#ifndef CLI_PULL_H
#define CLI_PULL_H

#include "cli.h"

/* What weights may be used for, in one word. */
typedef enum cli_use { CLI_USE_FREE = 0, CLI_USE_NON_COMMERCIAL, CLI_USE_RESEARCH } cli_use;

typedef struct cli_alias {
    const char *name;
    const char *repositories[3]; /* tried in order; NULL ends */
    const char *about;
    unsigned megabytes; /* of the download, about */
    double accuracy; /* zero-shot top-1 on ImageNet as its authors published it, percent; 0: none */
    const char *licence;
    cli_use use;
    const char *good_for;
} cli_alias;

/* What to do for a model that is not here: "'whatsit pull NAME' brings it", or in a build without pull how else it
 * comes. The text is the caller's of PULL_HINT bytes. */
enum { CLI_PULL_HINT = 160 };
const char *cli_pull_hint(const char *name, char text[CLI_PULL_HINT]);

/* NULL when name is no alias. */
const cli_alias *cli_pull_alias(const char *name);

/* What a licence's short name allows, as model cards write it ("mit", "cc-by-nc-4.0", ...). */
cli_use cli_licence_use(const char *licence);
/* "non-commercial use only", ... */
const char *cli_use_text(cli_use use);

/* 'whatsit model list --remote'. */
int cli_pull_list(bool json);

#endif
