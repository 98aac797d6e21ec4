/* SHA-256 (FIPS 180-4), as in fingerprints and the checksums of downloads.
 * Threads: one call on a digest at a time. */
#ifndef WHATSIT_DIGEST_H
#define WHATSIT_DIGEST_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_digest wi_digest;

/* Owns: the caller closes *out. Errors: WI_ERR_NOMEM. */
WI_API wi_status wi_digest_open(wi_digest **out, wi_error *error);
WI_API void wi_digest_update(wi_digest *digest, const void *bytes, size_t n_bytes);
/* 64 lower-case digits and a NUL ("" without a digest); the digest starts anew. */
WI_API void wi_digest_finish(wi_digest *digest, char hex[65]);
WI_API void wi_digest_close(wi_digest **digest);

#ifdef __cplusplus
}
#endif
#endif
