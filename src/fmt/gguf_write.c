#include "fmt/gguf_write.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/sink.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DIRECTORY = 256 << 20 };

typedef struct declared {
    char name[WI_GGUF_MAX_NAME + 1];
    size_t n_bytes;
} declared;

struct wi_gguf_writer {
    wi_sink *file;
    char *path;
    wi_buffer keys, tensors; /* as they will stand in the file */
    uint64_t n_keys;
    declared *tensor; /* n_tensors */
    size_t n_tensors, n_held;
    uint64_t data_bytes; /* so far, padded */
    uint32_t alignment;
    bool begun;
    size_t current, written; /* the tensor that is being streamed, and how much of it */
    wi_status status;
    wi_error first;
};

static void fail(wi_gguf_writer *w, wi_status status, const char *what, const char *name)
{
    if (w->status == WI_OK)
        w->status = wi_fail(&w->first, status, "%s: '%s' %s", w->path, name, what);
}

static wi_status report(const wi_gguf_writer *w, wi_error *error)
{
    if (error && w->status != WI_OK)
        *error = w->first;
    return w->status;
}

static void append(wi_gguf_writer *w, wi_buffer *buffer, const void *bytes, size_t n_bytes)
{
    if (w->status == WI_OK)
        w->status = wi_buffer_append(buffer, bytes, n_bytes, &w->first);
}

static void append_number(wi_gguf_writer *w, wi_buffer *buffer, uint64_t value, size_t n_bytes)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    append(w, buffer, bytes, n_bytes);
}

static void append_text(wi_gguf_writer *w, wi_buffer *buffer, const char *text, size_t n_bytes)
{
    append_number(w, buffer, n_bytes, 8);
    append(w, buffer, text, n_bytes);
}

static void begin_key(wi_gguf_writer *w, const char *key, wi_gguf_type type)
{
    if (w->begun || !*key || w->n_keys == WI_GGUF_MAX_KEYS)
        fail(w, WI_ERR_ARG, "cannot be a key now", key);
    append_text(w, &w->keys, key, strlen(key));
    append_number(w, &w->keys, type, 4);
    w->n_keys++;
}

wi_status wi_gguf_writer_open(const char *path, uint32_t alignment, wi_gguf_writer **out,
                              wi_error *error)
{
    if (alignment < 8 || alignment > 1 << 20 || (alignment & (alignment - 1)) != 0)
        return wi_fail(error, WI_ERR_ARG, "%s: alignment %u is no power of two from 8", path,
                       alignment);
    wi_gguf_writer *w = calloc(1, sizeof *w);
    char *copy = malloc(strlen(path) + 1);
    if (!w || !copy) {
        free(w);
        free(copy);
        return wi_fail_nomem(error, sizeof *w, "a GGUF writer");
    }
    memcpy(copy, path, strlen(path) + 1);
    w->path = copy;
    w->alignment = alignment;
    wi_buffer_init(&w->keys, MAX_DIRECTORY);
    wi_buffer_init(&w->tensors, MAX_DIRECTORY);
    wi_status status = wi_sink_to_file(path, WI_SINK_REPLACE, &w->file, error);
    if (status == WI_OK && !wi_sink_can_patch(w->file))
        status = wi_fail(error, WI_ERR_IO, "%s: not a regular file", path);
    if (status != WI_OK) {
        wi_gguf_writer_close(&w);
        return status;
    }
    if (alignment != WI_GGUF_DEFAULT_ALIGNMENT)
        wi_gguf_put_u32(w, "general.alignment", alignment);
    *out = w;
    return WI_OK;
}

void wi_gguf_writer_close(wi_gguf_writer **writer)
{
    if (!writer || !*writer)
        return;
    wi_gguf_writer *w = *writer;
    wi_sink_close(&w->file);
    wi_buffer_free(&w->keys);
    wi_buffer_free(&w->tensors);
    free(w->tensor);
    free(w->path);
    free(w);
    *writer = NULL;
}

static void put_number(wi_gguf_writer *w, const char *key, wi_gguf_type type, uint64_t bits,
                       size_t n_bytes)
{
    begin_key(w, key, type);
    append_number(w, &w->keys, bits, n_bytes);
}

void wi_gguf_put_u32(wi_gguf_writer *writer, const char *key, uint32_t value)
{
    put_number(writer, key, WI_GGUF_U32, value, 4);
}

void wi_gguf_put_f32(wi_gguf_writer *writer, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(writer, key, WI_GGUF_F32, bits, 4);
}

void wi_gguf_put_bool(wi_gguf_writer *writer, const char *key, bool value)
{
    put_number(writer, key, WI_GGUF_BOOL, value, 1);
}

