/* The same JSON interface without the library, for WebAssembly, where no package brings it.
 *
 * Invariant: one block holds all values and texts of a tree. Its size is known before parsing: each
 * value but the first stands behind one of [ , : and no text grows when it is unescaped. */
#include "fmt/json.h"

#include "base/error.h"
#include "base/map.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind {
    IS_NULL = 0,
    IS_BOOLEAN,
    IS_INTEGER,
    IS_REAL,
    IS_STRING,
    IS_ARRAY,
    IS_OBJECT
} kind;

struct json_t {
    kind kind;
    bool flat; /* array: the items are neighbours in memory, because none has items of its own */
    const char *key;
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text;
        struct {
            wi_json *first;
            size_t n;
        } items;
    } u;
    wi_json *next; /* in the same array or object */
};

/* Keys of one object are compared with each other. */
enum { MAX_MEMBERS = 4096 };

typedef struct parser {
    const char *at, *end, *begin;
    wi_json *values;
    size_t n_values;
    char *text; /* where the next text goes */
    const char *fault;
} parser;

static bool fail(parser *p, const char *fault)
{
    if (!p->fault)
        p->fault = fault;
    return false;
}

static void skip_space(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static bool take(parser *p, char c)
{
    skip_space(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool take_word(parser *p, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
        return fail(p, "invalid token");
    p->at += n;
    return true;
}

/* ---- texts ---- */

static bool take_hex(parser *p, uint32_t *out)
{
    uint32_t value = 0;
    if (p->end - p->at < 4)
        return fail(p, "invalid escape");
    for (int i = 0; i < 4; i++) {
        const char c = *p->at++;
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return fail(p, "invalid escape");
        value = value << 4 | (uint32_t)digit;
    }
    *out = value;
    return true;
}

static bool take_unicode(parser *p)
{
    uint32_t c, low;
    if (!take_hex(p, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return fail(p, "half a surrogate pair");
        p->at += 2;
        if (!take_hex(p, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(p, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return fail(p, "half a surrogate pair");
    }
    if (c == 0)
        return fail(p, "\\u0000 is not allowed");
    p->text += wi_utf8_put(c, p->text);
    return true;
}

static bool take_escape(parser *p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end)
        return fail(p, "premature end of input");
    const char c = *p->at++;
    if (c == 'u')
        return take_unicode(p);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return fail(p, "invalid escape");
    *p->text++ = to[found - from];
    return true;
}

/* Behind the opening quote. */
static const char *take_text(parser *p)
{
    const char *begin = p->text;
    while (p->at < p->end && *p->at != '"') {
        const unsigned char c = (unsigned char)*p->at;
        if (c == '\\') {
            p->at++;
            if (!take_escape(p))
                return NULL;
        } else if (c < 0x20) {
            fail(p, "control character in a text");
            return NULL;
        } else {
            size_t n = wi_utf8_length(p->at, (size_t)(p->end - p->at));
            if (n == 0) {
                fail(p, "not UTF-8");
                return NULL;
            }
            while (n--)
                *p->text++ = *p->at++;
        }
    }
    if (p->at == p->end) {
        fail(p, "premature end of input");
        return NULL;
    }
    p->at++;
    *p->text++ = '\0';
    return begin;
}

/* ---- values ---- */

static size_t count_digits(parser *p)
{
    const char *begin = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return (size_t)(p->at - begin);
}

static bool take_number(parser *p, wi_json *value)
{
    char copy[64], *end;
    const char *begin = p->at;
    bool whole = true;
    if (*p->at == '-')
        p->at++;
    const char *digits = p->at;
    size_t n = count_digits(p);
    bool good = n > 0 && !(n > 1 && *digits == '0');
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        whole = false;
        good &= count_digits(p) > 0;
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        p->at++;
        whole = false;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
            p->at++;
        good &= count_digits(p) > 0;
    }
    n = (size_t)(p->at - begin);
    if (!good)
        return fail(p, "invalid token");
    if (n >= sizeof copy)
        return fail(p, "a number of too many digits");
    memcpy(copy, begin, n);
    copy[n] = '\0';
    int64_t sum = 0; /* downwards, because there is one negative number more */
    for (const char *d = copy + (copy[0] == '-'); whole && *d; d++)
        whole =
            !__builtin_mul_overflow(sum, 10, &sum) && !__builtin_sub_overflow(sum, *d - '0', &sum);
    if (whole && copy[0] != '-')
        whole = !__builtin_sub_overflow(0, sum, &sum);
    value->kind = whole ? IS_INTEGER : IS_REAL;
    if (whole) {
        value->u.integer = sum;
        return true;
    }
    /* Integers beyond 64 bits are doubles, as tokenizers' configurations say 10^30 for "none". */
    value->u.real = strtod(copy, &end);
    return isfinite(value->u.real) ? true : fail(p, "real number overflow");
}

static wi_json *take_value(parser *p, int depth);

static bool has_key(const wi_json *object, const char *key)
{
    for (const wi_json *m = object->u.items.first; m; m = m->next)
        if (strcmp(m->key, key) == 0)
            return true;
    return false;
}

static bool take_key(parser *p, const wi_json *object, const char **key)
{
    if (!take(p, '"'))
        return fail(p, "string or '}' expected");
    *key = take_text(p);
    if (!*key)
        return false;
    if (object->u.items.n >= MAX_MEMBERS)
        return fail(p, "too many members in one object");
    if (has_key(object, *key))
        return fail(p, "duplicate object key");
    return take(p, ':') ? true : fail(p, "':' expected");
}

/* Behind the opening bracket. */
static bool take_items(parser *p, wi_json *value, char close, int depth)
{
    wi_json **last = &value->u.items.first;
    value->kind = close == ']' ? IS_ARRAY : IS_OBJECT;
    value->flat = true;
    if (depth > WI_JSON_MAX_DEPTH)
        return fail(p, "nested too deeply");
    if (take(p, close))
        return true;
    do {
        const char *key = NULL;
        if (close == '}' && !take_key(p, value, &key))
            return false;
        wi_json *item = take_value(p, depth);
        if (!item)
            return false;
        item->key = key;
        value->flat &= item->kind < IS_ARRAY;
        *last = item;
        last = &item->next;
        value->u.items.n++;
    } while (take(p, ','));
    return take(p, close) ? true : fail(p, "',' or a closing bracket expected");
}

static wi_json *take_value(parser *p, int depth)
{
    skip_space(p);
    if (p->at == p->end) {
        fail(p, "premature end of input");
        return NULL;
    }
    wi_json *value = &p->values[p->n_values++];
    bool good;
    memset(value, 0, sizeof *value);
    switch (*p->at) {
    case '{':
        p->at++;
        good = take_items(p, value, '}', depth + 1);
        break;
    case '[':
        p->at++;
        good = take_items(p, value, ']', depth + 1);
        break;
    case '"':
        p->at++;
        value->kind = IS_STRING;
        value->u.text = take_text(p);
        good = value->u.text != NULL;
        break;
    case 't':
    case 'f':
        value->kind = IS_BOOLEAN;
        value->u.boolean = *p->at == 't';
        good = take_word(p, value->u.boolean ? "true" : "false");
        break;
    case 'n':
        good = take_word(p, "null");
        break;
    default:
        good = take_number(p, value);
        break;
    }
    return good ? value : NULL;
}

wi_status wi_json_parse(const char *file, const void *bytes, size_t n_bytes, wi_json **out,
                        wi_error *error)
{
    const char *text = bytes;
    size_t n_values = 2;
    for (size_t i = 0; i < n_bytes; i++)
        n_values += text[i] == '[' || text[i] == ',' || text[i] == ':';
    size_t size;
    char *block = NULL;
    if (!__builtin_mul_overflow(n_values, sizeof(wi_json), &size) &&
        !__builtin_add_overflow(size, n_bytes, &size))
        block = malloc(size);
    if (!block)
        return wi_fail_nomem(error, n_bytes, "JSON");
    parser p = {
        .at = text, .end = text + n_bytes, .begin = text, .values = (wi_json *)(void *)block};
    p.text = block + n_values * sizeof(wi_json);
    wi_json *root = take_value(&p, 0);
    if (root && root->kind < IS_ARRAY)
        root = NULL, fail(&p, "'[' or '{' expected");
    skip_space(&p);
    if (root && p.at != p.end)
        root = NULL, fail(&p, "end of file expected");
    if (root) {
        *out = root;
        return WI_OK;
    }
    free(block);
    int line = 1;
    const char *start = text;
    for (const char *c = text; c < p.at && c < p.end; c++)
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    return wi_fail(error, WI_ERR_FORMAT, "%s: line %d, column %d: %s", file, line,
                   (int)(p.at - start), p.fault);
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
    free(*root); /* the first value is where the block begins */
    *root = NULL;
}

/* ---- reading ---- */

bool wi_json_is_object(const wi_json *value)
{
    return value && value->kind == IS_OBJECT;
}

bool wi_json_is_array(const wi_json *value)
{
    return value && value->kind == IS_ARRAY;
}

const wi_json *wi_json_get(const wi_json *object, const char *key)
{
    if (!wi_json_is_object(object) || !key)
        return NULL;
    for (const wi_json *m = object->u.items.first; m; m = m->next)
        if (strcmp(m->key, key) == 0)
            return m->kind == IS_NULL ? NULL : m;
    return NULL;
}

size_t wi_json_count(const wi_json *value)
{
    return value && value->kind >= IS_ARRAY ? value->u.items.n : 0;
}

const wi_json *wi_json_at(const wi_json *array, size_t index)
{
    if (!wi_json_is_array(array) || index >= array->u.items.n)
        return NULL;
    const wi_json *item = array->u.items.first;
    if (array->flat)
        return item + index;
    while (index--)
        item = item->next;
    return item;
}

const char *wi_json_string(const wi_json *value)
{
    return value && value->kind == IS_STRING ? value->u.text : NULL;
}

bool wi_json_integer(const wi_json *value, int64_t *out)
{
    if (!value || value->kind != IS_INTEGER)
        return false;
    *out = value->u.integer;
    return true;
}

bool wi_json_number(const wi_json *value, double *out)
{
    if (!value || (value->kind != IS_INTEGER && value->kind != IS_REAL))
        return false;
    *out = value->kind == IS_REAL ? value->u.real : (double)value->u.integer;
    return true;
}

bool wi_json_boolean(const wi_json *value, bool *out)
{
    if (!value || value->kind != IS_BOOLEAN)
        return false;
    *out = value->u.boolean;
    return true;
}

static wi_json_member member_at(wi_json *position)
{
    return (wi_json_member){position ? position->key : NULL, position, position};
}

wi_json_member wi_json_first(const wi_json *object)
{
    return member_at(wi_json_is_object(object) ? object->u.items.first : NULL);
}

wi_json_member wi_json_next(const wi_json *object, wi_json_member member)
{
    (void)object;
    return member_at(((wi_json *)member.position)->next);
}

/* ---- writing ---- */

/* One character as it stands in a JSON text; returns the bytes that it takes. */
static size_t escape(const char *at, size_t length, char out[8])
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", digits[] = "0123456789ABCDEF";
    const unsigned char c = (unsigned char)*at;
    const char *found = strchr(from, c);
    if (found) {
        out[0] = '\\';
        out[1] = to[found - from];
        return 2;
    }
    if (c < 0x20) {
        memcpy(out, "\\u00", 4);
        out[4] = digits[c >> 4];
        out[5] = digits[c & 15];
        return 6;
    }
    memcpy(out, at, length);
    return length;
}

wi_status wi_json_append_string(wi_buffer *buffer, const char *text, wi_error *error)
{
    const size_t n_before = buffer->n_bytes, n = strlen(text);
    wi_status status = wi_buffer_append(buffer, "\"", 1, error);
    for (size_t i = 0; i < n && status == WI_OK;) {
        char out[8];
        const size_t length = wi_utf8_length(text + i, n - i);
        if (length == 0)
            status = wi_fail(error, WI_ERR_ARG, "'%s' is not UTF-8", text);
        else
            status = wi_buffer_append(buffer, out, escape(text + i, length, out), error);
        i += length;
    }
    if (status == WI_OK)
        status = wi_buffer_append(buffer, "\"", 1, error);
    if (status != WI_OK)
        buffer->n_bytes = n_before;
    return status;
}
