/* Who asks, and may they? */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "config.h"
#include "message.h"

typedef struct srv_access srv_access;

/* config, st: borrowed. */
wi_status srv_access_open(const srv_config *config, store *st, srv_access **out, wi_error *error);
void srv_access_close(srv_access **access);

/* Fills request->asker.client from what the request says: its key, unchecked yet, or its address; and who owns what
 * it makes without a key. */
void srv_access_name(srv_access *access, srv_request *request);
/* What can be said before the body has come, and without the database. False: response is the refusal. */
bool srv_access_may_begin(srv_access *access, const srv_request *request, srv_response *response);
/* Whether it carries a key that has to be looked up. */
bool srv_access_has_key(const srv_request *request);
/* Is that key good? For requests with a body, before it comes; costs nothing. False: response is the refusal. */
bool srv_access_may_send(srv_access *access, const srv_request *request, srv_response *response);
/* Who asks, and may they? Fills request->key, and takes the cost from the quotas. False: response is
 * the refusal. On true the caller calls srv_access_end. */
bool srv_access_begin(srv_access *access, srv_request *request, srv_response *response);
/* May it see what is the operator's own, such as photos? Keys may that are not limited to some heads, and without a key
 * this machine and addresses that are allowed, also where anybody may ask the rest. For requests that were let in.
 * False: response is the refusal. */
bool srv_access_may_see_own(const srv_access *access, const srv_request *request,
                            srv_response *response);
void srv_access_end(srv_access *access, srv_request *request);

#endif
