/* Head files: safetensors that open anywhere, with everything else as text metadata.
 *
 * Tensors: weight f32 [n_rows, d]; row_label i32 [n_rows] when labels have synonyms; bias f32
 * [n_labels]; delta f32 [n_labels, d], keys f32 [m, d] and key_label i32 [m] (few-shot); background
 * f32 [b, d]. f16 and bf16 are read too. Metadata (all strings; numbers as decimal text, lists as JSON arrays): format
 * "whatsit head", format_version "1", name, kind "zero-shot" | "linear" | "few-shot", labels,
 * groups, templates, model, model_fingerprint, logit_scale, logit_bias, temperature, words_weight,
 * scores "softmax" | "sigmoid", none_threshold, none_rate, licence, source, sensitivity. What is
 * absent has the value of wi_head_parts_init; format, format_version, kind and labels are required.
 * A reader refuses a format_version that it does not know, and ignores keys that it does not know.
 */
#ifndef WI_HEAD_HEADFILE_H
#define WI_HEAD_HEADFILE_H

#include "head/head.h"

#include <whatsit/sink.h>

/* Maps the file; tensors of 4-byte numbers at 4-byte boundaries are used where they lie.
 * Errors: WI_ERR_IO, WI_ERR_FORMAT, WI_ERR_UNSUPPORTED, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_headfile_open(const wi_kern *kern, const char *path, wi_head **out, wi_error *error);
/* The same from memory, which is copied. */
wi_status wi_headfile_open_memory(const wi_kern *kern, const void *bytes, size_t n_bytes,
                                  wi_head **out, wi_error *error);
/* Writes all of the file to the sink, which the caller commits. */
wi_status wi_headfile_write(const wi_head *head, wi_sink *sink, wi_error *error);

#endif
