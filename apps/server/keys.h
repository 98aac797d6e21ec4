/* Keys as clients send them: "wk_ID_SECRET", of which the store keeps a salted hash. */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include "../store/fail.h"
#include "../store/store.h"

enum { SRV_KEY_TEXT_BYTES = 80 };

/* A new secret: fills key's id (unless it has one), salt and hash; text is what the client sends, shown once. The caller
 * fills the rest and frees the key. */
wi_status srv_key_new(store_key *key, char text[SRV_KEY_TEXT_BYTES], wi_error *error);
/* Splits "wk_ID_SECRET"; id is at least 40 bytes. */
bool srv_key_id(const char *text, char *id, size_t n_id);
/* Compares in constant time, also with a key that is empty because there is none of that id: then false. */
bool srv_key_matches(const store_key *key, const char *text, int64_t now_ms);
/* May requests with this key use the head of that name? */
bool srv_key_sees_head(const store_key *key, const char *name);

#endif
