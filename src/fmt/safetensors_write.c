#include "fmt/safetensors.h"

#include "base/error.h"
#include "base/sink.h"
#include "base/size.h"
#include "fmt/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wi_status append_text(wi_buffer *buffer, const char *text, wi_error *error)
{
    return wi_buffer_append(buffer, text, strlen(text), error);
}

static wi_status append_number(wi_buffer *buffer, uint64_t value, wi_error *error)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return append_text(buffer, digits, error);
}

static wi_status check_tensor(const wi_safetensors_tensor *tensor, wi_error *error)
{
    if (!tensor->name || (!tensor->data && tensor->n_bytes) || tensor->type >= WI_ST_N_TYPES ||
        tensor->rank > WI_SAFETENSORS_MAX_RANK || strcmp(tensor->name, "__metadata__") == 0)
        return wi_fail(error, WI_ERR_ARG, "tensor '%s' cannot be written",
                       tensor->name ? tensor->name : "");
    size_t n_bytes = wi_safetensors_type_bytes(tensor->type);
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] > SIZE_MAX ||
            !wi_size_mul(n_bytes, (size_t)tensor->shape[i], &n_bytes))
            return wi_fail(error, WI_ERR_ARG, "tensor '%s': shape too large", tensor->name);
    if (n_bytes != tensor->n_bytes)
        return wi_fail(error, WI_ERR_ARG, "tensor '%s': %zu bytes, but its shape needs %zu",
                       tensor->name, tensor->n_bytes, n_bytes);
    return WI_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* names[n]: sorted here. */
static wi_status check_distinct(const char **names, size_t n, const char *what, wi_error *error)
{
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return wi_fail(error, WI_ERR_ARG, "%s '%s' given twice", what, names[i]);
    return WI_OK;
}

static wi_status check_names(const wi_safetensors_tensor *tensors, size_t n_tensors,
                             const char *const (*metadata)[2], size_t n_metadata, wi_error *error)
{
    size_t n = (n_tensors > n_metadata ? n_tensors : n_metadata) + 1, n_bytes;
    const char **names = wi_size_mul(n, sizeof *names, &n_bytes) ? malloc(n_bytes) : NULL;
    if (!names)
        return wi_fail_nomem(error, n, "tensor names");
    for (size_t i = 0; i < n_tensors; i++)
        names[i] = tensors[i].name;
    wi_status status = check_distinct(names, n_tensors, "tensor", error);
    for (size_t i = 0; i < n_metadata; i++)
        names[i] = metadata[i][0];
    if (status == WI_OK)
        status = check_distinct(names, n_metadata, "metadata", error);
    free((void *)names);
    return status;
}

static wi_status append_metadata(wi_buffer *json, const char *const (*metadata)[2],
                                 size_t n_metadata, wi_error *error)
{
    wi_status status = append_text(json, "\"__metadata__\":{", error);
    for (size_t i = 0; i < n_metadata && status == WI_OK; i++) {
        if (i)
            status = append_text(json, ",", error);
        if (status == WI_OK)
            status = wi_json_append_string(json, metadata[i][0], error);
        if (status == WI_OK)
            status = append_text(json, ":", error);
        if (status == WI_OK)
            status = wi_json_append_string(json, metadata[i][1], error);
    }
    return status == WI_OK ? append_text(json, "}", error) : status;
}

static wi_status append_list(wi_buffer *json, const char *key, const uint64_t *values, size_t n,
                             wi_error *error)
{
    wi_status status = append_text(json, key, error);
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        if (i)
            status = append_text(json, ",", error);
        if (status == WI_OK)
            status = append_number(json, values[i], error);
    }
    return status == WI_OK ? append_text(json, "]", error) : status;
}

