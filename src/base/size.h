/* Sizes from outside are multiplied and added only through these: false means it does not fit. */
#ifndef WI_BASE_SIZE_H
#define WI_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool wi_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool wi_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool wi_size_mul3(size_t a, size_t b, size_t c, size_t *out)
{
    size_t ab;
    return wi_size_mul(a, b, &ab) && wi_size_mul(ab, c, out);
}

/* True when [offset, offset + length) lies within a buffer of size bytes. */
static inline bool wi_size_within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

/* Smallest multiple of step (a power of two) that is >= n. n comes from checked sizes. */
static inline size_t wi_round_up(size_t n, size_t step)
{
    return (n + step - 1) & ~(step - 1);
}

static inline size_t wi_div_up(size_t n, size_t step)
{
    return n / step + (n % step != 0);
}

#endif
