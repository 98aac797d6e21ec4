/* Parameters in a model file and in its fingerprint, both by the lists of fields (nn/field.h). */
#ifndef WI_MODEL_PARAMSFILE_H
#define WI_MODEL_PARAMSFILE_H

#include "base/sha256.h"
#include "fmt/gguf_write.h"
#include "model/params.h"

/* Version 2 has the first fields and kinds; whatever goes beyond them makes a file of version 3, so
 * that programs that would ignore it refuse it. Int8 weights keep the bound WI_S8_FOUR (kern/kern.h)
 * since version 2. */
enum { WI_FILE_OLDEST = 2, WI_FILE_NEWEST = 3 };

/* Errors: WI_ERR_NOT_FOUND or WI_ERR_FORMAT naming a key that is missing or of another type;
 * WI_ERR_UNSUPPORTED naming one that this version does not know. */
wi_status wi_params_read(const wi_gguf *gguf, wi_params *out, wi_error *error);
/* With whatsit.version. */
void wi_params_write(wi_gguf_writer *writer, const wi_params *params);
/* Every parameter that changes an embedding or a score. */
void wi_params_hash(const wi_params *params, wi_sha256 *sha);

#endif
