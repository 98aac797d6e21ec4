#include "text/support.h"

#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

encoded encode(const char *text, size_t n_bytes)
{
    encoded e = {0};
    char *copy = malloc(n_bytes ? n_bytes : 1);
    assert_non_null(copy);
    if (n_bytes)
        memcpy(copy, text, n_bytes);
    e.status =
        wi_bpe_encode(wi_bpe_clip(), copy, n_bytes, CONTEXT, e.ids, &e.n, &e.truncated, &e.error);
    free(copy);
    return e;
}

char *read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t n = 0, capacity = 1 << 16;
    char *bytes = malloc(capacity);
    assert_non_null(bytes);
    for (size_t got; (got = fread(bytes + n, 1, capacity - n - 1, file)) > 0;) {
        n += got;
        if (n + 1 == capacity) {
            bytes = realloc(bytes, capacity *= 2);
            assert_non_null(bytes);
        }
    }
    fclose(file);
    bytes[n] = '\0';
    if (n_bytes)
        *n_bytes = n;
    return bytes;
}
