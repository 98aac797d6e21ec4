/* libFuzzer entry: the first byte chooses between a text, a merges file and a raw merge table;
 * whatever comes out keeps the promises of text/bpe.h. */
#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { CONTEXT = 77 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_encode(const wi_bpe *bpe, const char *text, size_t n_bytes)
{
    int32_t ids[CONTEXT];
    int32_t start = (int32_t)(512 + bpe->n_merges), end = start + 1;
    size_t n = 0;
    bool truncated = false;
    wi_error error = {0};
    wi_status status = wi_bpe_encode(bpe, text, n_bytes, CONTEXT, ids, &n, &truncated, &error);
    if (status != WI_OK) {
        require(error.status == status && error.message[0] != '\0');
        return;
    }
    require(n >= 2 && n <= CONTEXT && (!truncated || n == CONTEXT));
    require(ids[0] == start && ids[n - 1] == end);
    for (size_t i = 0; i < CONTEXT; i++)
        require(i < n ? ids[i] >= 0 && ids[i] <= end : ids[i] == 0);
}

static void check_merges(const char *text, size_t n_bytes)
{
    wi_bpe bpe;
    wi_error error = {0};
    if (wi_bpe_parse_merges(text, n_bytes, &bpe, &error) != WI_OK) {
        require(error.message[0] != '\0');
        return;
    }
    require(wi_bpe_check(&bpe, NULL) == WI_OK);
    check_encode(&bpe, text, n_bytes);
    free((void *)(uintptr_t)bpe.sorted);
}

/* A table that fails the check may encode anything, but within memory. */
static void check_table(const uint16_t (*rows)[3], size_t n_bytes)
{
    wi_bpe bpe = {rows, (uint32_t)(n_bytes / sizeof *rows)};
    int32_t ids[CONTEXT];
    if (wi_bpe_check(&bpe, NULL) == WI_OK)
        check_encode(&bpe, (const char *)rows, n_bytes);
    else
        wi_bpe_encode(&bpe, (const char *)rows, n_bytes, CONTEXT, ids, NULL, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    n_bytes--;
    /* Exactly as long as the input: a read past the end is a read past the block. */
    void *exact = malloc(n_bytes ? n_bytes : 1);
    require(exact != NULL);
    memcpy(exact, data + 1, n_bytes);
    if (data[0] == 'm')
        check_merges(exact, n_bytes);
    else if (data[0] == 't')
        check_table(exact, n_bytes);
    else
        check_encode(wi_bpe_clip(), exact, n_bytes);
    free(exact);
    return 0;
}
