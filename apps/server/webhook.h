/* Says to an address of the client's that its job is over: a signed POST of the job. Only to origins that the operator
 * has listed, never along a redirect, and to public addresses only, unless the operator named an address itself. Up to
 * three tries; what a server that ends has not sent yet is not sent. Threads: any. */
#ifndef SERVER_WEBHOOK_H
#define SERVER_WEBHOOK_H

#include "config.h"
#include "log.h"
#include <jansson.h>

typedef struct srv_webhook srv_webhook;

enum { SRV_WEBHOOK_SECRET_BYTES = 65 };

/* secret[32]: by which each owner has one of its own. config, log: borrowed.
 * Errors: WI_ERR_ARG: an origin that is none */
wi_status srv_webhook_open(const srv_config *config, const uint8_t *secret, srv_log *log,
                           srv_webhook **out, wi_error *error);
void srv_webhook_close(srv_webhook **hook);
bool srv_webhook_allows(const srv_webhook *hook, const char *url);
/* With which the owner checks who has sent: the same for all its jobs. */
void srv_webhook_secret(const srv_webhook *hook, const char *owner,
                        char text[SRV_WEBHOOK_SECRET_BYTES]);
/* Copies; does not wait. */
void srv_webhook_send(srv_webhook *hook, const char *url, const char *owner, const json_t *body);

#endif
