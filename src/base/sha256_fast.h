/* SHA-256 with the processor's own instructions, where it has them. */
#ifndef WI_BASE_SHA256_FAST_H
#define WI_BASE_SHA256_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For all rounds; the standard's. */
extern const uint32_t wi_sha256_constants[64];

/* Threads: any. */
bool wi_sha256_has_fast(void);
/* Only where there are some. */
void wi_sha256_fast(uint32_t state[8], const uint8_t *blocks, size_t n_blocks);
/* The same in plain C. */
void wi_sha256_plain(uint32_t state[8], const uint8_t *blocks, size_t n_blocks);

#endif
