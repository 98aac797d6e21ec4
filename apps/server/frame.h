/* Where an HTTP/1 request begins and ends, read strictly: whatever two programs in a row could read in two ways is
 * refused, so that nobody smuggles a request past a proxy. Looks at bytes, keeps none.
 * Source: RFC 9112, sections 2.2, 5, 6 and 7.1. */
#ifndef SERVER_FRAME_H
#define SERVER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SRV_MAX_HEAD_BYTES_OF_REQUEST = 16 << 10, SRV_MAX_TARGET_BYTES = 8 << 10 };

typedef enum srv_frame_state {
    SRV_FRAME_HEAD = 0, /* at the beginning of a request, or inside its head */
    SRV_FRAME_BODY,     /* so many bytes */
    SRV_FRAME_SIZE,     /* of a chunk */
    SRV_FRAME_CHUNK,
    SRV_FRAME_CHUNK_END,
    SRV_FRAME_TRAILER,
    SRV_FRAME_WRONG
} srv_frame_state;

typedef struct srv_frame {
    srv_frame_state state;
    uint64_t left; /* of the body or of the chunk */
    size_t n_line; /* bytes of the line of a chunk's size or of trailers so far */
    bool cr;       /* the last byte was one */
    bool digits, in_extension;
    uint64_t n_requests; /* whose last byte has been seen */
    bool old;            /* the last one was HTTP/1.0 */
    /* when WRONG */
    unsigned status;
    const char *reason;
} srv_frame;

/* How many of these bytes belong to heads that are complete and good, and to their bodies: they may be passed on. The
 * others have to be given again with what comes after them. */
size_t srv_frame_read(srv_frame *frame, const char *bytes, size_t n);
/* Between two requests, with nothing begun? */
bool srv_frame_is_between(const srv_frame *frame, size_t n_held);

#endif
