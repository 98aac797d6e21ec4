#include "base/mem.h"

void *wi_arena_take(wi_arena *arena, size_t n, size_t element_bytes)
{
    size_t bytes, padded, end;
    if (arena->overflow || !wi_size_mul(n, element_bytes, &bytes) ||
        !wi_size_add(bytes, WI_ALIGN - 1, &padded) ||
        !wi_size_add(arena->used, padded & ~(size_t)(WI_ALIGN - 1), &end) ||
        (arena->base && end > arena->size)) {
        arena->overflow = true;
        return NULL;
    }
    uint8_t *taken = arena->base ? arena->base + arena->used : NULL;
    arena->used = end;
    return taken;
}

void *wi_arena_take_floats(wi_arena *arena, size_t a, size_t b, size_t n_floats)
{
    size_t n = 0;
    if (!wi_size_mul(a, b, &n))
        arena->overflow = true;
    return wi_arena_take(arena, n, n_floats * sizeof(float));
}
