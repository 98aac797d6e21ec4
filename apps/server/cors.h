/* Headers that every answer carries, and what other sites' pages may do. */
#ifndef SERVER_CORS_H
#define SERVER_CORS_H

#include "config.h"
#include "message.h"

void srv_common_headers(const srv_config *config, const srv_request *request,
                        srv_response *response);
/* Answers OPTIONS. */
void srv_preflight(const srv_config *config, const srv_request *request, srv_response *response);

#endif
