/* Named tensors in safetensors files: how embeddings and pixels travel to and from other programs.
 * Threads: an open file is immutable, and may be shared. */
#ifndef WHATSIT_TENSORS_H
#define WHATSIT_TENSORS_H

#include <whatsit/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WI_TENSOR_MAX_RANK = 8 };

typedef enum wi_dtype { WI_F32 = 0, WI_F16, WI_BF16, WI_U8, WI_I8, WI_I32, WI_I64 } wi_dtype;

typedef struct wi_tensor {
    const char *name;
    wi_dtype dtype;
    uint32_t rank;
    uint64_t shape[WI_TENSOR_MAX_RANK]; /* row-major */
    const void *data;                   /* little-endian, may be unaligned */
    size_t n_bytes;
} wi_tensor;

typedef struct wi_tensors wi_tensors;

/* Maps and checks the file.
 * Owns: the caller closes *out; tensors point into it. */
WI_API wi_status wi_tensors_open(const char *path, wi_tensors **out, wi_error *error);
WI_API void wi_tensors_close(wi_tensors **tensors);
/* WI_ERR_NOT_FOUND when no tensor has that name. */
WI_API wi_status wi_tensors_get(const wi_tensors *tensors, const char *name, wi_tensor *out,
                                wi_error *error);
/* Writes a new file beside, fsyncs and renames. metadata: n_metadata pairs key, value; may be NULL.
 */
WI_API wi_status wi_tensors_write(const char *path, const wi_tensor *tensors, size_t n_tensors,
                                  const char *const (*metadata)[2], size_t n_metadata,
                                  wi_error *error);
/* The same into a sink, which the caller commits. */
WI_API wi_status wi_tensors_write_to(wi_sink *sink, const wi_tensor *tensors, size_t n_tensors,
                                     const char *const (*metadata)[2], size_t n_metadata,
                                     wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
