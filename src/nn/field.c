#include "nn/field.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

static size_t size_of(wi_field_type type)
{
    return type == WI_FIELD_BOOL ? sizeof(bool) : type == WI_FIELD_U8 ? 1 : 4;
}

double wi_field_get(const wi_field *field, const void *values, size_t index)
{
    const char *at = (const char *)values + field->offset + index * size_of(field->type);
    uint32_t u;
    float f;
    bool b;
    switch (field->type) {
    case WI_FIELD_U32:
        memcpy(&u, at, sizeof u);
        return u;
    case WI_FIELD_U8:
        return *(const uint8_t *)at;
    case WI_FIELD_F32:
        memcpy(&f, at, sizeof f);
        return (double)f;
    case WI_FIELD_BOOL:
        break;
    }
    memcpy(&b, at, sizeof b);
    return b;
}

void wi_field_set(const wi_field *field, void *values, size_t index, double number)
{
    char *at = (char *)values + field->offset + index * size_of(field->type);
    const uint32_t u = field->type == WI_FIELD_U32 ? (uint32_t)number : 0;
    const float f = (float)number;
    const bool b = number != 0;
    switch (field->type) {
    case WI_FIELD_U32:
        memcpy(at, &u, sizeof u);
        break;
    case WI_FIELD_U8:
        *(uint8_t *)at = (uint8_t)number;
        break;
    case WI_FIELD_F32:
        memcpy(at, &f, sizeof f);
        break;
    case WI_FIELD_BOOL:
        memcpy(at, &b, sizeof b);
        break;
    }
}

void wi_fields_default(const wi_field *fields, void *values)
{
    for (; fields->key; fields++)
        for (size_t i = 0; i < wi_field_count(fields); i++)
            wi_field_set(fields, values, i, (double)fields->otherwise);
}

bool wi_field_is_default(const wi_field *field, const void *values)
{
    for (size_t i = 0; i < wi_field_count(field); i++)
        if (wi_field_get(field, values, i) != (double)field->otherwise)
            return false;
    return true;
}

wi_status wi_fields_check(const wi_field *fields, const void *values, wi_error *error)
{
    for (; fields->key; fields++)
        for (size_t i = 0; i < wi_field_count(fields); i++) {
            const double number = wi_field_get(fields, values, i);
            if (fields->type == WI_FIELD_F32 && !isfinite(number))
                return wi_fail(error, WI_ERR_FORMAT, "%s is not a number", fields->key);
            if (fields->most && number > fields->most)
                return wi_fail(error, WI_ERR_UNSUPPORTED,
                               "%s is %.0f, which is beyond what is supported", fields->key,
                               number);
        }
    return WI_OK;
}
