/* Writing GGUF version 3: declare keys, declare tensors, begin, stream the tensors' bytes in the
 * declared order, commit. A crash or an error before commit leaves no file under the name.
 *
 * Ownership: the writer copies what it is given. The first failure sticks: later calls do nothing
 * and return it, so that a caller may declare everything and look at `begin` only. */
#ifndef WI_FMT_GGUF_WRITE_H
#define WI_FMT_GGUF_WRITE_H

#include "fmt/gguf.h"

typedef struct wi_gguf_writer wi_gguf_writer;

/* alignment: a power of two, of every tensor in the file; written as a key unless it is GGUF's
 * default of 32. */
wi_status wi_gguf_writer_open(const char *path, uint32_t alignment, wi_gguf_writer **out,
                              wi_error *error);
/* Removes the unfinished file, unless it was committed. */
void wi_gguf_writer_close(wi_gguf_writer **writer);

void wi_gguf_put_u32(wi_gguf_writer *writer, const char *key, uint32_t value);
void wi_gguf_put_f32(wi_gguf_writer *writer, const char *key, float value);
void wi_gguf_put_bool(wi_gguf_writer *writer, const char *key, bool value);
void wi_gguf_put_string(wi_gguf_writer *writer, const char *key, const char *value);
/* values[n] of a number type, in this machine's (little-endian) order. */
void wi_gguf_put_array(wi_gguf_writer *writer, const char *key, wi_gguf_type type,
                       const void *values, size_t n);
void wi_gguf_put_strings(wi_gguf_writer *writer, const char *key, const wi_gguf_text *values,
                         size_t n);

/* dims[rank] in ggml's order: dims[0] varies fastest. */
void wi_gguf_put_tensor(wi_gguf_writer *writer, const char *name, wi_ggml_type type, uint32_t rank,
                        const uint64_t *dims);

/* Writes the directories. Errors: the first one so far; WI_ERR_ARG for a name twice or a shape that
 * its type cannot have; WI_ERR_IO, WI_ERR_NOMEM. */
wi_status wi_gguf_writer_begin(wi_gguf_writer *writer, wi_error *error);
/* The next bytes of the tensors, in the order of wi_gguf_put_tensor and in pieces of any size;
 * padding between tensors is the writer's. One piece must not reach from one tensor into the next
 * (WI_ERR_ARG). */
wi_status wi_gguf_writer_data(wi_gguf_writer *writer, const void *bytes, size_t n_bytes,
                              wi_error *error);
/* Replaces the value of a string key by another one of the same length, after begin: for digests of
 * what was streamed. Errors: WI_ERR_ARG, WI_ERR_IO. */
wi_status wi_gguf_writer_patch_string(wi_gguf_writer *writer, const char *key, const char *value,
                                      wi_error *error);
/* Errors: WI_ERR_ARG when tensors lack bytes; WI_ERR_IO. */
wi_status wi_gguf_writer_commit(wi_gguf_writer *writer, wi_error *error);

#endif
