#include "fmt/json.h"

#include "base/error.h"
#include "base/map.h"
#include "base/utf8.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* The library recurses while parsing, so nesting is counted before it sees the text. */
static bool too_deep(const char *text, size_t n_bytes)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n_bytes; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > WI_JSON_MAX_DEPTH)
                return true;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return false;
}

#define MOST_EXACT 9007199254740992.0 /* 2^53: a double holds every integer up to here */

/* Integers back from the doubles that they were read as; 10^30 stays a double. Its own value, or NULL
 * where memory is out; takes `value`. As deep as the text was nested, which is bounded. */
static json_t *with_integers(json_t *value) // NOLINT(misc-no-recursion)
{
    const double number = json_number_value(value);
    const char *key;
    json_t *child;
    size_t i;
    bool ok = true;
    if (json_is_real(value) && number == trunc(number) && fabs(number) <= MOST_EXACT) {
        json_decref(value);
        return json_integer((json_int_t)number);
    }
    /* Setting an element releases the one before it, so that each is held until then. */
    json_object_foreach(value, key, child)
    {
        ok &= json_object_set_new(value, key, with_integers(json_incref(child))) == 0;
    }
    json_array_foreach(value, i, child)
    {
        ok &= json_array_set_new(value, i, with_integers(json_incref(child))) == 0;
    }
    if (ok)
        return value;
    json_decref(value);
    return NULL;
}

wi_status wi_json_parse(const char *file, const void *bytes, size_t n_bytes, wi_json **out,
                        wi_error *error)
{
    if (too_deep(bytes, n_bytes))
        return wi_fail(error, WI_ERR_FORMAT, "%s: JSON nested deeper than %d levels", file,
                       WI_JSON_MAX_DEPTH);
    json_error_t why = {0}; /* the library sets its code only with a text */
    json_t *root = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &why);
    /* Tokenizers' configurations say a length of 10^30 for "none", which no integer holds. */
    if (!root && *why.text && json_error_code(&why) == json_error_numeric_overflow) {
        root = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
        if (root && !(root = with_integers(root)))
            return wi_fail_nomem(error, n_bytes, "JSON");
    }
    if (!root) {
        /* Where memory is out, the library mostly stops without a word. */
        if (json_error_code(&why) == json_error_out_of_memory || !*why.text)
            return wi_fail_nomem(error, n_bytes, "JSON");
        return wi_fail(error, WI_ERR_FORMAT, "%s: line %d, column %d: %s", file, why.line,
                       why.column, why.text);
    }
    *out = root;
    return WI_OK;
}

wi_status wi_json_read(const char *path, size_t max_bytes, wi_json **out, wi_error *error)
{
    wi_map map = {NULL, 0};
    wi_status status = wi_map_open(path, &map, error);
    if (status != WI_OK)
        return status;
    if (map.n_bytes > max_bytes)
        status =
            wi_fail(error, WI_ERR_LIMIT, "%s: %zu bytes of JSON, more than the %zu that are read",
                    path, map.n_bytes, max_bytes);
    else if (map.n_bytes == 0)
        status = wi_fail(error, WI_ERR_FORMAT, "%s: the file is empty", path);
    else
        status = wi_json_parse(path, map.bytes, map.n_bytes, out, error);
    wi_map_close(&map);
    return status;
}

void wi_json_free(wi_json **root)
{
    if (!root)
        return;
    json_decref(*root);
    *root = NULL;
}

bool wi_json_is_object(const wi_json *value)
{
    return json_is_object(value);
}

bool wi_json_is_array(const wi_json *value)
{
    return json_is_array(value);
}

const wi_json *wi_json_get(const wi_json *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

size_t wi_json_count(const wi_json *value)
{
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const wi_json *wi_json_at(const wi_json *array, size_t index)
{
    return json_array_get(array, index);
}

const char *wi_json_string(const wi_json *value)
{
    return json_string_value(value);
}

bool wi_json_integer(const wi_json *value, int64_t *out)
{
    if (!json_is_integer(value))
        return false;
    *out = json_integer_value(value);
    return true;
}

bool wi_json_number(const wi_json *value, double *out)
{
    if (!json_is_number(value))
        return false;
    *out = json_number_value(value);
    return true;
}

bool wi_json_boolean(const wi_json *value, bool *out)
{
    if (!json_is_boolean(value))
        return false;
    *out = json_is_true(value);
    return true;
}

/* The library's iterator takes a mutable object but does not change it. */
static json_t *mutable_object(const wi_json *object)
{
    return (json_t *)(uintptr_t)object;
}

static wi_json_member member_at(void *position)
{
    return (wi_json_member){json_object_iter_key(position), json_object_iter_value(position),
                            position};
}

wi_json_member wi_json_first(const wi_json *object)
{
    return member_at(json_object_iter(mutable_object(object)));
}

wi_json_member wi_json_next(const wi_json *object, wi_json_member member)
{
    return member_at(json_object_iter_next(mutable_object(object), member.position));
}

typedef struct sink {
    wi_buffer *buffer;
    wi_error *error;
    wi_status status;
} sink;

static int append(const char *bytes, size_t n_bytes, void *context)
{
    sink *to = context;
    to->status = wi_buffer_append(to->buffer, bytes, n_bytes, to->error);
    return to->status == WI_OK ? 0 : -1;
}

wi_status wi_json_append_string(wi_buffer *buffer, const char *text, wi_error *error)
{
    if (!wi_utf8_check(text, strlen(text), NULL))
        return wi_fail(error, WI_ERR_ARG, "'%s' is not UTF-8", text);
    json_t *value = json_string_nocheck(text);
    if (!value)
        return wi_fail_nomem(error, strlen(text), "JSON");
    size_t n_before = buffer->n_bytes;
    sink to = {buffer, error, WI_OK};
    int failed = json_dump_callback(value, append, &to, JSON_ENCODE_ANY);
    json_decref(value);
    if (!failed)
        return WI_OK;
    buffer->n_bytes = n_before;
    return to.status != WI_OK ? to.status : wi_fail_nomem(error, strlen(text), "JSON");
}
