/* Windows' free() takes no aligned memory. */
#include "base/mem.h"

#include <malloc.h>

void *wi_aligned_alloc(size_t n_bytes)
{
    size_t padded;
    if (!wi_size_add(n_bytes, WI_ALIGN, &padded))
        return NULL;
    return _aligned_malloc(wi_round_up(n_bytes ? n_bytes : 1, WI_ALIGN), WI_ALIGN);
}

void wi_aligned_free(void *pointer)
{
    _aligned_free(pointer);
}