void wi_gguf_put_string(wi_gguf_writer *writer, const char *key, const char *value)
{
    begin_key(writer, key, WI_GGUF_STRING);
    append_text(writer, &writer->keys, value, strlen(value));
}

void wi_gguf_put_array(wi_gguf_writer *writer, const char *key, wi_gguf_type type,
                       const void *values, size_t n)
{
    static const uint8_t widths[WI_GGUF_N_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    size_t width = (unsigned)type < WI_GGUF_N_TYPES ? widths[type] : 0, n_bytes;
    if (width == 0 || !wi_size_mul(n, width, &n_bytes)) {
        fail(writer, WI_ERR_ARG, "cannot be an array", key);
        return;
    }
    begin_key(writer, key, WI_GGUF_ARRAY);
    append_number(writer, &writer->keys, type, 4);
    append_number(writer, &writer->keys, n, 8);
    append(writer, &writer->keys, values, n_bytes);
}

void wi_gguf_put_strings(wi_gguf_writer *writer, const char *key, const wi_gguf_text *values,
                         size_t n)
{
    begin_key(writer, key, WI_GGUF_ARRAY);
    append_number(writer, &writer->keys, WI_GGUF_STRING, 4);
    append_number(writer, &writer->keys, n, 8);
    for (size_t i = 0; i < n; i++)
        append_text(writer, &writer->keys, values[i].data, values[i].n_bytes);
}

static declared *add_declared(wi_gguf_writer *w)
{
    if (w->n_tensors == w->n_held) {
        size_t n = w->n_held ? 2 * w->n_held : 64;
        declared *grown = realloc(w->tensor, n * sizeof *grown);
        if (!grown) {
            w->status = wi_fail_nomem(&w->first, n * sizeof *grown, "a tensor list");
            return NULL;
        }
        w->tensor = grown;
        w->n_held = n;
    }
    return &w->tensor[w->n_tensors++];
}

void wi_gguf_put_tensor(wi_gguf_writer *writer, const char *name, wi_ggml_type type, uint32_t rank,
                        const uint64_t *dims)
{
    wi_gguf_writer *w = writer;
    uint64_t all[WI_GGUF_MAX_RANK] = {1, 1, 1, 1};
    size_t n_bytes = 0, n_name = strlen(name);
    bool good = !w->begun && n_name && n_name <= WI_GGUF_MAX_NAME && rank <= WI_GGUF_MAX_RANK &&
                w->n_tensors < WI_GGUF_MAX_TENSORS;
    for (uint32_t i = 0; good && i < rank; i++)
        all[i] = dims[i];
    if (!good || !wi_ggml_size(type, all, &n_bytes) || n_bytes > INT64_MAX / 2 ||
        w->data_bytes > INT64_MAX / 2 - n_bytes)
        fail(w, WI_ERR_ARG, "cannot be a tensor of this shape and type now", name);
    declared *tensor = w->status == WI_OK ? add_declared(w) : NULL;
    if (!tensor)
        return;
    memcpy(tensor->name, name, n_name + 1);
    tensor->n_bytes = n_bytes;
    append_text(w, &w->tensors, name, n_name);
    append_number(w, &w->tensors, rank, 4);
    for (uint32_t i = 0; i < rank; i++)
        append_number(w, &w->tensors, dims[i], 8);
    append_number(w, &w->tensors, type, 4);
    append_number(w, &w->tensors, w->data_bytes, 8);
    w->data_bytes = (w->data_bytes + n_bytes + w->alignment - 1) / w->alignment * w->alignment;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const declared *const *)a)->name, (*(const declared *const *)b)->name);
}

static void check_names(wi_gguf_writer *w)
{
    size_t n = w->n_tensors;
    const declared **order = malloc((n + 1) * sizeof *order);
    if (!order) {
        if (w->status == WI_OK)
            w->status = wi_fail_nomem(&w->first, n * sizeof *order, "tensor names");
        return;
    }
    for (size_t i = 0; i < n; i++)
        order[i] = &w->tensor[i];
    qsort(order, n, sizeof *order, compare_names);
    for (size_t i = 1; i < n; i++)
        if (strcmp(order[i - 1]->name, order[i]->name) == 0)
            fail(w, WI_ERR_ARG, "is declared twice", order[i]->name);
    free((void *)order);
}

static void write_bytes(wi_gguf_writer *w, const void *bytes, size_t n_bytes)
{
    if (w->status == WI_OK)
        w->status = wi_sink_write(w->file, bytes, n_bytes, &w->first);
}

