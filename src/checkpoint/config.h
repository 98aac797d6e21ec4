/* Reading configuration objects: every field has a default, the first mistake sticks. */
#ifndef WI_CHECKPOINT_CONFIG_H
#define WI_CHECKPOINT_CONFIG_H

#include "fmt/json.h"
#include "model/params.h"

/* One run over one or several objects of one file. */
typedef struct wi_config {
    const char *path;
    wi_status status; /* of the first mistake; later reads give their defaults */
    wi_error *error;
} wi_config;

uint32_t wi_config_u32(wi_config *config, const wi_json *object, const char *key, uint32_t missing);
int64_t wi_config_i64(wi_config *config, const wi_json *object, const char *key, int64_t missing);
float wi_config_f32(wi_config *config, const wi_json *object, const char *key, float missing);
bool wi_config_bool(wi_config *config, const wi_json *object, const char *key, bool missing);
const char *wi_config_string(wi_config *config, const wi_json *object, const char *key,
                             const char *missing);
/* A list of three numbers; out is untouched when the key is absent. */
void wi_config_3f(wi_config *config, const wi_json *object, const char *key, float out[3]);
/* A side given as 224, [224, 224] or {"height": 224, "width": 224}; unequal sides are
 * WI_ERR_UNSUPPORTED. */
uint32_t wi_config_side(wi_config *config, const wi_json *object, const char *key,
                        uint32_t missing);
wi_activation wi_config_activation(wi_config *config, const wi_json *object, const char *key,
                                   wi_activation missing);
/* open_clip's preprocess_cfg over what `how` holds. */
void wi_source_open_clip_preprocess(wi_config *config, const wi_json *json, wi_preprocess *how);
/* Records a mistake of the caller's finding, unless there is one already. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void wi_config_fail(wi_config *config, wi_status status, const char *format, ...);

#endif
