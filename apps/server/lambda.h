/* AWS Lambda's custom runtime: asks for an event, answers it, for ever. Events are those of API
 * Gateway's version 2 and of function URLs. */
#ifndef SERVER_LAMBDA_H
#define SERVER_LAMBDA_H

#include "message.h"
#include "services.h"
#include <stdatomic.h>

/* api: host and port of the runtime's interface. Ends when *stop is set or the interface has gone.
 * Errors: WI_ERR_IO */
wi_status srv_lambda_run(srv_services *services, const char *api, atomic_bool *stop,
                         wi_error *error);
/* Says that the server could not start. */
void srv_lambda_failed(const char *api, const char *message);

/* An event -> the JSON of its answer; NULL when it cannot be read. The caller decrefs. */
json_t *srv_lambda_answer(srv_services *services, const json_t *event);

#endif
