/* How the loops of a product are unrolled, and how they fetch what is read next.
 *
 * Weights come from memory once, in the first tile of rows; the other tiles meanwhile fetch what is
 * read next, each an equal share, a line every few steps: faster than memory delivers, and the
 * requests would hold up the loads of the product itself. */
#ifndef WI_KERN_AHEAD_H
#define WI_KERN_AHEAD_H

#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL(n) _Pragma("GCC unroll 16")

enum { CACHE_LINE = 64 };

typedef struct upcoming {
    const char *bytes;
    size_t n_bytes;
} upcoming;

typedef struct share {
    const char *line; /* the next line to ask for */
    size_t steps;     /* along k from one line to the next */
} share;

/* The share of tile `tile` of n_tiles, each of which takes `steps` steps. Without one, it asks once
 * for a line that it reads anyway. */
static inline share share_of(upcoming next, const void *otherwise, size_t tile, size_t n_tiles,
                             size_t steps)
{
    const size_t lines = (next.n_bytes + CACHE_LINE - 1) / CACHE_LINE;
    if (tile == 0 || lines == 0)
        return (share){otherwise, steps};
    const size_t each = (lines + n_tiles - 2) / (n_tiles - 1), at = (tile - 1) * each;
    if (at >= lines)
        return (share){otherwise, steps};
    return (share){next.bytes + at * CACHE_LINE, steps > each ? steps / each : 1};
}

#endif