static wi_status append_tensor(wi_buffer *json, const wi_safetensors_tensor *tensor,
                               uint64_t offset, wi_error *error)
{
    const uint64_t offsets[2] = {offset, offset + tensor->n_bytes};
    wi_status status = wi_json_append_string(json, tensor->name, error);
    if (status == WI_OK)
        status = append_text(json, ":{\"dtype\":\"", error);
    if (status == WI_OK)
        status = append_text(json, wi_safetensors_type_name(tensor->type), error);
    if (status == WI_OK)
        status = append_list(json, "\",\"shape\":[", tensor->shape, tensor->rank, error);
    if (status == WI_OK)
        status = append_list(json, ",\"data_offsets\":[", offsets, 2, error);
    return status == WI_OK ? append_text(json, "}", error) : status;
}

/* Widths of elements in the order in which they are written. */
static const size_t widths[] = {8, 4, 2, 1};

static wi_status make_header(wi_buffer *json, const wi_safetensors_tensor *tensors,
                             size_t n_tensors, const char *const (*metadata)[2], size_t n_metadata,
                             wi_error *error)
{
    wi_status status = append_text(json, "{", error);
    if (status == WI_OK && n_metadata)
        status = append_metadata(json, metadata, n_metadata, error);
    uint64_t offset = 0;
    bool first = !n_metadata;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t i = 0; i < n_tensors && status == WI_OK; i++) {
            if (wi_safetensors_type_bytes(tensors[i].type) != widths[w])
                continue;
            if (!first)
                status = append_text(json, ",", error);
            first = false;
            if (status == WI_OK)
                status = append_tensor(json, &tensors[i], offset, error);
            offset += tensors[i].n_bytes;
        }
    if (status == WI_OK)
        status = append_text(json, "}", error);
    while (status == WI_OK && json->n_bytes % 8)
        status = append_text(json, " ", error);
    return status;
}

static wi_status write_all(wi_sink *sink, const wi_buffer *json,
                           const wi_safetensors_tensor *tensors, size_t n_tensors, wi_error *error)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)json->n_bytes >> 8 * i);
    wi_status status = wi_sink_write(sink, length, sizeof length, error);
    if (status == WI_OK)
        status = wi_sink_write(sink, json->bytes, json->n_bytes, error);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t i = 0; i < n_tensors && status == WI_OK; i++)
            if (wi_safetensors_type_bytes(tensors[i].type) == widths[w])
                status = wi_sink_write(sink, tensors[i].data, tensors[i].n_bytes, error);
    return status;
}

wi_status wi_safetensors_write_to(wi_sink *sink, const wi_safetensors_tensor *tensors,
                                  size_t n_tensors, const char *const (*metadata)[2],
                                  size_t n_metadata, wi_error *error)
{
    wi_status status = WI_OK;
    for (size_t i = 0; i < n_tensors && status == WI_OK; i++)
        status = check_tensor(&tensors[i], error);
    for (size_t i = 0; i < n_metadata && status == WI_OK; i++)
        if (!metadata[i][0] || !metadata[i][1])
            status = wi_fail(error, WI_ERR_ARG, "metadata without a key or value");
    if (status == WI_OK)
        status = check_names(tensors, n_tensors, metadata, n_metadata, error);
    if (status != WI_OK)
        return status;
    wi_buffer json;
    wi_buffer_init(&json, WI_SAFETENSORS_MAX_HEADER);
    status = make_header(&json, tensors, n_tensors, metadata, n_metadata, error);
    if (status == WI_OK)
        status = write_all(sink, &json, tensors, n_tensors, error);
    wi_buffer_free(&json);
    return status;
}

wi_status wi_safetensors_write(const char *path, const wi_safetensors_tensor *tensors,
                               size_t n_tensors, const char *const (*metadata)[2],
                               size_t n_metadata, wi_error *error)
{
    wi_sink *sink = NULL;
    wi_status status = wi_sink_to_file(path, WI_SINK_REPLACE, &sink, error);
    if (status == WI_OK)
        status = wi_safetensors_write_to(sink, tensors, n_tensors, metadata, n_metadata, error);
    if (status == WI_OK)
        status = wi_sink_commit(sink, error);
    wi_sink_close(&sink);
    return status;
}
