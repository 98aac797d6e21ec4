/* The parameters of a model: everything besides the weights that changes an embedding or a score. */
#ifndef WI_MODEL_PARAMS_H
#define WI_MODEL_PARAMS_H

#include "nn/tower.h"

#include <whatsit/image.h>

typedef struct wi_params {
    uint32_t embedding_dim;
    wi_tower_params tower[WI_N_ROLES]; /* by wi_role; kind NULL: there is none */
    wi_preprocess preprocess;
    float logit_scale; /* exponentiated */
    float logit_bias;
    bool sigmoid;
    char reads[65]; /* of a decoder: what the model sees that it reads (wi_mdl_sight), or "" */
} wi_params;

/* The list of those that belong to no tower. */
extern const wi_field wi_params_fields[];

/* All fields but the towers at their defaults, no tower. */
wi_params wi_params_default(void);

/* Checks every field against the bounds and against each other. WI_ERR_FORMAT or
 * WI_ERR_UNSUPPORTED names the field. */
wi_status wi_params_check(const wi_params *params, wi_error *error);

/* Input side in px, tokens of a text; 0 without that tower. */
static inline uint32_t wi_params_image_px(const wi_params *params)
{
    return wi_tower_facts_of(&params->tower[WI_ROLE_IMAGE]).image_px;
}
static inline uint32_t wi_params_context(const wi_params *params)
{
    return wi_tower_facts_of(&params->tower[WI_ROLE_TEXT]).context_length;
}

#endif
