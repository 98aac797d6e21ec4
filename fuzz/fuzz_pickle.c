/* libFuzzer entry: 'p' and a pickle, which gets an archive round it with one storage of 64 bytes; or
 * 'z' and a whole archive. Whatever comes out lies within its bytes. */
#include "fmt/pickle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { STORAGE = 64 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void put(uint8_t **at, uint64_t value, size_t n)
{
    for (; n > 0; n--, value >>= 8)
        *(*at)++ = (uint8_t)value;
}

/* One entry's local header and content; where it begins is returned. */
static size_t local(const uint8_t *start, uint8_t **at, const char *name, const uint8_t *data,
                    size_t n)
{
    const size_t offset = (size_t)(*at - start);
    put(at, 0x04034b50, 4);
    memset(*at, 0, 14);
    *at += 14;
    put(at, n, 4);
    put(at, n, 4);
    put(at, strlen(name), 2);
    put(at, 0, 2);
    memcpy(*at, name, strlen(name));
    *at += strlen(name);
    if (n)
        memcpy(*at, data, n);
    *at += n;
    return offset;
}

static void central(uint8_t **at, const char *name, size_t n, size_t offset)
{
    put(at, 0x02014b50, 4);
    memset(*at, 0, 16);
    *at += 16;
    put(at, n, 4);
    put(at, n, 4);
    put(at, strlen(name), 2);
    memset(*at, 0, 12);
    *at += 12;
    put(at, offset, 4);
    memcpy(*at, name, strlen(name));
    *at += strlen(name);
}

static uint8_t *archive_of(const uint8_t *pickle, size_t n, size_t *n_bytes)
{
    static const uint8_t storage[STORAGE] = {1, 2, 3};
    uint8_t *start = malloc(n + STORAGE + 400), *at = start;
    require(start != NULL);
    const size_t first = local(start, &at, "x/data.pkl", pickle, n),
                 second = local(start, &at, "x/data/0", storage, STORAGE);
    const uint8_t *directory = at;
    central(&at, "x/data.pkl", n, first);
    central(&at, "x/data/0", STORAGE, second);
    const size_t n_directory = (size_t)(at - directory);
    put(&at, 0x06054b50, 4);
    put(&at, 0, 4);
    put(&at, 2, 2);
    put(&at, 2, 2);
    put(&at, n_directory, 4);
    put(&at, (uint64_t)(directory - start), 4);
    put(&at, 0, 2);
    *n_bytes = (size_t)(at - start);
    return realloc(start, *n_bytes);
}

static void check(const uint8_t *bytes, size_t n_bytes)
{
    wi_safetensors *st = NULL;
    wi_error error = {0};
    const wi_status status = wi_pickle_read("f", bytes, n_bytes, &st, &error);
    require((status == WI_OK) == (st != NULL) && (status == WI_OK || error.message[0]));
    for (size_t i = 0; status == WI_OK && i < wi_safetensors_count(st); i++) {
        const wi_safetensors_tensor *t = wi_safetensors_at(st, i);
        unsigned sum = 0;
        for (size_t k = 0; k < t->n_bytes; k++)
            sum += t->data[k];
        require(sum <= 255u * t->n_bytes && wi_safetensors_find(st, t->name) == t);
    }
    wi_safetensors_close(&st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    size_t n = n_bytes - 1;
    if (n_bytes == 0)
        return 0;
    uint8_t *exact = malloc(n ? n : 1);
    require(exact != NULL);
    memcpy(exact, data + 1, n);
    if (data[0] == 'p') {
        uint8_t *archive = archive_of(exact, n_bytes - 1, &n);
        require(archive != NULL);
        check(archive, n);
        free(archive);
    } else {
        check(exact, n);
    }
    free(exact);
    return 0;
}
