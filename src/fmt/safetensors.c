#include "fmt/safetensors.h"

#include "base/error.h"
#include "base/size.h"
#include "fmt/json.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t n_bytes;
} types[WI_ST_N_TYPES] = {
    [WI_ST_F32] = {"F32", 4},   [WI_ST_F16] = {"F16", 2},         [WI_ST_BF16] = {"BF16", 2},
    [WI_ST_U8] = {"U8", 1},     [WI_ST_I8] = {"I8", 1},           [WI_ST_I32] = {"I32", 4},
    [WI_ST_I64] = {"I64", 8},   [WI_ST_F64] = {"F64", 8},         [WI_ST_U16] = {"U16", 2},
    [WI_ST_I16] = {"I16", 2},   [WI_ST_U32] = {"U32", 4},         [WI_ST_U64] = {"U64", 8},
    [WI_ST_BOOL] = {"BOOL", 1}, [WI_ST_F8_E4M3] = {"F8_E4M3", 1}, [WI_ST_F8_E5M2] = {"F8_E5M2", 1},
};

struct wi_safetensors {
    wi_json *header; /* owns every string */
    const wi_json *metadata;
    wi_safetensors_tensor *tensors; /* by name */
    size_t n_tensors;
    void *memory; /* of tensors that came from elsewhere */
};

const char *wi_safetensors_type_name(wi_safetensors_type type)
{
    return types[type].name;
}

size_t wi_safetensors_type_bytes(wi_safetensors_type type)
{
    return types[type].n_bytes;
}

static int by_name(const void *a, const void *b)
{
    const wi_safetensors_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_offset(const void *a, const void *b)
{
    const wi_safetensors_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

static wi_status read_type(const char *file, const char *name, const wi_json *value,
                           wi_safetensors_type *out, wi_error *error)
{
    const char *text = wi_json_string(value);
    if (!text)
        return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s': dtype missing", file, name);
    for (size_t i = 0; i < WI_ST_N_TYPES; i++)
        if (strcmp(text, types[i].name) == 0) {
            *out = (wi_safetensors_type)i;
            return WI_OK;
        }
    return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: tensor '%s': unknown dtype '%s'", file, name,
                   text);
}

/* Reads the shape and gives the bytes that it needs. */
static wi_status read_shape(const char *file, const wi_json *value, wi_safetensors_tensor *tensor,
                            wi_error *error)
{
    if (!wi_json_is_array(value))
        return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s': shape missing", file, tensor->name);
    size_t rank = wi_json_count(value);
    if (rank > WI_SAFETENSORS_MAX_RANK)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: tensor '%s': %zu dimensions, at most %d",
                       file, tensor->name, rank, WI_SAFETENSORS_MAX_RANK);
    tensor->rank = (uint32_t)rank;
    tensor->n_bytes = types[tensor->type].n_bytes;
    for (size_t i = 0; i < rank; i++) {
        int64_t side;
        if (!wi_json_integer(wi_json_at(value, i), &side) || side < 0)
            return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s': bad shape", file, tensor->name);
        tensor->shape[i] = (uint64_t)side;
        if ((uint64_t)side > SIZE_MAX ||
            !wi_size_mul(tensor->n_bytes, (size_t)side, &tensor->n_bytes))
            return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s': shape too large", file,
                           tensor->name);
    }
    return WI_OK;
}

static wi_status read_tensor(const char *file, wi_json_member member, const uint8_t *data,
                             size_t n_data, wi_safetensors_tensor *tensor, wi_error *error)
{
    *tensor = (wi_safetensors_tensor){.name = member.key};
    wi_status status =
        read_type(file, member.key, wi_json_get(member.value, "dtype"), &tensor->type, error);
    if (status == WI_OK)
        status = read_shape(file, wi_json_get(member.value, "shape"), tensor, error);
    if (status != WI_OK)
        return status;
    const wi_json *offsets = wi_json_get(member.value, "data_offsets");
    int64_t begin, end;
    if (!wi_json_is_array(offsets) || wi_json_count(offsets) != 2 ||
        !wi_json_integer(wi_json_at(offsets, 0), &begin) ||
        !wi_json_integer(wi_json_at(offsets, 1), &end) || begin < 0 || end < begin)
        return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s': bad data_offsets", file, member.key);
    if (!wi_size_within((uint64_t)begin, (uint64_t)(end - begin), n_data))
        return wi_fail(error, WI_ERR_FORMAT,
                       "%s: tensor '%s' ends at byte %lld of %zu: the file is cut short", file,
                       member.key, (long long)end, n_data);
    if ((uint64_t)(end - begin) != tensor->n_bytes)
        return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s': %lld bytes, but its shape needs %zu",
                       file, member.key, (long long)(end - begin), tensor->n_bytes);
    tensor->data = data + begin;
    return WI_OK;
}

static wi_status read_metadata(const char *file, const wi_json *metadata, wi_error *error)
{
    if (!wi_json_is_object(metadata))
        return wi_fail(error, WI_ERR_FORMAT, "%s: __metadata__ is not an object", file);
    for (wi_json_member m = wi_json_first(metadata); m.key; m = wi_json_next(metadata, m))
        if (!wi_json_string(m.value))
            return wi_fail(error, WI_ERR_FORMAT, "%s: metadata '%s' is not a string", file, m.key);
    return WI_OK;
}

