/* Any bytes as safetensors: what opens keeps the promises of fmt/safetensors.h. */
#include "fmt/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const wi_safetensors *file, const uint8_t *bytes, size_t n_bytes)
{
    size_t n_data = 0;
    for (size_t i = 0; i < wi_safetensors_count(file); i++) {
        const wi_safetensors_tensor *tensor = wi_safetensors_at(file, i);
        size_t n = wi_safetensors_type_bytes(tensor->type);
        require(tensor->data >= bytes && tensor->n_bytes <= n_bytes);
        require((size_t)(tensor->data - bytes) <= n_bytes - tensor->n_bytes);
        for (uint32_t d = 0; d < tensor->rank; d++)
            n *= (size_t)tensor->shape[d];
        require(n == tensor->n_bytes);
        require(wi_safetensors_find(file, tensor->name) == tensor);
        require(i == 0 || strcmp(wi_safetensors_at(file, i - 1)->name, tensor->name) < 0);
        n_data += tensor->n_bytes;
    }
    require(n_data <= n_bytes - 8);
    (void)wi_safetensors_metadata(file, "format");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    wi_safetensors *file = NULL;
    wi_error error = {0};
    uint8_t *exact =
        malloc(n_bytes ? n_bytes : 1); /* a read past the end is a read past the block */
    require(exact != NULL);
    if (n_bytes)
        memcpy(exact, data, n_bytes);
    wi_status status = wi_safetensors_parse("f", exact, n_bytes, &file, &error);
    require((status == WI_OK) == (file != NULL));
    require(status == WI_OK || (error.status == status && error.message[0]));
    if (file)
        check(file, exact, n_bytes);
    wi_safetensors_close(&file);
    free(exact);
    return 0;
}
