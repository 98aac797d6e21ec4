/* A growing byte buffer that must be given a maximum.
 * Invariant: n_bytes <= capacity <= max_bytes; after a failed append the content is as before. */
#ifndef WI_BASE_BUFFER_H
#define WI_BASE_BUFFER_H

#include <whatsit/status.h>

typedef struct wi_buffer {
    uint8_t *bytes;
    size_t n_bytes, capacity, max_bytes;
} wi_buffer;

void wi_buffer_init(wi_buffer *buffer, size_t max_bytes);
/* Errors: WI_ERR_LIMIT past max_bytes, WI_ERR_NOMEM. */
wi_status wi_buffer_append(wi_buffer *buffer, const void *bytes, size_t n_bytes, wi_error *error);
void wi_buffer_free(wi_buffer *buffer);

#endif