/* A file of keys only, parsed to find a key twice. */
static void check_keys(wi_gguf_writer *w, const uint8_t header[24])
{
    wi_buffer whole;
    wi_buffer_init(&whole, MAX_DIRECTORY);
    append(w, &whole, header, 24);
    append(w, &whole, w->keys.bytes, w->keys.n_bytes);
    wi_gguf *gguf = NULL;
    if (w->status == WI_OK) {
        memset(whole.bytes + 8, 0, 8); /* no tensors */
        w->status = wi_gguf_parse(w->path, whole.bytes, whole.n_bytes, &gguf, &w->first);
        if (w->status == WI_ERR_FORMAT)
            w->status = w->first.status = WI_ERR_ARG;
    }
    wi_gguf_close(&gguf);
    wi_buffer_free(&whole);
}

wi_status wi_gguf_writer_begin(wi_gguf_writer *writer, wi_error *error)
{
    wi_gguf_writer *w = writer;
    if (w->begun)
        fail(w, WI_ERR_ARG, "was begun before", w->path);
    uint8_t header[24] = {'G', 'G', 'U', 'F', 3};
    for (size_t i = 0; i < 8; i++) {
        header[8 + i] = (uint8_t)((uint64_t)w->n_tensors >> 8 * i);
        header[16 + i] = (uint8_t)(w->n_keys >> 8 * i);
    }
    check_names(w);
    check_keys(w, header);
    write_bytes(w, header, sizeof header);
    write_bytes(w, w->keys.bytes, w->keys.n_bytes);
    write_bytes(w, w->tensors.bytes, w->tensors.n_bytes);
    if (w->status == WI_OK)
        w->status = wi_sink_align(w->file, w->alignment, &w->first);
    w->begun = true;
    return report(w, error);
}

/* Past tensors without bytes, which nobody streams. */
static void skip_complete(wi_gguf_writer *w)
{
    while (w->status == WI_OK && w->current < w->n_tensors &&
           w->written == w->tensor[w->current].n_bytes) {
        w->current++;
        w->written = 0;
        w->status = wi_sink_align(w->file, w->alignment, &w->first);
    }
}

wi_status wi_gguf_writer_data(wi_gguf_writer *writer, const void *bytes, size_t n_bytes,
                              wi_error *error)
{
    wi_gguf_writer *w = writer;
    if (!w->begun)
        fail(w, WI_ERR_ARG, "was not begun", w->path);
    skip_complete(w);
    if (n_bytes == 0)
        return report(w, error);
    if (w->status == WI_OK && w->current == w->n_tensors)
        fail(w, WI_ERR_ARG, "has no room for more bytes", w->path);
    if (w->status == WI_OK && n_bytes > w->tensor[w->current].n_bytes - w->written)
        fail(w, WI_ERR_ARG, "has no room for more bytes", w->tensor[w->current].name);
    write_bytes(w, bytes, n_bytes);
    w->written += n_bytes;
    skip_complete(w);
    return report(w, error);
}

/* Where the value of a string key stands in the keys' bytes. */
static size_t find_string(const wi_gguf_writer *w, const char *key, size_t n_value)
{
    size_t n_key = strlen(key), n_all = 8 + n_key + 4 + 8 + n_value;
    for (size_t at = 0; at + n_all <= w->keys.n_bytes; at++) {
        const uint8_t *p = w->keys.bytes + at;
        uint8_t head[20] = {0};
        for (size_t i = 0; i < 8; i++) {
            head[i] = (uint8_t)((uint64_t)n_key >> 8 * i);
            head[12 + i] = (uint8_t)((uint64_t)n_value >> 8 * i);
        }
        head[8] = WI_GGUF_STRING;
        if (memcmp(p, head, 8) == 0 && memcmp(p + 8, key, n_key) == 0 &&
            memcmp(p + 8 + n_key, head + 8, 12) == 0)
            return at + n_all - n_value;
    }
    return 0;
}

wi_status wi_gguf_writer_patch_string(wi_gguf_writer *writer, const char *key, const char *value,
                                      wi_error *error)
{
    wi_gguf_writer *w = writer;
    size_t n_value = strlen(value), at = find_string(w, key, n_value);
    if (!w->begun || at == 0)
        fail(w, WI_ERR_ARG, "is no string key of this length", key);
    if (w->status == WI_OK)
        w->status = wi_sink_patch(w->file, 24 + at, value, n_value, &w->first);
    return report(w, error);
}

wi_status wi_gguf_writer_commit(wi_gguf_writer *writer, wi_error *error)
{
    wi_gguf_writer *w = writer;
    if (w->begun)
        skip_complete(w);
    if (w->status == WI_OK && (!w->begun || w->current != w->n_tensors))
        fail(w, WI_ERR_ARG, "lacks bytes", w->begun ? w->tensor[w->current].name : w->path);
    if (w->status == WI_OK)
        w->status = wi_sink_commit(w->file, &w->first);
    return report(w, error);
}
