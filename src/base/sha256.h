/* SHA-256 (FIPS 180-4), for fingerprints and checksums. */
#ifndef WI_BASE_SHA256_H
#define WI_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct wi_sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
} wi_sha256;

void wi_sha256_init(wi_sha256 *sha);
void wi_sha256_update(wi_sha256 *sha, const void *bytes, size_t n_bytes);
void wi_sha256_finish(wi_sha256 *sha, uint8_t digest[32]);
/* hex[65]: 64 lower-case digits and a NUL. */
void wi_sha256_hex(const uint8_t digest[32], char hex[65]);

#endif
