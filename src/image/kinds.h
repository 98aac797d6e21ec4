/* What a file is that is not read here, by its first bytes. */
#ifndef WI_IMAGE_KINDS_H
#define WI_IMAGE_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wi_kind {
    const char *name; /* "a TIFF picture" */
    bool is_picture;  /* something that a viewer shows */
} wi_kind;

enum { WI_KIND_BYTES = 4096 /* from the file's beginning are enough */ };

/* NULL where it is none of those known. */
const wi_kind *wi_kind_of(const uint8_t *bytes, size_t n_bytes);

#endif
