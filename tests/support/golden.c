#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

bool golden_folder(const char *name, char *path, size_t path_bytes)
{
    const char *root = getenv("WHATSIT_GOLDEN");
    if (root)
        snprintf(path, path_bytes, "%s/%s", root, name);
    else
        snprintf(path, path_bytes, "%s/../shared/golden/%s", WHATSIT_SOURCE_DIR, name);
    char probe[2048];
    snprintf(probe, sizeof probe, "%s/.", path);
    FILE *folder = fopen(probe, "rb");
    if (folder) {
        fclose(folder);
        return true;
    }
    print_message("no reference data at %s (set WHATSIT_GOLDEN): skipped\n", path);
    return false;
}

static uint8_t *read_whole(const char *path, size_t *n_bytes)
{
    FILE *stream = fopen(path, "rb");
    if (!stream)
        fail_msg("cannot open %s", path);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    long size = ftell(stream);
    assert_true(size >= 0);
    rewind(stream);
    uint8_t *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, stream), (size_t)size);
    fclose(stream);
    *n_bytes = (size_t)size;
    return bytes;
}

void golden_open(const char *path, golden_tensors *out)
{
    out->bytes = read_whole(path, &out->n_bytes);
    assert_true(out->n_bytes > 8);
    uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; i--)
        header_bytes = header_bytes << 8 | out->bytes[i];
    assert_true(header_bytes < out->n_bytes - 8);
    out->data_offset = 8 + (size_t)header_bytes;
    out->header = json_loadb((const char *)out->bytes + 8, (size_t)header_bytes, 0, NULL);
    assert_non_null(out->header);
}

void golden_close(golden_tensors *tensors)
{
    json_decref(tensors->header);
    free(tensors->bytes);
}

const uint8_t *golden_tensor(const golden_tensors *tensors, const char *name, size_t *n_bytes)
{
    const json_t *entry = json_object_get(tensors->header, name);
    if (!entry)
        return NULL;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    json_int_t from = json_integer_value(json_array_get(offsets, 0));
    json_int_t to = json_integer_value(json_array_get(offsets, 1));
    assert_true(from >= 0 && from <= to);
    assert_true((size_t)to <= tensors->n_bytes - tensors->data_offset);
    *n_bytes = (size_t)(to - from);
    return tensors->bytes + tensors->data_offset + from;
}
