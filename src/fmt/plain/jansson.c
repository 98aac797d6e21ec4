#include <jansson.h>

#include "base/error.h"
#include "base/utf8.h"
#include "fmt/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { NOTHING, BOOLEAN, INTEGER, REAL, STRING, ARRAY, OBJECT } kind;

enum { MAX_DUMPED = 1 << 30, MAX_READ = 1 << 30 };

struct json_tree {
    kind kind;
    size_t n_owners;
    json_int_t integer; /* and the boolean */
    double real;
    char *text;
    size_t n_text;
    json_t **items;
    char **keys; /* of an object */
    size_t n, room;
};

/* ---- values ---- */

static json_t *make(kind what)
{
    json_t *value = calloc(1, sizeof *value);
    if (value) {
        value->kind = what;
        value->n_owners = 1;
    }
    return value;
}

json_t *json_incref(json_t *value)
{
    if (value)
        value->n_owners++;
    return value;
}

void json_decref(json_t *value)
{
    if (!value || --value->n_owners > 0)
        return;
    for (size_t i = 0; i < value->n; i++) {
        json_decref(value->items[i]);
        if (value->keys)
            free(value->keys[i]);
    }
    free(value->items);
    free(value->keys);
    free(value->text);
    free(value);
}

json_t *json_null(void)
{
    return make(NOTHING);
}

json_t *json_boolean(int is_true)
{
    json_t *value = make(BOOLEAN);
    if (value)
        value->integer = is_true != 0;
    return value;
}

json_t *json_integer(json_int_t integer)
{
    json_t *value = make(INTEGER);
    if (value)
        value->integer = integer;
    return value;
}

json_t *json_real(double real)
{
    json_t *value = isfinite(real) ? make(REAL) : NULL;
    if (value)
        value->real = real;
    return value;
}

json_t *json_stringn(const char *text, size_t n_bytes)
{
    if (!text || !wi_utf8_check(text, n_bytes, NULL))
        return NULL;
    json_t *value = make(STRING);
    char *copy = value ? malloc(n_bytes + 1) : NULL;
    if (!copy) {
        json_decref(value);
        return NULL;
    }
    memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    value->text = copy;
    value->n_text = n_bytes;
    return value;
}

json_t *json_string(const char *text)
{
    return text ? json_stringn(text, strlen(text)) : NULL;
}

json_t *json_array(void)
{
    return make(ARRAY);
}

json_t *json_object(void)
{
    return make(OBJECT);
}

bool json_is_boolean(const json_t *value)
{
    return value && value->kind == BOOLEAN;
}

bool json_is_integer(const json_t *value)
{
    return value && value->kind == INTEGER;
}

bool json_is_string(const json_t *value)
{
    return value && value->kind == STRING;
}

bool json_is_true(const json_t *value)
{
    return json_is_boolean(value) && value->integer;
}

json_int_t json_integer_value(const json_t *value)
{
    return json_is_integer(value) ? value->integer : 0;
}

double json_number_value(const json_t *value)
{
    return value && value->kind == REAL ? value->real : (double)json_integer_value(value);
}

const char *json_string_value(const json_t *value)
{
    return json_is_string(value) ? value->text : NULL;
}

size_t json_string_length(const json_t *value)
{
    return json_is_string(value) ? value->n_text : 0;
}

/* ---- arrays and objects ---- */

/* Takes value and key; both are gone when it fails. */
static int append(json_t *into, char *key, json_t *value)
{
    if (value && into->n == into->room) {
        const size_t room = into->room ? 2 * into->room : 8;
        json_t **items = realloc(into->items, room * sizeof *items);
        into->items = items ? items : into->items;
        char **keys = items && key ? realloc(into->keys, room * sizeof *keys) : NULL;
        into->keys = keys ? keys : into->keys;
        if (items && (keys || !key))
            into->room = room;
    }
    if (!value || into->n == into->room) {
        json_decref(value);
        free(key);
        return -1;
    }
    into->items[into->n] = value;
    if (key)
        into->keys[into->n] = key;
    into->n++;
    return 0;
}

json_t *json_array_get(const json_t *array, size_t index)
{
    return array && array->kind == ARRAY && index < array->n ? array->items[index] : NULL;
}

int json_array_append_new(json_t *array, json_t *value)
{
    if (!array || array->kind != ARRAY) {
        json_decref(value);
        return -1;
    }
    return append(array, NULL, value);
}

