/* Copies among photos, by content. */
#ifndef CLI_COPIES_H
#define CLI_COPIES_H

#include "cache.h"

typedef struct cli_copies {
    bool *is_copy;  /* [n]: the same content under the same label came before */
    size_t n;       /* of those */
    size_t n_torn;  /* photos that stand under two labels or more, each counted once */
    size_t torn[2]; /* two of one such photo */
} cli_copies;

/* content[n] (zero: not known), labels[n]. False when memory is out. */
bool cli_copies_find(const uint8_t (*content)[CLI_DIGEST], const uint32_t *labels, size_t n,
                     cli_copies *out);
void cli_copies_free(cli_copies *copies);

#endif
