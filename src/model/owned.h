/* Memory that a packed model owns, as opposed to a mapped file. */
#ifndef WI_MODEL_OWNED_H
#define WI_MODEL_OWNED_H

#include <stddef.h>
#include <whatsit/status.h>

/* Blocks of memory that a packed model owns. */
typedef struct wi_owned {
    void **blocks;
    size_t n_blocks, capacity;
} wi_owned;
void wi_owned_free(wi_owned *owned);

/* Aligned memory for n elements, kept until wi_owned_free; NULL and an error when there is none. */
void *wi_own(wi_owned *owned, size_t n, size_t element_bytes, wi_error *error);

#endif
