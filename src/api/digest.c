#include "base/error.h"
#include "base/sha256.h"
#include <stdlib.h>
#include <whatsit/digest.h>

struct wi_digest {
    wi_sha256 sha;
};

wi_status wi_digest_open(wi_digest **out, wi_error *error)
{
    if (!out)
        return wi_fail(error, WI_ERR_ARG, "wi_digest_open: out is NULL");
    wi_digest *digest = malloc(sizeof *digest);
    if (!digest) {
        return wi_fail_nomem(error, sizeof *digest, "a digest");
    }
    wi_sha256_init(&digest->sha);
    *out = digest;
    return WI_OK;
}

void wi_digest_update(wi_digest *digest, const void *bytes, size_t n_bytes)
{
    if (digest && bytes)
        wi_sha256_update(&digest->sha, bytes, n_bytes);
}

void wi_digest_finish(wi_digest *digest, char hex[65])
{
    uint8_t bytes[32];
    if (hex)
        hex[0] = '\0';
    if (!digest || !hex)
        return;
    wi_sha256_finish(&digest->sha, bytes);
    wi_sha256_hex(bytes, hex);
    wi_sha256_init(&digest->sha);
}

void wi_digest_close(wi_digest **digest)
{
    if (digest) {
        free(*digest);
        *digest = NULL;
    }
}
