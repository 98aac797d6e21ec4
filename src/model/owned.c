#include "model/owned.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>

void *wi_own(wi_owned *owned, size_t n, size_t element_bytes, wi_error *error)
{
    size_t bytes = 0;
    void *block = wi_size_mul(n, element_bytes, &bytes) ? wi_aligned_alloc(bytes) : NULL;
    if (block && owned->n_blocks == owned->capacity) {
        const size_t capacity = owned->capacity ? 2 * owned->capacity : 64;
        void **grown = realloc(owned->blocks, capacity * sizeof *grown);
        if (grown) {
            owned->blocks = grown;
            owned->capacity = capacity;
        } else {
            wi_aligned_free(block);
            block = NULL;
        }
    }
    if (!block) {
        wi_fail_nomem(error, bytes, "packed weights");
        return NULL;
    }
    owned->blocks[owned->n_blocks++] = block;
    return block;
}

void wi_owned_free(wi_owned *owned)
{
    for (size_t i = 0; i < owned->n_blocks; i++)
        wi_aligned_free(owned->blocks[i]);
    free(owned->blocks);
    *owned = (wi_owned){NULL, 0, 0};
}
