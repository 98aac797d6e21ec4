/* What the kinds of decoders share: tokens, and how many places of a picture they look at. */
#ifndef WI_NN_SAYER_H
#define WI_NN_SAYER_H

#include "nn/tower.h"

enum { WI_MAX_PLACES = 4096 };

typedef struct wi_sayer_params {
    uint32_t width, n_layers, n_heads, mlp_width;
    wi_activation activation;
    float ln_eps;
    uint32_t context_length, vocabulary_size, start_token, end_token;
    uint32_t n_places; /* of the picture */
} wi_sayer_params;

/* Rows of a field list: WI_SAYER_FIELDS(wi_coca_params, say). */
#define WI_SAYER_FIELDS(type, member)                                                              \
    WI_SAYER_SIZE("width", type, member.width, WI_MAX_WIDTH),                                      \
        WI_SAYER_SIZE("layers", type, member.n_layers, WI_MAX_LAYERS),                             \
        WI_SAYER_SIZE("heads", type, member.n_heads, WI_MAX_HEADS),                                \
        WI_SAYER_SIZE("mlp_width", type, member.mlp_width, 8 * WI_MAX_WIDTH),                      \
        WI_SAYER_SIZE("activation", type, member.activation, WI_N_ACTIVATIONS - 1),                \
        WI_F32(WI_SAYER_KEY("ln_eps"), type, member.ln_eps, WI_FIELD_REQUIRED, 0),                 \
        WI_SAYER_SIZE("context_length", type, member.context_length, WI_MAX_CONTEXT),              \
        WI_SAYER_SIZE("vocabulary_size", type, member.vocabulary_size, WI_MAX_VOCABULARY),         \
        WI_SAYER_SIZE("start_token", type, member.start_token, WI_MAX_VOCABULARY),                 \
        WI_SAYER_SIZE("end_token", type, member.end_token, WI_MAX_VOCABULARY),                     \
        WI_SAYER_SIZE("places", type, member.n_places, WI_MAX_PLACES)
#define WI_SAYER_KEY(name) "whatsit.decoder." name
#define WI_SAYER_SIZE(name, type, member, most)                                                    \
    WI_U32(WI_SAYER_KEY(name), type, member, most, WI_FIELD_REQUIRED, 0)

wi_block_params wi_sayer_blocks(const wi_sayer_params *params);
/* Blocks as wi_block_params_check has them; tokens that are there, room for a word between the markers. */
wi_status wi_sayer_check(const wi_sayer_params *params, wi_error *error);
/* "decoder: WHAT: VALUE is not supported" */
wi_status wi_sayer_bad(wi_error *error, const char *what, uint32_t value);
wi_tower_facts wi_sayer_facts(const wi_sayer_params *params);

#endif
