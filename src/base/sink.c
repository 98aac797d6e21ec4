/* Sinks but for files, which are in file.c: WebAssembly has none. */
#include "base/sink.h"

#include "base/buffer.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Remembers the failure and passes it on. */
static wi_status keep(wi_sink *sink, wi_status status, const wi_error *why, wi_error *error)
{
    if (status != WI_OK && sink->failed.status == WI_OK) {
        sink->failed = *why;
        sink->failed.status = status;
    }
    if (status != WI_OK && error)
        *error = sink->failed;
    return status;
}

static wi_status check(const wi_sink *sink, wi_error *error)
{
    if (!sink)
        return wi_fail(error, WI_ERR_ARG, "there is no sink to write to");
    if (sink->committed)
        return wi_fail(error, WI_ERR_ARG, "a sink that is finished takes nothing more");
    if (sink->failed.status != WI_OK && error)
        *error = sink->failed;
    return sink->failed.status;
}

wi_status wi_sink_write(wi_sink *sink, const void *bytes, size_t n_bytes, wi_error *error)
{
    wi_error why = {0};
    wi_status status = check(sink, error);
    if (status != WI_OK || n_bytes == 0)
        return status;
    if (!bytes)
        return wi_fail(error, WI_ERR_ARG, "there are no bytes to write");
    status = keep(sink, sink->kind->write(sink, bytes, n_bytes, &why), &why, error);
    sink->n_bytes += status == WI_OK ? n_bytes : 0;
    return status;
}

wi_status wi_sink_align(wi_sink *sink, size_t step, wi_error *error)
{
    static const uint8_t zeros[256];
    size_t left = (size_t)(sink->n_bytes % step);
    wi_status status = WI_OK;
    left = left ? step - left : 0;
    while (left && status == WI_OK) {
        size_t n = left < sizeof zeros ? left : sizeof zeros;
        status = wi_sink_write(sink, zeros, n, error);
        left -= n;
    }
    return status;
}

bool wi_sink_can_patch(const wi_sink *sink)
{
    return sink->kind->patch != NULL;
}

wi_status wi_sink_patch(wi_sink *sink, uint64_t offset, const void *bytes, size_t n_bytes,
                        wi_error *error)
{
    wi_error why = {0};
    wi_status status = check(sink, error);
    if (status != WI_OK)
        return status;
    if (!sink->kind->patch)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "what was written here cannot be changed");
    if (offset > sink->n_bytes || n_bytes > sink->n_bytes - offset)
        return wi_fail(error, WI_ERR_ARG, "only bytes that were written can be changed");
    return keep(sink, sink->kind->patch(sink, offset, bytes, n_bytes, &why), &why, error);
}

wi_status wi_sink_commit(wi_sink *sink, wi_error *error)
{
    wi_error why = {0};
    wi_status status = check(sink, error);
    if (status != WI_OK)
        return status;
    status = keep(sink, sink->kind->commit(sink, &why), &why, error);
    sink->committed = status == WI_OK;
    return status;
}

void wi_sink_close(wi_sink **sink)
{
    if (!sink || !*sink)
        return;
    (*sink)->kind->free(*sink);
    *sink = NULL;
}

/* ---- memory ---- */

typedef struct memory {
    wi_sink sink;
    wi_buffer buffer;
} memory;

static wi_status memory_write(wi_sink *sink, const void *bytes, size_t n_bytes, wi_error *error)
{
    return wi_buffer_append(&((memory *)sink)->buffer, bytes, n_bytes, error);
}

static wi_status memory_patch(wi_sink *sink, uint64_t offset, const void *bytes, size_t n_bytes,
                              wi_error *error)
{
    (void)error;
    memcpy(((memory *)sink)->buffer.bytes + offset, bytes, n_bytes);
    return WI_OK;
}

static wi_status nothing_to_commit(wi_sink *sink, wi_error *error)
{
    (void)sink, (void)error;
    return WI_OK;
}

static void memory_free(wi_sink *sink)
{
    wi_buffer_free(&((memory *)sink)->buffer);
    free(sink);
}

static const wi_sink_kind memory_kind = {memory_write, memory_patch, nothing_to_commit,
                                         memory_free};

wi_status wi_sink_to_memory(wi_sink **out, wi_error *error)
{
    memory *m = out ? calloc(1, sizeof *m) : NULL;
    if (!out)
        return wi_fail(error, WI_ERR_ARG, "a sink needs a place");
    if (!m)
        return wi_fail_nomem(error, sizeof *m, "a sink");
    m->sink.kind = &memory_kind;
    wi_buffer_init(&m->buffer, SIZE_MAX / 4);
    *out = &m->sink;
    return WI_OK;
}

const void *wi_sink_bytes(const wi_sink *sink, size_t *n_bytes)
{
    bool ready = sink && sink->kind == &memory_kind && sink->committed;
    const wi_buffer *buffer = ready ? &((const memory *)sink)->buffer : NULL;
    if (n_bytes)
        *n_bytes = ready ? buffer->n_bytes : 0;
    return ready ? buffer->bytes ? buffer->bytes : (const uint8_t *)"" : NULL;
}

/* ---- a function ---- */

typedef struct function {
    wi_sink sink;
    wi_sink_write_fn *write;
    void *context;
} function;

static wi_status function_write(wi_sink *sink, const void *bytes, size_t n_bytes, wi_error *error)
{
    const function *f = (const function *)sink;
    return f->write(f->context, bytes, n_bytes, error);
}

static void function_free(wi_sink *sink)
{
    free(sink);
}

static const wi_sink_kind function_kind = {function_write, NULL, nothing_to_commit, function_free};

wi_status wi_sink_to_function(wi_sink_write_fn *write, void *context, wi_sink **out,
                              wi_error *error)
{
    if (!write || !out)
        return wi_fail(error, WI_ERR_ARG, "a sink needs a function and a place");
    function *f = calloc(1, sizeof *f);
    if (!f)
        return wi_fail_nomem(error, sizeof *f, "a sink");
    *f = (function){{.kind = &function_kind}, write, context};
    *out = &f->sink;
    return WI_OK;
}