json_t *json_object_get(const json_t *object, const char *key)
{
    for (size_t i = 0; object && object->kind == OBJECT && i < object->n; i++)
        if (strcmp(object->keys[i], key) == 0)
            return object->items[i];
    return NULL;
}

int json_object_set_new(json_t *object, const char *key, json_t *value)
{
    if (!object || object->kind != OBJECT || !value) {
        json_decref(value);
        return -1;
    }
    for (size_t i = 0; i < object->n; i++)
        if (strcmp(object->keys[i], key) == 0) {
            json_decref(object->items[i]);
            object->items[i] = value;
            return 0;
        }
    char *copy = malloc(strlen(key) + 1);
    if (!copy) {
        json_decref(value);
        return -1;
    }
    return append(object, strcpy(copy, key), value);
}

int json_object_update(json_t *object, json_t *other)
{
    int failed = object && other ? 0 : -1;
    for (size_t i = 0; failed == 0 && i < other->n; i++)
        failed = json_object_set_new(object, other->keys[i], json_incref(other->items[i]));
    return failed;
}

json_t *json_deep_copy(const json_t *value)
{
    json_t *copy = NULL;
    if (!value)
        return NULL;
    if (value->kind == STRING)
        return json_stringn(value->text, value->n_text);
    copy = make(value->kind);
    int failed = copy ? 0 : -1;
    if (copy) {
        copy->integer = value->integer;
        copy->real = value->real;
    }
    for (size_t i = 0; failed == 0 && i < value->n; i++) {
        json_t *item = json_deep_copy(value->items[i]);
        failed = value->kind == ARRAY ? json_array_append_new(copy, item)
                                      : json_object_set_new(copy, value->keys[i], item);
    }
    if (failed) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

/* ---- packing ---- */

typedef struct packing {
    const char *at;
    va_list arguments;
} packing;

static char next_mark(packing *p)
{
    p->at += strspn(p->at, " ,:");
    return *p->at ? *p->at++ : '\0';
}

static json_t *pack_text(packing *p)
{
    const char *text = va_arg(p->arguments, const char *);
    const bool may_lack = *p->at == '?';
    p->at += may_lack ? 1 : 0;
    return !text && may_lack ? json_null() : json_string(text);
}

static json_t *pack(packing *p, char mark);

/* What was given is taken to its end even when a part is missing, so that all of it is released. */
static json_t *pack_many(packing *p, char end)
{
    json_t *many = end == '}' ? json_object() : json_array();
    int failed = many ? 0 : -1;
    for (char mark = next_mark(p); mark && mark != end; mark = next_mark(p)) {
        const char *key = end == '}' ? va_arg(p->arguments, const char *) : NULL;
        json_t *value = pack(p, key ? next_mark(p) : mark);
        failed |= key ? json_object_set_new(many, key, value) : json_array_append_new(many, value);
    }
    if (failed) {
        json_decref(many);
        many = NULL;
    }
    return many;
}

static json_t *pack(packing *p, char mark)
{
    switch (mark) {
    case '{':
        return pack_many(p, '}');
    case '[':
        return pack_many(p, ']');
    case 's':
        return pack_text(p);
    case 'o':
        return va_arg(p->arguments, json_t *);
    case 'b':
        return json_boolean(va_arg(p->arguments, int));
    case 'i':
        return json_integer(va_arg(p->arguments, int));
    case 'I':
        return json_integer(va_arg(p->arguments, json_int_t));
    case 'f':
        return json_real(va_arg(p->arguments, double));
    default:
        return NULL;
    }
}

json_t *json_pack(const char *format, ...)
{
    packing p = {.at = format};
    va_start(p.arguments, format);
    json_t *value = pack(&p, next_mark(&p));
    va_end(p.arguments);
    return value;
}

/* ---- writing ---- */

static wi_status put(wi_buffer *out, const char *text)
{
    return wi_buffer_append(out, text, strlen(text), NULL);
}

/* A real has a point or an exponent, the exponent neither plus nor leading zeros. */
static wi_status put_real(wi_buffer *out, double real, int precision)
{
    char text[64];
    snprintf(text, sizeof text - 2, "%.*g", precision, real);
    char *exponent = strchr(text, 'e');
    if (!exponent && !strchr(text, '.'))
        strcat(text, ".0");
    if (exponent) {
        char *digits = exponent + 1 + (exponent[1] == '-'), *first = digits;
        first += strspn(first, "+0");
        memmove(digits, first, strlen(first) + 1);
    }
    return put(out, text);
}

static wi_status put_value(wi_buffer *out, const json_t *value, int precision)
{
    char number[32];
    wi_status status = WI_OK;
    switch (value->kind) {
    case NOTHING:
        return put(out, "null");
    case BOOLEAN:
        return put(out, value->integer ? "true" : "false");
    case INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)value->integer);
        return put(out, number);
    case REAL:
        return put_real(out, value->real, precision);
    case STRING:
        return wi_json_append_string(out, value->text, NULL);
    default:
        break;
    }
    status = put(out, value->kind == ARRAY ? "[" : "{");
    for (size_t i = 0; i < value->n && status == WI_OK; i++) {
        status = i ? put(out, ",") : WI_OK;
        if (status == WI_OK && value->kind == OBJECT)
            status = wi_json_append_string(out, value->keys[i], NULL);
        if (status == WI_OK && value->kind == OBJECT)
            status = put(out, ":");
        if (status == WI_OK)
            status = put_value(out, value->items[i], precision);
    }
    return status == WI_OK ? put(out, value->kind == ARRAY ? "]" : "}") : status;
}

