#include "checkpoint/config.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

void wi_config_fail(wi_config *config, wi_status status, const char *format, ...)
{
    if (config->status != WI_OK)
        return;
    char message[WI_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    config->status = wi_fail(config->error, status, "%s: %s", config->path, message);
}

static void fail_kind(wi_config *config, const char *key, const char *kind)
{
    wi_config_fail(config, WI_ERR_FORMAT, "'%s' is not %s", key, kind);
}

static uint32_t to_u32(wi_config *config, const wi_json *value, const char *key, uint32_t missing)
{
    int64_t number;
    if (!wi_json_integer(value, &number) || number < 0 || number > UINT32_MAX) {
        fail_kind(config, key, "a whole number in range");
        return missing;
    }
    return (uint32_t)number;
}

uint32_t wi_config_u32(wi_config *config, const wi_json *object, const char *key, uint32_t missing)
{
    const wi_json *value = wi_json_get(object, key);
    return value ? to_u32(config, value, key, missing) : missing;
}

int64_t wi_config_i64(wi_config *config, const wi_json *object, const char *key, int64_t missing)
{
    const wi_json *value = wi_json_get(object, key);
    int64_t number = missing;
    if (value && !wi_json_integer(value, &number))
        fail_kind(config, key, "a whole number");
    return number;
}

float wi_config_f32(wi_config *config, const wi_json *object, const char *key, float missing)
{
    const wi_json *value = wi_json_get(object, key);
    double number = (double)missing;
    if (value && !wi_json_number(value, &number))
        fail_kind(config, key, "a number");
    return (float)number;
}

bool wi_config_bool(wi_config *config, const wi_json *object, const char *key, bool missing)
{
    const wi_json *value = wi_json_get(object, key);
    bool truth = missing;
    if (value && !wi_json_boolean(value, &truth))
        fail_kind(config, key, "true or false");
    return truth;
}

const char *wi_config_string(wi_config *config, const wi_json *object, const char *key,
                             const char *missing)
{
    const wi_json *value = wi_json_get(object, key);
    if (!value)
        return missing;
    const char *text = wi_json_string(value);
    if (text)
        return text;
    fail_kind(config, key, "a string");
    return missing;
}

void wi_config_3f(wi_config *config, const wi_json *object, const char *key, float out[3])
{
    const wi_json *list = wi_json_get(object, key);
    double number[3];
    if (!list)
        return;
    if (wi_json_count(list) != 3) {
        fail_kind(config, key, "a list of three numbers");
        return;
    }
    for (size_t i = 0; i < 3; i++)
        if (!wi_json_number(wi_json_at(list, i), &number[i])) {
            fail_kind(config, key, "a list of three numbers");
            return;
        }
    for (size_t i = 0; i < 3; i++)
        out[i] = (float)number[i];
}

uint32_t wi_config_side(wi_config *config, const wi_json *object, const char *key, uint32_t missing)
{
    const wi_json *value = wi_json_get(object, key);
    if (!value)
        return missing;
    const wi_json *height = value, *width = value;
    if (wi_json_is_array(value)) {
        height = wi_json_at(value, 0);
        width = wi_json_at(value, wi_json_count(value) > 1 ? 1 : 0);
    } else if (wi_json_is_object(value)) {
        height = wi_json_get(value, "height");
        width = wi_json_get(value, "width");
    }
    uint32_t h = to_u32(config, height, key, missing), w = to_u32(config, width, key, missing);
    if (h != w)
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "'%s' is %u x %u, only squares are supported",
                       key, w, h);
    return h;
}

wi_activation wi_config_activation(wi_config *config, const wi_json *object, const char *key,
                                   wi_activation missing)
{
    static const struct {
        const char *name;
        wi_activation activation;
    } names[] = {
        {"quick_gelu", WI_ACT_QUICK_GELU},
        {"gelu", WI_ACT_GELU},
        {"gelu_new", WI_ACT_GELU_TANH},
        {"gelu_pytorch_tanh", WI_ACT_GELU_TANH},
        {"gelu_fast", WI_ACT_GELU_TANH},
        {"gelu_python", WI_ACT_GELU},
        {"relu", WI_ACT_RELU},
    };
    const char *name = wi_config_string(config, object, key, NULL);
    if (!name)
        return missing;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].activation;
    wi_config_fail(config, WI_ERR_UNSUPPORTED,
                   "activation '%s'; quick_gelu, gelu, gelu_pytorch_tanh and relu are supported",
                   name);
    return missing;
}
