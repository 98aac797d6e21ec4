/* safetensors: a JSON directory and raw tensors.
 *
 * Invariant: every tensor of a parsed file lies within its bytes, has exactly the bytes that dtype
 * and shape need, shares none with another one, and has a name of its own. Data is little-endian,
 * row-major and may be unaligned. As in the reference implementation, the data section has no
 * holes. Source: huggingface/safetensors, README "Format". */
#ifndef WI_FMT_SAFETENSORS_H
#define WI_FMT_SAFETENSORS_H

#include <whatsit/sink.h>

enum {
    WI_SAFETENSORS_MAX_RANK = 8,
    WI_SAFETENSORS_MAX_HEADER = 32 << 20 /* bytes of JSON */
};

typedef enum wi_safetensors_type {
    WI_ST_F32 = 0,
    WI_ST_F16,
    WI_ST_BF16,
    WI_ST_U8,
    WI_ST_I8,
    WI_ST_I32,
    WI_ST_I64,
    WI_ST_F64,
    WI_ST_U16,
    WI_ST_I16,
    WI_ST_U32,
    WI_ST_U64,
    WI_ST_BOOL,
    WI_ST_F8_E4M3,
    WI_ST_F8_E5M2,
    WI_ST_N_TYPES
} wi_safetensors_type;

typedef struct wi_safetensors_tensor {
    const char *name;
    wi_safetensors_type type;
    uint32_t rank;
    uint64_t shape[WI_SAFETENSORS_MAX_RANK];
    const uint8_t *data; /* never NULL, also of an empty tensor */
    size_t n_bytes;
} wi_safetensors_tensor;

typedef struct wi_safetensors wi_safetensors;

/* Checks the whole directory. file: for messages.
 * Owns: the caller closes *out; bytes are borrowed for its life.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED (unknown dtype, rank over 8), WI_ERR_LIMIT,
 * WI_ERR_NOMEM */
wi_status wi_safetensors_parse(const char *file, const uint8_t *bytes, size_t n_bytes,
                               wi_safetensors **out, wi_error *error);
/* A directory of tensors that another format brought. Takes tensors (n of them, from malloc) and
 * memory (where names and data may lie; nullable) over, after a failure too.
 * Errors: WI_ERR_FORMAT (two of one name), WI_ERR_NOMEM */
wi_status wi_safetensors_collect(const char *file, wi_safetensors_tensor *tensors, size_t n_tensors,
                                 void *memory, wi_safetensors **out, wi_error *error);
void wi_safetensors_close(wi_safetensors **file);

size_t wi_safetensors_count(const wi_safetensors *file);
/* In the order of names; index < count. */
const wi_safetensors_tensor *wi_safetensors_at(const wi_safetensors *file, size_t index);
/* NULL when there is no such tensor. */
const wi_safetensors_tensor *wi_safetensors_find(const wi_safetensors *file, const char *name);
/* NULL when there is no such key. */
const char *wi_safetensors_metadata(const wi_safetensors *file, const char *key);

/* "F32", ... as the format spells it. */
const char *wi_safetensors_type_name(wi_safetensors_type type);
size_t wi_safetensors_type_bytes(wi_safetensors_type type);

/* Writes all of a file to the sink, which the caller commits. Wider types come first, so that
 * readers that map the file find them aligned. metadata: n_metadata pairs key, value. Errors: WI_ERR_ARG (a name
 * twice, not UTF-8, n_bytes that do not fit the shape), WI_ERR_IO, WI_ERR_NOMEM */
wi_status wi_safetensors_write_to(wi_sink *sink, const wi_safetensors_tensor *tensors,
                                  size_t n_tensors, const char *const (*metadata)[2],
                                  size_t n_metadata, wi_error *error);
/* The same into a file that appears whole or not at all. */
wi_status wi_safetensors_write(const char *path, const wi_safetensors_tensor *tensors,
                               size_t n_tensors, const char *const (*metadata)[2],
                               size_t n_metadata, wi_error *error);

#endif
