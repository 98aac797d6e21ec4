#include <whatsit/tensors.h>

#include "base/error.h"
#include "base/map.h"
#include "fmt/safetensors.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)WI_TENSOR_MAX_RANK == (int)WI_SAFETENSORS_MAX_RANK, "ranks agree");
_Static_assert((int)WI_F32 == (int)WI_ST_F32 && (int)WI_I64 == (int)WI_ST_I64, "types agree");

struct wi_tensors {
    wi_map map;
    wi_safetensors *file;
    char *path;
};

wi_status wi_tensors_open(const char *path, wi_tensors **out, wi_error *error)
{
    if (!path || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_tensors_open: NULL argument");
    wi_tensors *tensors = calloc(1, sizeof *tensors);
    char *copy = malloc(strlen(path) + 1);
    if (!tensors || !copy) {
        free(tensors);
        free(copy);
        return wi_fail_nomem(error, sizeof *tensors, "a tensor file");
    }
    memcpy(copy, path, strlen(path) + 1);
    tensors->path = copy;
    wi_status status = wi_map_open(path, &tensors->map, error);
    if (status == WI_OK)
        status = wi_safetensors_parse(path, tensors->map.bytes, tensors->map.n_bytes,
                                      &tensors->file, error);
    if (status == WI_OK)
        *out = tensors;
    else
        wi_tensors_close(&tensors);
    return status;
}

void wi_tensors_close(wi_tensors **tensors)
{
    if (!tensors || !*tensors)
        return;
    wi_safetensors_close(&(*tensors)->file);
    wi_map_close(&(*tensors)->map);
    free((*tensors)->path);
    free(*tensors);
    *tensors = NULL;
}

wi_status wi_tensors_get(const wi_tensors *tensors, const char *name, wi_tensor *out,
                         wi_error *error)
{
    if (!tensors || !name || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_tensors_get: NULL argument");
    const wi_safetensors_tensor *found = wi_safetensors_find(tensors->file, name);
    if (!found)
        return wi_fail(error, WI_ERR_NOT_FOUND, "%s: no tensor '%s'", tensors->path, name);
    if (found->type > WI_ST_I64)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: tensor '%s' is %s", tensors->path, name,
                       wi_safetensors_type_name(found->type));
    *out = (wi_tensor){.name = found->name,
                       .dtype = (wi_dtype)found->type,
                       .rank = found->rank,
                       .data = found->data,
                       .n_bytes = found->n_bytes};
    memcpy(out->shape, found->shape, sizeof out->shape);
    return WI_OK;
}

wi_status wi_tensors_write_to(wi_sink *sink, const wi_tensor *tensors, size_t n_tensors,
                              const char *const (*metadata)[2], size_t n_metadata, wi_error *error)
{
    if (!sink || (!tensors && n_tensors) || (!metadata && n_metadata))
        return wi_fail(error, WI_ERR_ARG, "wi_tensors_write_to: NULL argument");
    wi_safetensors_tensor *inner = calloc(n_tensors + 1, sizeof *inner);
    if (!inner)
        return wi_fail_nomem(error, n_tensors * sizeof *inner, "a tensor list");
    wi_status status = WI_OK;
    for (size_t i = 0; i < n_tensors && status == WI_OK; i++) {
        if ((unsigned)tensors[i].dtype > WI_I64)
            status = wi_fail(error, WI_ERR_ARG, "wi_tensors_write: unknown dtype");
        inner[i] = (wi_safetensors_tensor){.name = tensors[i].name,
                                           .type = (wi_safetensors_type)tensors[i].dtype,
                                           .rank = tensors[i].rank,
                                           .data = tensors[i].data,
                                           .n_bytes = tensors[i].n_bytes};
        memcpy(inner[i].shape, tensors[i].shape, sizeof inner[i].shape);
    }
    if (status == WI_OK)
        status = wi_safetensors_write_to(sink, inner, n_tensors, metadata, n_metadata, error);
    free(inner);
    return status;
}

wi_status wi_tensors_write(const char *path, const wi_tensor *tensors, size_t n_tensors,
                           const char *const (*metadata)[2], size_t n_metadata, wi_error *error)
{
    if (!path || (!tensors && n_tensors) || (!metadata && n_metadata))
        return wi_fail(error, WI_ERR_ARG, "wi_tensors_write: NULL argument");
    wi_sink *sink = NULL;
    wi_status status = wi_sink_to_file(path, WI_SINK_REPLACE, &sink, error);
    if (status == WI_OK)
        status = wi_tensors_write_to(sink, tensors, n_tensors, metadata, n_metadata, error);
    if (status == WI_OK)
        status = wi_sink_commit(sink, error);
    wi_sink_close(&sink);
    return status;
}
