/* Random numbers that are the same everywhere and every time, for shuffles and resampling.
 * Source: splitmix64, Steele, Lea and Flood, OOPSLA 2014. */
#ifndef WI_HEAD_CHANCE_H
#define WI_HEAD_CHANCE_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t wi_chance_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0..n-1; the bias is below n / 2^64. */
static inline size_t wi_chance_below(uint64_t *state, size_t n)
{
    return (size_t)(wi_chance_next(state) % n);
}

#endif
