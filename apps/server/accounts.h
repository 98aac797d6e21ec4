/* Keys and what they have used, as the command line and the administrator's socket both make and show them. */
#ifndef SERVER_ACCOUNTS_H
#define SERVER_ACCOUNTS_H

#include "keys.h"
#include <jansson.h>
#include <stdio.h>

/* What a key may when nothing else is said. */
void srv_plan_default(store_plan *plan);
/* A rate has a burst: four times the rate, at least one, unless one was given. */
void srv_plan_settle(store_plan *plan);
/* Everything but the secret. state: "good", "over" (its time), "revoked". */
json_t *srv_key_json(const store_key *key);
/* {"id","name","key"}: the only time that the secret is shown. */
json_t *srv_key_secret_json(const store_key *key, const char *text);

/* Puts a new key whose name, plan and scope are filled in; fills the rest. text: what the client sends. */
wi_status srv_key_make(store *st, store_key *key, char text[SRV_KEY_TEXT_BYTES], wi_error *error);
/* Another secret; the old one is good for grace_ms more. */
wi_status srv_key_rotate(store *st, store_key *key, int64_t grace_ms, char text[SRV_KEY_TEXT_BYTES],
                         wi_error *error);

/* Is told of each day of each key, the newest first. */
typedef void srv_usage_visitor(void *context, const store_key *key, const store_usage *day);
/* The last n_days of the key `only`, NULL: of all keys there are. */
wi_status srv_usage_visit(store *st, const char *only, size_t n_days, srv_usage_visitor *visit,
                          void *context, wi_error *error);
/* named: with the name of the key. */
json_t *srv_usage_json(const store_key *key, const store_usage *day, bool named);
/* A line of comma-separated values (RFC 4180), of which the first of a file is SRV_USAGE_CSV. */
#define SRV_USAGE_CSV "day,key,name,requests,heads,bytes\n"
void srv_usage_csv(FILE *out, const store_key *key, const store_usage *day);
/* "2026-01-31" */
void srv_day_text(int64_t day, char text[16]);

#endif
