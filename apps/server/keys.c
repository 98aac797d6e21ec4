#include "keys.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { ID_BYTES = 8, SECRET_BYTES = 24 };

static void hash_secret(const uint8_t salt[STORE_SALT_BYTES], const char *secret,
                        uint8_t out[STORE_HASH_BYTES])
{
    /* The secret is 192 random bits: a slow hash would protect nothing that a fast one does not. */
    crypto_generichash(out, STORE_HASH_BYTES, (const uint8_t *)secret, strlen(secret), salt,
                       STORE_SALT_BYTES);
}

wi_status srv_key_new(store_key *key, char text[SRV_KEY_TEXT_BYTES], wi_error *error)
{
    uint8_t id[ID_BYTES], secret[SECRET_BYTES];
    char id_text[2 * ID_BYTES + 1], secret_text[2 * SECRET_BYTES + 1];
    randombytes_buf(id, sizeof id);
    randombytes_buf(secret, sizeof secret);
    randombytes_buf(key->salt, sizeof key->salt);
    sodium_bin2hex(id_text, sizeof id_text, id, sizeof id);
    sodium_bin2hex(secret_text, sizeof secret_text, secret, sizeof secret);
    hash_secret(key->salt, secret_text, key->hash);
    snprintf(text, SRV_KEY_TEXT_BYTES, "wk_%s_%s", id_text, secret_text);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(secret_text, sizeof secret_text);
    key->id = strdup(id_text);
    return key->id ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
}

bool srv_key_id(const char *text, char *id, size_t n_id)
{
    const char *end = !strncmp(text, "wk_", 3) ? strchr(text + 3, '_') : NULL;
    size_t n = end ? (size_t)(end - text) - 3 : 0;
    if (n == 0 || n >= n_id) {
        return false;
    }
    memcpy(id, text + 3, n);
    id[n] = '\0';
    return true;
}

bool srv_key_matches(const store_key *key, const char *text)
{
    uint8_t hash[STORE_HASH_BYTES];
    const char *secret = strrchr(text, '_');
    hash_secret(key->salt, secret ? secret + 1 : "", hash);
    return sodium_memcmp(hash, key->hash, sizeof hash) == 0 && key->revoked_ms == 0;
}
