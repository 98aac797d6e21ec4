/* GGUF version 2 and 3: typed keys and a tensor directory over a byte range, read in place.
 *
 * Invariant: every string, array and tensor of a parsed file lies within its bytes; tensors are
 * aligned, do not overlap and have names of their own. Memory is taken for the two directories
 * only. Strings are not terminated: they are ranges of the file. Source: ggml docs/gguf.md. */
#ifndef WI_FMT_GGUF_H
#define WI_FMT_GGUF_H

#include <whatsit/status.h>

enum {
    WI_GGUF_MAX_RANK = 4,
    WI_GGUF_MAX_KEYS = 1 << 16,
    WI_GGUF_MAX_TENSORS = 1 << 16,
    WI_GGUF_MAX_NAME = 255,
    WI_GGUF_DEFAULT_ALIGNMENT = 32
};

typedef enum wi_gguf_type {
    WI_GGUF_U8 = 0,
    WI_GGUF_I8,
    WI_GGUF_U16,
    WI_GGUF_I16,
    WI_GGUF_U32,
    WI_GGUF_I32,
    WI_GGUF_F32,
    WI_GGUF_BOOL,
    WI_GGUF_STRING,
    WI_GGUF_ARRAY,
    WI_GGUF_U64,
    WI_GGUF_I64,
    WI_GGUF_F64,
    WI_GGUF_N_TYPES
} wi_gguf_type;

/* ggml's numbers. Other types are listed in the directory with data == NULL. */
typedef enum wi_ggml_type {
    WI_GGML_F32 = 0,
    WI_GGML_F16 = 1,
    WI_GGML_Q4_0 = 2,
    WI_GGML_Q8_0 = 8,
    WI_GGML_I8 = 24,
    WI_GGML_I16 = 25,
    WI_GGML_I32 = 26,
    WI_GGML_I64 = 27,
    WI_GGML_BF16 = 30
} wi_ggml_type;

typedef struct wi_gguf_text {
    const char *data;
    size_t n_bytes;
} wi_gguf_text;

bool wi_gguf_text_is(wi_gguf_text text, const char *other);

typedef struct wi_gguf_tensor {
    wi_gguf_text name;
    uint32_t type; /* wi_ggml_type */
    uint32_t rank;
    uint64_t dims[WI_GGUF_MAX_RANK]; /* ggml's order: dims[0] varies fastest; 1 beyond rank */
    const uint8_t *data;             /* NULL for a type that is not known */
    size_t n_bytes;
} wi_gguf_tensor;

typedef struct wi_gguf wi_gguf;

/* Checks both directories. file: for messages, borrowed.
 * Owns: the caller closes *out; bytes are borrowed for its life.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED (version, nested arrays), WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_gguf_parse(const char *file, const uint8_t *bytes, size_t n_bytes, wi_gguf **out,
                        wi_error *error);
void wi_gguf_close(wi_gguf **gguf);

size_t wi_gguf_n_keys(const wi_gguf *gguf);
bool wi_gguf_has(const wi_gguf *gguf, const char *key);
/* Names and types of all keys, in the order of names. */
wi_gguf_text wi_gguf_key_at(const wi_gguf *gguf, size_t index, wi_gguf_type *type);

/* Values. Any integer type is read where its value fits; f32 also reads f64 and integers.
 * Errors: WI_ERR_NOT_FOUND when there is no such key, WI_ERR_FORMAT when it has another type. */
wi_status wi_gguf_u32(const wi_gguf *gguf, const char *key, uint32_t *out, wi_error *error);
wi_status wi_gguf_f32(const wi_gguf *gguf, const char *key, float *out, wi_error *error);
wi_status wi_gguf_bool(const wi_gguf *gguf, const char *key, bool *out, wi_error *error);
wi_status wi_gguf_string(const wi_gguf *gguf, const char *key, wi_gguf_text *out, wi_error *error);

/* An array, read from its front. */
typedef struct wi_gguf_array {
    wi_gguf_type type; /* of the elements */
    uint64_t n_left;
    const uint8_t *next; /* little-endian, may be unaligned */
} wi_gguf_array;
wi_status wi_gguf_array_of(const wi_gguf *gguf, const char *key, wi_gguf_array *out,
                           wi_error *error);
/* Each is false at the end and when the elements are of another kind. */
bool wi_gguf_next_string(wi_gguf_array *array, wi_gguf_text *out);
bool wi_gguf_next_integer(wi_gguf_array *array, int64_t *out);
bool wi_gguf_next_number(wi_gguf_array *array, double *out);

size_t wi_gguf_n_tensors(const wi_gguf *gguf);
/* In the order of names; index < n_tensors. */
const wi_gguf_tensor *wi_gguf_tensor_at(const wi_gguf *gguf, size_t index);
/* NULL when there is no such tensor. */
const wi_gguf_tensor *wi_gguf_tensor_find(const wi_gguf *gguf, const char *name);

/* Bytes of a tensor of this type and these dims; false when the type is unknown, when blocks do not
 * divide dims[0] or when the size overflows. */
bool wi_ggml_size(uint32_t type, const uint64_t dims[WI_GGUF_MAX_RANK], size_t *out);
/* "f32", "q8_0", "type 14" ... */
const char *wi_ggml_name(uint32_t type);

#endif
