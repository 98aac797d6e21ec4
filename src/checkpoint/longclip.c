#include "checkpoint/longclip.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_KEPT = 20 }; /* positions that CLIP had trained well: they stay as they were */

static bool find(const wi_source *source, const char *name, wi_stored *out)
{
    char full[WI_SOURCE_MAX_NAME];
    snprintf(full, sizeof full, "%s%s", source->text_prefix, name);
    return wi_source_find(source, full, out);
}

bool wi_longclip_has_two(const wi_source *source)
{
    wi_stored stored;
    return find(source, "positional_embedding_res", &stored);
}

static bool is_table(const wi_stored *stored)
{
    return stored->readable && stored->rank == 2 && stored->shape[0] > N_KEPT &&
           stored->shape[0] <= WI_MAX_CONTEXT && stored->shape[1] &&
           stored->shape[1] <= WI_MAX_WIDTH;
}

static wi_status add(wi_source *source, const wi_stored *first, const wi_stored *rest,
                     wi_error *error)
{
    const size_t n = (size_t)first->shape[0], width = (size_t)first->shape[1],
                 n_bytes = n * width * sizeof(float), n_name = WI_SOURCE_MAX_NAME;
    uint8_t *memory = malloc(n_bytes + n_name);
    wi_safetensors_tensor *tensor = calloc(1, sizeof *tensor);
    if (!memory || !tensor) {
        free(memory);
        free(tensor);
        return wi_fail_nomem(error, n_bytes, "positions");
    }
    float *rows = (float *)(void *)memory;
    wi_raw_read_rows(&(wi_raw){first->type, n, width, false, first->data}, 0, N_KEPT, rows);
    wi_raw_read_rows(&(wi_raw){rest->type, n, width, false, rest->data}, N_KEPT, n - N_KEPT,
                     rows + N_KEPT * width);
    char *name = (char *)memory + n_bytes;
    snprintf(name, n_name, "%s%s", source->text_prefix, WI_LONGCLIP_POSITIONS);
    *tensor = (wi_safetensors_tensor){
        .name = name, .type = WI_ST_F32, .rank = 2, .data = memory, .n_bytes = n_bytes};
    memcpy(tensor->shape, first->shape, sizeof tensor->shape);
    return wi_source_add_tensors(source, tensor, 1, memory, error);
}

wi_status wi_longclip_merge(wi_source *source, wi_error *error)
{
    wi_stored first = {0}, rest = {0};
    if (!find(source, "positional_embedding_res", &rest))
        return WI_OK;
    if (!find(source, "positional_embedding", &first) || !is_table(&first) || !is_table(&rest) ||
        first.shape[0] != rest.shape[0] || first.shape[1] != rest.shape[1])
        return wi_fail(error, WI_ERR_FORMAT,
                       "%s: positional_embedding and positional_embedding_res are not two tables "
                       "of one shape with more than %d rows",
                       source->label, N_KEPT);
    return add(source, &first, &rest, error);
}
