/* Aligned memory and the arena. Ownership law: whoever allocates frees; an arena frees all at once.
 */
#ifndef WI_BASE_MEM_H
#define WI_BASE_MEM_H

#include "base/size.h"
#include <whatsit/status.h>

enum { WI_ALIGN = 64 }; /* a cache line, and the widest vector */

/* n_bytes at a 64-byte boundary, not zeroed; NULL when memory is out or n_bytes is 0 after rounding
 * overflowed. Freed with wi_aligned_free. */
void *wi_aligned_alloc(size_t n_bytes);
void wi_aligned_free(void *pointer);

/* A block from which working memory is cut once, when a session opens. Two passes use the same
 * code: with base == NULL, takes only count, and the sum is the size to allocate. */
typedef struct wi_arena {
    uint8_t *base;
    size_t used, size;
    bool overflow; /* a take did not fit, or a size product overflowed */
} wi_arena;

/* n * element_bytes bytes at a 64-byte boundary. While counting, a non-NULL dummy is never
 * dereferenced: returns NULL. */
void *wi_arena_take(wi_arena *arena, size_t n, size_t element_bytes);
/* The same of a * b rows of n_floats. */
void *wi_arena_take_floats(wi_arena *arena, size_t a, size_t b, size_t n_floats);

#endif
