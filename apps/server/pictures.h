/* What a request's body carries: pictures and fields, whichever way they were wrapped. */
#ifndef SERVER_PICTURES_H
#define SERVER_PICTURES_H

#include "decoder.h"
#include "fields.h"
#include "message.h"
#include "model.h"

/* One part of a multipart/form-data body; points into the body. */
typedef struct srv_part {
    const char *name; /* owned by the list */
    const uint8_t *bytes;
    size_t n_bytes;
    bool is_file;
} srv_part;

typedef struct srv_parts {
    srv_part *items;
    size_t n;
} srv_parts;

/* Is the body multipart/form-data? */
bool srv_is_multipart(const srv_request *request);
/* The Content-Type without its parameters is this one. */
bool srv_is_type(const srv_request *request, const char *type);
/* Source: RFC 7578, RFC 2046 section 5.1. Errors: WI_ERR_FORMAT, WI_ERR_LIMIT (over 256 parts) */
wi_status srv_parts_read(const srv_request *request, srv_parts *out, wi_error *error);
const srv_part *srv_parts_find(const srv_parts *parts, const char *name);
void srv_parts_free(srv_parts *parts);

/* A form of pictures ('image' or 'file', as often as one likes) and of fields, which then count as if they stood in the
 * query: names ends with NULL. False after answering: what is no form, has another field, no picture, or a field that
 * is in the query as well. The caller frees the parts in any case. */
bool srv_read_form(srv_request *request, const char *const *names, srv_parts *parts,
                   srv_response *response);
bool srv_part_is_picture(const srv_part *part);

/* Base64, plain or as a data: URL, with or without padding and line ends. Owns: the caller frees *out.
 * Errors: WI_ERR_FORMAT */
wi_status srv_base64(const char *text, uint8_t **out, size_t *n, wi_error *error);
/* The caller frees; NULL when memory is out. */
char *srv_to_base64(const void *bytes, size_t n_bytes);

/* File bytes -> normalised embedding[dim]. Errors: those of decoding and encoding; WI_ERR_CANCELLED when nobody
 * waits for the answer any more */
wi_status srv_embed_picture(srv_decoder *decoder, srv_model *model, const srv_asker *asker,
                            const void *bytes, size_t n_bytes, const wi_image_options *reading,
                            float *embedding, srv_decoded *decoded, wi_error *error);
/* The model that the body (NULL: none) or the query names, else the default. Borrowed from the request's set; NULL after
 * answering 404. */
srv_model *srv_read_model(const srv_request *request, const json_t *body, srv_response *response);
/* How the request wants its pictures read: exact, strict, no_exif and alpha, from the query, a form or the body (NULL:
 * none). False after answering 400. */
bool srv_read_reading(const srv_request *request, const json_t *body, srv_response *response,
                      wi_image_options *out);
/* A list of texts. */
json_t *srv_warnings_json(const srv_decoded *decoded);
/* Answers for a picture that failed. */
void srv_picture_error(const srv_request *request, srv_response *response, const void *bytes,
                       size_t n_bytes, const wi_error *error);

/* Answers 415, 400 (JSON is broken), 413 or 503 (it holds too many values) and returns NULL, or returns the body,
 * which the caller decrefs. */
json_t *srv_body_json(srv_request *request, srv_response *response);
/* The same, with these fields and no others, none of which (names, ending with NULL) is in the query as well: 422. */
json_t *srv_read_json(srv_request *request, const srv_field *fields, size_t n_fields,
                      const char *const *names, srv_response *response);
/* A text from the body (NULL: none), else from the query; NULL where it is in neither. */
const char *srv_text_of(const srv_request *request, const json_t *body, const char *name);

#endif
