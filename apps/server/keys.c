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
    snprintf(text, SRV_KEY_TEXT_BYTES, "wk_%s_%s", key->id ? key->id : id_text, secret_text);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(secret_text, sizeof secret_text);
    if (!key->id) {
        key->id = strdup(id_text);
    }
    return key->id ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
}

/* An identifier is hexadecimal, as they are made: nothing else is asked for in the database. */
bool srv_key_id(const char *text, char *id, size_t n_id)
{
    if (strncmp(text, "wk_", 3)) {
        return false;
    }
    size_t n = strspn(text + 3, "0123456789abcdef");
    if (n == 0 || n >= n_id || text[3 + n] != '_') {
        return false;
    }
    memcpy(id, text + 3, n);
    id[n] = '\0';
    return true;
}

static bool is_secret(const uint8_t salt[STORE_SALT_BYTES], const uint8_t wanted[STORE_HASH_BYTES],
                      const char *secret)
{
    uint8_t hash[STORE_HASH_BYTES];
    hash_secret(salt, secret, hash);
    return sodium_memcmp(hash, wanted, sizeof hash) == 0;
}

bool srv_key_matches(const store_key *key, const char *text, int64_t now_ms)
{
    const char *secret = strrchr(text, '_');
    secret = secret ? secret + 1 : "";
    /* Both are computed in any case, so that time says nothing. */
    bool now = is_secret(key->salt, key->hash, secret);
    bool before = is_secret(key->old_salt, key->old_hash, secret) && now_ms < key->old_until_ms;
    return (now || before) && key->id && key->revoked_ms == 0 &&
           (key->expires_ms == 0 || now_ms < key->expires_ms);
}

bool srv_key_sees_head(const store_key *key, const char *name)
{
    const char *at = key->only_heads ? key->only_heads : "";
    bool found = !key->id || !at[0];
    for (size_t n; *at && !found; at += n + (at[n] == ',')) {
        n = strcspn(at, ",");
        found = n == strlen(name) && !strncmp(at, name, n);
    }
    return found;
}
