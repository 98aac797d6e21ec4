/* JSON from outside, bounded: the only file that sees the JSON library is json.c.
 *
 * A parsed text is a tree of read-only values. Strings live as long as the tree. Duplicate keys,
 * invalid UTF-8, U+0000, deep nesting and anything after the value are refused while parsing. */
#ifndef WI_FMT_JSON_H
#define WI_FMT_JSON_H

#include "base/buffer.h"

typedef struct json_t wi_json;

enum { WI_JSON_MAX_DEPTH = 64 };

/* file: for messages, which give line and column too. Errors: WI_ERR_FORMAT, WI_ERR_NOMEM. */
wi_status wi_json_parse(const char *file, const void *bytes, size_t n_bytes, wi_json **out,
                        wi_error *error);
/* Errors: also WI_ERR_IO, and WI_ERR_LIMIT for a file of more than max_bytes. */
wi_status wi_json_read(const char *path, size_t max_bytes, wi_json **out, wi_error *error);
void wi_json_free(wi_json **root);

bool wi_json_is_object(const wi_json *value);
bool wi_json_is_array(const wi_json *value);

/* The member, or NULL when it is absent or null, or when `object` is no object (also NULL). */
const wi_json *wi_json_get(const wi_json *object, const char *key);
/* Items of an array, members of an object; 0 for everything else. */
size_t wi_json_count(const wi_json *value);
const wi_json *wi_json_at(const wi_json *array, size_t index); /* NULL past the end */

/* Each is false / NULL when the value is NULL or of another kind. A number with a fraction is no
 * integer; an integer is a number. */
const char *wi_json_string(const wi_json *value);
bool wi_json_integer(const wi_json *value, int64_t *out);
bool wi_json_number(const wi_json *value, double *out);
bool wi_json_boolean(const wi_json *value, bool *out);

/* for (wi_json_member m = wi_json_first(object); m.key; m = wi_json_next(object, m)) */
typedef struct wi_json_member {
    const char *key; /* NULL after the last one */
    const wi_json *value;
    void *position;
} wi_json_member;
wi_json_member wi_json_first(const wi_json *object);
wi_json_member wi_json_next(const wi_json *object, wi_json_member member);

/* Appends text as a quoted JSON string. Errors: WI_ERR_ARG when it is not UTF-8, those of the
 * buffer. */
wi_status wi_json_append_string(wi_buffer *buffer, const char *text, wi_error *error);

#endif
