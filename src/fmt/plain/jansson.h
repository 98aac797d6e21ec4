/* The part of jansson's interface that the program uses, by its names and with its results, for systems where nobody
 * packages it. jansson's manual is its reference; what is not here does not compile. Refused, unlike there: U+0000 in
 * texts, keys that come twice. */
#ifndef WI_FMT_PLAIN_JANSSON_H
#define WI_FMT_PLAIN_JANSSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct json_tree json_t;
typedef int64_t json_int_t;

typedef struct json_error_t {
    char text[256]; /* with line and column */
} json_error_t;

enum { JSON_COMPACT = 32, JSON_ALLOW_NUL = 16 };
#define JSON_REAL_PRECISION(n) ((size_t)(n) << 11)

json_t *json_incref(json_t *value);
void json_decref(json_t *value);
json_t *json_deep_copy(const json_t *value);

json_t *json_null(void);
json_t *json_boolean(int value);
json_t *json_integer(json_int_t value);
json_t *json_real(double value);
json_t *json_string(const char *text);
json_t *json_stringn(const char *text, size_t n_bytes);
json_t *json_array(void);
json_t *json_object(void);

bool json_is_boolean(const json_t *value);
bool json_is_integer(const json_t *value);
bool json_is_string(const json_t *value);
bool json_is_true(const json_t *value);
json_int_t json_integer_value(const json_t *value);
double json_number_value(const json_t *value);
const char *json_string_value(const json_t *value);
size_t json_string_length(const json_t *value);

json_t *json_array_get(const json_t *array, size_t index);
int json_array_append_new(json_t *array, json_t *value);
json_t *json_object_get(const json_t *object, const char *key);
int json_object_set_new(json_t *object, const char *key, json_t *value);
int json_object_update(json_t *object, json_t *other);

/* Of formats: { } [ ] s s? o b i I f */
json_t *json_pack(const char *format, ...);

int json_dumpf(const json_t *value, FILE *stream, size_t flags);
char *json_dumps(const json_t *value, size_t flags);

json_t *json_loads(const char *text, size_t flags, json_error_t *error);
json_t *json_loadb(const char *bytes, size_t n_bytes, size_t flags, json_error_t *error);
json_t *json_load_file(const char *path, size_t flags, json_error_t *error);

#endif
