#include "base/buffer.h"

#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

void wi_buffer_init(wi_buffer *buffer, size_t max_bytes)
{
    *buffer = (wi_buffer){NULL, 0, 0, max_bytes};
}

wi_status wi_buffer_append(wi_buffer *buffer, const void *bytes, size_t n_bytes, wi_error *error)
{
    size_t need;
    if (!wi_size_add(buffer->n_bytes, n_bytes, &need) || need > buffer->max_bytes)
        return wi_fail(error, WI_ERR_LIMIT, "more than %zu bytes", buffer->max_bytes);
    if (need > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 256;
        while (capacity < need)
            capacity = capacity > buffer->max_bytes / 2 ? buffer->max_bytes : capacity * 2;
        uint8_t *grown = realloc(buffer->bytes, capacity);
        if (!grown)
            return wi_fail_nomem(error, capacity, "a buffer");
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    if (n_bytes)
        memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
    buffer->n_bytes = need;
    return WI_OK;
}

void wi_buffer_free(wi_buffer *buffer)
{
    free(buffer->bytes);
    wi_buffer_init(buffer, buffer->max_bytes);
}
