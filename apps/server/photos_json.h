/* Photos of the operator's libraries, for the handlers that speak of them. */
#ifndef SERVER_PHOTOS_JSON_H
#define SERVER_PHOTOS_JSON_H

#include "libraries.h"
#include "message.h"

/* The library of that name, if the asker may see it; borrowed. NULL: response says why not. */
srv_library *srv_read_library(const srv_request *request, const char *name, srv_response *response);
/* What is known of it. Its path begins with the folder that was indexed: where that lies is nobody's affair. */
json_t *srv_photo_json(const catalog_seen *seen);

#endif
