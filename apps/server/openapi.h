/* openapi.json, as bytes of the program. */
#ifndef SERVER_OPENAPI_H
#define SERVER_OPENAPI_H

#include <stddef.h>

extern const unsigned char srv_openapi[];
extern const size_t srv_openapi_bytes;

#endif
