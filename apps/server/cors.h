/* Headers that every answer carries, and what other sites' pages may do. */
#ifndef SERVER_CORS_H
#define SERVER_CORS_H

#include "config.h"
#include "message.h"

/* Errors: WI_ERR_ARG: what no browser sends as an origin */
wi_status srv_cors_check(const srv_config *config, wi_error *error);
void srv_common_headers(const srv_config *config, const srv_request *request,
                        srv_response *response);
/* Answers OPTIONS. */
void srv_preflight(const srv_config *config, const srv_request *request, srv_response *response);

#endif
