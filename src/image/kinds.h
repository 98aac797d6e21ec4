/* What a file is by its first bytes, where no decoder says so first: those that need more than a few
 * bytes to tell (TIFF, RAW, JPEG XL) ask here themselves. */
#ifndef WI_IMAGE_KINDS_H
#define WI_IMAGE_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wi_family {
    WI_FAMILY_OTHER = 0,
    WI_FAMILY_PICTURE, /* something that a viewer shows */
    WI_FAMILY_TIFF,
    WI_FAMILY_RAW,
    WI_FAMILY_JXL
} wi_family;

typedef struct wi_kind {
    const char *name; /* "a TIFF picture" */
    wi_family family;
} wi_kind;

enum { WI_KIND_BYTES = 4096 /* from the file's beginning are enough */ };

/* NULL where it is none of those known. */
const wi_kind *wi_kind_of(const uint8_t *bytes, size_t n_bytes);

#endif
