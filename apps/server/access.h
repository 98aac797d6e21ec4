/* Fairness between clients: token buckets by key and by address, and how many requests of a key run
 * at once. Kept in memory, per server; the quotas of a day are the store's. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server.h"

wi_status srv_limits_open(srv_server *server, srv_limits **out, wi_error *error);
void srv_limits_close(srv_limits **limits);

/* Takes one token of a bucket that refills at `rate` a second up to `burst`. *retry_s: when false, after how
 * many seconds one is there. Unknown names share a bounded table; the longest idle are forgotten. */
bool srv_limits_take(srv_limits *limits, const char *name, double rate, double burst,
                     unsigned *retry_s);
/* False: max requests of this key run already. Pair with srv_limits_leave. */
bool srv_limits_enter(srv_limits *limits, const char *key, int64_t max);
void srv_limits_leave(srv_limits *limits, const char *key);

/* ---- keys ---- */

enum { SRV_KEY_TEXT_BYTES = 80 };

/* A new secret: fills key's id, salt and hash; text is what the client sends, shown once. The caller
 * fills the rest and frees the key. */
wi_status srv_key_new(store_key *key, char text[SRV_KEY_TEXT_BYTES], wi_error *error);
/* Splits "wk_ID_SECRET"; id is at least 40 bytes. */
bool srv_key_id(const char *text, char *id, size_t n_id);
/* Compares in constant time. */
bool srv_key_matches(const store_key *key, const char *text);

/* What can be said before the body has come, and without the database. False: response is the refusal. */
bool srv_access_may_begin(const srv_request *request, srv_response *response);
/* Whether it carries a key that has to be looked up. */
bool srv_access_has_key(const srv_request *request);
/* Is that key good? For requests with a body, before it comes; costs nothing. False: response is the refusal. */
bool srv_access_may_send(const srv_request *request, srv_response *response);
/* Who asks, and may they? Fills request->key and takes the cost from the quotas. False: response is
 * the refusal. On true the caller calls srv_access_end. */
bool srv_access_begin(srv_request *request, srv_response *response);
void srv_access_end(srv_request *request);

#endif
