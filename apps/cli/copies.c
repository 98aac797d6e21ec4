#include "copies.h"
#include <stdlib.h>
#include <string.h>

typedef struct photo {
    const uint8_t *content;
    uint32_t label;
    size_t index;
} photo;

static int by_content(const void *a, const void *b)
{
    const photo *x = a, *y = b;
    int order = memcmp(x->content, y->content, CLI_DIGEST);
    if (order) {
        return order;
    }
    return x->label != y->label ? (x->label > y->label) - (x->label < y->label)
                                : (x->index > y->index) - (x->index < y->index);
}

bool cli_copies_find(const uint8_t (*content)[CLI_DIGEST], const uint32_t *labels, size_t n,
                     cli_copies *out)
{
    static const uint8_t unknown[CLI_DIGEST];
    photo *photos = calloc(n + 1, sizeof *photos);
    *out = (cli_copies){.is_copy = calloc(n + 1, sizeof *out->is_copy)};
    if (!photos || !out->is_copy) {
        free(photos);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        photos[i] = (photo){content[i], labels[i], i};
    }
    qsort(photos, n, sizeof *photos, by_content);
    bool torn = false; /* this content was counted */
    for (size_t i = 1; i < n; i++) {
        const photo *a = &photos[i - 1], *b = &photos[i];
        if (memcmp(a->content, b->content, CLI_DIGEST) != 0) {
            torn = false;
        } else if (memcmp(b->content, unknown, CLI_DIGEST) != 0 && a->label == b->label) {
            out->is_copy[b->index] = true;
            out->n++;
        } else if (memcmp(b->content, unknown, CLI_DIGEST) != 0 && !torn) {
            torn = true;
            if (out->n_torn++ == 0) {
                out->torn[0] = a->index;
                out->torn[1] = b->index;
            }
        }
    }
    free(photos);
    return true;
}

void cli_copies_free(cli_copies *copies)
{
    free(copies->is_copy);
    *copies = (cli_copies){0};
}