/* tensors are in the order of their offsets. */
static wi_status check_layout(const char *file, const wi_safetensors *st, const uint8_t *data,
                              size_t n_data, wi_error *error)
{
    const uint8_t *end = data;
    for (size_t i = 0; i < st->n_tensors; i++) {
        const wi_safetensors_tensor *tensor = &st->tensors[i];
        if (tensor->data != end)
            return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s' %s", file, tensor->name,
                           tensor->data < end ? "overlaps another one" : "follows a hole");
        end += tensor->n_bytes;
    }
    if (end != data + n_data)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %zu bytes after the last tensor", file,
                       (size_t)(data + n_data - end));
    return WI_OK;
}

static wi_status read_directory(const char *file, wi_safetensors *st, const uint8_t *data,
                                size_t n_data, wi_error *error)
{
    size_t n_members = wi_json_count(st->header), n_bytes;
    if (!wi_size_mul(n_members + 1, sizeof *st->tensors, &n_bytes))
        return wi_fail(error, WI_ERR_LIMIT, "%s: %zu tensors", file, n_members);
    st->tensors = malloc(n_bytes);
    if (!st->tensors)
        return wi_fail_nomem(error, n_bytes, "a tensor directory");
    for (wi_json_member m = wi_json_first(st->header); m.key; m = wi_json_next(st->header, m)) {
        wi_status status;
        if (strcmp(m.key, "__metadata__") == 0) {
            st->metadata = m.value;
            status = read_metadata(file, m.value, error);
        } else {
            status = read_tensor(file, m, data, n_data, &st->tensors[st->n_tensors++], error);
        }
        if (status != WI_OK)
            return status;
    }
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_offset);
    wi_status status = check_layout(file, st, data, n_data, error);
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_name);
    return status;
}

wi_status wi_safetensors_parse(const char *file, const uint8_t *bytes, size_t n_bytes,
                               wi_safetensors **out, wi_error *error)
{
    if (n_bytes < 8)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %s", file,
                       n_bytes ? "too short for safetensors" : "the file is empty");
    uint64_t n_header = 0;
    for (int i = 7; i >= 0; i--)
        n_header = n_header << 8 | bytes[i];
    if (!wi_size_within(8, n_header, n_bytes) || n_header < 2 || bytes[8] != '{')
        return wi_fail(error, WI_ERR_FORMAT, "%s: not a safetensors file, or cut short", file);
    if (n_header > WI_SAFETENSORS_MAX_HEADER)
        return wi_fail(error, WI_ERR_LIMIT, "%s: a header of more than %d bytes", file,
                       WI_SAFETENSORS_MAX_HEADER);
    wi_safetensors *st = calloc(1, sizeof *st);
    if (!st)
        return wi_fail_nomem(error, sizeof *st, "a tensor directory");
    size_t n_prefix = 8 + (size_t)n_header;
    wi_status status = wi_json_parse(file, bytes + 8, (size_t)n_header, &st->header, error);
    if (status == WI_OK)
        status = read_directory(file, st, bytes + n_prefix, n_bytes - n_prefix, error);
    if (status != WI_OK)
        wi_safetensors_close(&st);
    else
        *out = st;
    return status;
}

wi_status wi_safetensors_collect(const char *file, wi_safetensors_tensor *tensors, size_t n_tensors,
                                 void *memory, wi_safetensors **out, wi_error *error)
{
    wi_safetensors *st = calloc(1, sizeof *st);
    if (!st) {
        free(tensors);
        free(memory);
        return wi_fail_nomem(error, sizeof *st, "a tensor directory");
    }
    *st = (wi_safetensors){.tensors = tensors, .n_tensors = n_tensors, .memory = memory};
    qsort(tensors, n_tensors, sizeof *tensors, by_name);
    for (size_t i = 1; i < n_tensors; i++)
        if (strcmp(tensors[i - 1].name, tensors[i].name) == 0) {
            wi_status status = wi_fail(error, WI_ERR_FORMAT, "%s: two tensors are called '%.80s'",
                                       file, tensors[i].name);
            wi_safetensors_close(&st);
            return status;
        }
    *out = st;
    return WI_OK;
}

void wi_safetensors_close(wi_safetensors **file)
{
    if (!file || !*file)
        return;
    wi_json_free(&(*file)->header);
    free((*file)->tensors);
    free((*file)->memory);
    free(*file);
    *file = NULL;
}

size_t wi_safetensors_count(const wi_safetensors *file)
{
    return file->n_tensors;
}

const wi_safetensors_tensor *wi_safetensors_at(const wi_safetensors *file, size_t index)
{
    return &file->tensors[index];
}

const wi_safetensors_tensor *wi_safetensors_find(const wi_safetensors *file, const char *name)
{
    wi_safetensors_tensor key = {.name = name};
    return bsearch(&key, file->tensors, file->n_tensors, sizeof key, by_name);
}

const char *wi_safetensors_metadata(const wi_safetensors *file, const char *key)
{
    return wi_json_string(wi_json_get(file->metadata, key));
}