/* The one layout is JSON_COMPACT. */
static bool dump(const json_t *value, size_t flags, wi_buffer *out)
{
    const int precision = (int)(flags >> 11 & 31);
    wi_buffer_init(out, MAX_DUMPED);
    if (value && (flags & JSON_COMPACT) &&
        put_value(out, value, precision ? precision : 17) == WI_OK)
        return true;
    wi_buffer_free(out);
    return false;
}

int json_dumpf(const json_t *value, FILE *stream, size_t flags)
{
    wi_buffer out;
    if (!dump(value, flags, &out))
        return -1;
    const bool written = fwrite(out.bytes, 1, out.n_bytes, stream) == out.n_bytes;
    wi_buffer_free(&out);
    return written ? 0 : -1;
}

char *json_dumps(const json_t *value, size_t flags)
{
    wi_buffer out;
    if (!dump(value, flags, &out))
        return NULL;
    char *text = malloc(out.n_bytes + 1);
    if (text) {
        memcpy(text, out.bytes, out.n_bytes);
        text[out.n_bytes] = '\0';
    }
    wi_buffer_free(&out);
    return text;
}

/* ---- reading ---- */

static json_t *tree_of(const wi_json *value)
{
    int64_t integer;
    double real;
    bool is_true;
    if (wi_json_string(value))
        return json_string(wi_json_string(value));
    if (wi_json_integer(value, &integer))
        return json_integer(integer);
    if (wi_json_number(value, &real))
        return json_real(real);
    if (wi_json_boolean(value, &is_true))
        return json_boolean(is_true);
    const bool is_array = wi_json_is_array(value);
    if (!is_array && !wi_json_is_object(value))
        return json_null();
    json_t *many = is_array ? json_array() : json_object();
    int failed = many ? 0 : -1;
    for (size_t i = 0; is_array && failed == 0 && i < wi_json_count(value); i++)
        failed = json_array_append_new(many, tree_of(wi_json_at(value, i)));
    if (!is_array)
        for (wi_json_member m = wi_json_first(value); m.key && failed == 0;
             m = wi_json_next(value, m))
            failed = json_object_set_new(many, m.key, tree_of(m.value));
    if (failed) {
        json_decref(many);
        many = NULL;
    }
    return many;
}

static json_t *take(wi_status status, wi_json *read, const wi_error *why, json_error_t *error)
{
    json_t *tree = status == WI_OK ? tree_of(read) : NULL;
    if (!tree && error)
        snprintf(error->text, sizeof error->text, "%s",
                 status == WI_OK ? "out of memory" : why->message);
    if (status == WI_OK)
        wi_json_free(&read);
    return tree;
}

json_t *json_loadb(const char *bytes, size_t n_bytes, size_t flags, json_error_t *error)
{
    wi_error why = {0};
    wi_json *read = NULL;
    (void)flags;
    wi_status status = wi_json_parse("JSON", bytes, n_bytes, &read, &why);
    return take(status, read, &why, error);
}

json_t *json_loads(const char *text, size_t flags, json_error_t *error)
{
    return json_loadb(text, strlen(text), flags, error);
}

json_t *json_load_file(const char *path, size_t flags, json_error_t *error)
{
    wi_error why = {0};
    wi_json *read = NULL;
    (void)flags;
    wi_status status = wi_json_read(path, MAX_READ, &read, &why);
    return take(status, read, &why, error);
}
