/* Any bytes as GGUF: what opens keeps the promises of fmt/gguf.h; every key is read as every kind.
 */
#include "fmt/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Touches every byte, for the sanitizer to see. */
static unsigned touch(const void *bytes, size_t n_bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n_bytes; i++)
        sum += ((const uint8_t *)bytes)[i];
    return sum;
}

static unsigned read_array(const wi_gguf *gguf, const char *key)
{
    unsigned sum = 0;
    wi_gguf_array array;
    wi_gguf_text text;
    int64_t integer;
    double number;
    if (wi_gguf_array_of(gguf, key, &array, NULL) != WI_OK)
        return 0;
    uint64_t n_before = array.n_left, n = 0;
    while (wi_gguf_next_string(&array, &text) || wi_gguf_next_integer(&array, &integer) ||
           wi_gguf_next_number(&array, &number)) {
        if (array.type == WI_GGUF_STRING)
            sum += touch(text.data, text.n_bytes);
        n++;
    }
    require(n == n_before || array.type == WI_GGUF_BOOL);
    return sum;
}

static unsigned read_keys(const wi_gguf *gguf)
{
    unsigned sum = 0;
    for (size_t i = 0; i < wi_gguf_n_keys(gguf); i++) {
        wi_gguf_type type;
        wi_gguf_text name = wi_gguf_key_at(gguf, i, &type), text;
        char key[256];
        if (name.n_bytes >= sizeof key || memchr(name.data, '\0', name.n_bytes))
            continue;
        memcpy(key, name.data, name.n_bytes);
        key[name.n_bytes] = '\0';
        uint32_t u32;
        float f32;
        bool truth;
        require(wi_gguf_has(gguf, key));
        (void)wi_gguf_u32(gguf, key, &u32, NULL);
        (void)wi_gguf_f32(gguf, key, &f32, NULL);
        require((wi_gguf_bool(gguf, key, &truth, NULL) == WI_OK) == (type == WI_GGUF_BOOL));
        wi_status status = wi_gguf_string(gguf, key, &text, NULL);
        require((status == WI_OK) == (type == WI_GGUF_STRING));
        if (status == WI_OK)
            sum += touch(text.data, text.n_bytes);
        sum += read_array(gguf, key);
    }
    return sum;
}

static unsigned read_tensors(const wi_gguf *gguf)
{
    unsigned sum = 0;
    for (size_t i = 0; i < wi_gguf_n_tensors(gguf); i++) {
        const wi_gguf_tensor *tensor = wi_gguf_tensor_at(gguf, i);
        size_t n_bytes = 0;
        if (tensor->data)
            require(wi_ggml_size(tensor->type, tensor->dims, &n_bytes));
        require(n_bytes == tensor->n_bytes && wi_ggml_name(tensor->type) != NULL);
        sum += touch(tensor->name.data, tensor->name.n_bytes);
        if (tensor->data)
            sum += touch(tensor->data, tensor->n_bytes);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    wi_gguf *gguf = NULL;
    wi_error error = {0};
    uint8_t *exact =
        malloc(n_bytes ? n_bytes : 1); /* a read past the end is a read past the block */
    require(exact != NULL);
    if (n_bytes)
        memcpy(exact, data, n_bytes);
    wi_status status = wi_gguf_parse("f", exact, n_bytes, &gguf, &error);
    require((status == WI_OK) == (gguf != NULL));
    require(status == WI_OK || (error.status == status && error.message[0]));
    static volatile unsigned sink;
    if (gguf)
        sink = read_keys(gguf) + read_tensors(gguf);
    (void)sink;
    wi_gguf_close(&gguf);
    free(exact);
    return 0;
}
