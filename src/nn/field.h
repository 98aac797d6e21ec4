/* Parameters, described once. A list of fields says of each number in a struct under which key it is
 * stored, what it may be, what it is when nothing says otherwise, and whether it changes an
 * embedding. Model files are read and written, parameters are checked and fingerprinted by the list
 * (model/paramsfile.c), and a test compares it with docs/FORMATS.md.
 *
 * A parameter at its default is neither required in a file nor hashed: adding one leaves every model
 * file and every head that exists as they are. */
#ifndef WI_NN_FIELD_H
#define WI_NN_FIELD_H

#include <stddef.h>
#include <whatsit/status.h>

typedef enum wi_field_type {
    WI_FIELD_U32 = 0,
    WI_FIELD_U8,
    WI_FIELD_F32,
    WI_FIELD_BOOL
} wi_field_type;

enum {
    WI_FIELD_REQUIRED = 1, /* has no default */
    WI_FIELD_FIRST = 2,    /* of the first files (version 2): always written */
    WI_FIELD_IMPLIED = 4   /* not hashed: the list of tensors says it already */
};

typedef struct wi_field {
    const char *key; /* NULL ends a list */
    wi_field_type type;
    uint32_t offset; /* in the struct */
    uint32_t count;  /* 0: one number; else an array of so many, stored as an array */
    uint32_t most;   /* u32, u8: the largest value that is known or supported; 0: any */
    uint32_t flags;
    float otherwise; /* the default */
} wi_field;

/* Rows of a list: a key, the struct and its member, what it may be, flags, the default. */
#define WI_U32(key, type, member, most, flags, otherwise)                                          \
    {key, WI_FIELD_U32, offsetof(type, member), 0, most, flags, otherwise}
#define WI_F32(key, type, member, flags, otherwise)                                                \
    {key, WI_FIELD_F32, offsetof(type, member), 0, 0, flags, otherwise}
#define WI_BOOL(key, type, member, flags, otherwise)                                               \
    {key, WI_FIELD_BOOL, offsetof(type, member), 0, 0, flags, otherwise}
#define WI_U32S(key, type, member, count, most, flags)                                             \
    {key, WI_FIELD_U32, offsetof(type, member), count, most, flags, 0}

/* Numbers as double, which holds every u32, f32 and bool. index < max(count, 1). */
double wi_field_get(const wi_field *field, const void *values, size_t index);
void wi_field_set(const wi_field *field, void *values, size_t index, double number);
static inline size_t wi_field_count(const wi_field *field)
{
    return field->count ? field->count : 1;
}

/* Sets every field to its default. */
void wi_fields_default(const wi_field *fields, void *values);
bool wi_field_is_default(const wi_field *field, const void *values);
/* Each number within its bounds: WI_ERR_UNSUPPORTED for a u32 that is larger, WI_ERR_FORMAT for an f32 that
 * is not finite; the message names the key. */
wi_status wi_fields_check(const wi_field *fields, const void *values, wi_error *error);

#endif
