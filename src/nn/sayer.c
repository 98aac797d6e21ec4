#include "nn/sayer.h"

#include "base/error.h"

wi_block_params wi_sayer_blocks(const wi_sayer_params *p)
{
    return (wi_block_params){.width = p->width,
                             .n_layers = p->n_layers,
                             .n_heads = p->n_heads,
                             .mlp_width = p->mlp_width,
                             .activation = p->activation,
                             .ln_eps = p->ln_eps};
}

wi_status wi_sayer_bad(wi_error *error, const char *what, uint32_t value)
{
    return wi_fail(error, WI_ERR_FORMAT, "decoder: %s: %u is not supported", what, value);
}

wi_status wi_sayer_check(const wi_sayer_params *p, wi_error *error)
{
    const wi_block_params blocks = wi_sayer_blocks(p);
    const wi_status status = wi_block_params_check(&blocks, "decoder", error);
    if (status != WI_OK)
        return status;
    if (wi_out_of_range(p->context_length, WI_MAX_CONTEXT) || p->context_length < 3)
        return wi_sayer_bad(error, "context length", p->context_length);
    if (wi_out_of_range(p->vocabulary_size, WI_MAX_VOCABULARY))
        return wi_sayer_bad(error, "vocabulary size", p->vocabulary_size);
    if (p->start_token >= p->vocabulary_size)
        return wi_sayer_bad(error, "start token", p->start_token);
    if (p->end_token >= p->vocabulary_size || p->end_token == p->start_token)
        return wi_sayer_bad(error, "end token", p->end_token);
    if (wi_out_of_range(p->n_places, WI_MAX_PLACES))
        return wi_sayer_bad(error, "places", p->n_places);
    return WI_OK;
}

wi_tower_facts wi_sayer_facts(const wi_sayer_params *p)
{
    return (wi_tower_facts){.context_length = p->context_length,
                            .vocabulary_size = p->vocabulary_size,
                            .start_token = (int32_t)p->start_token,
                            .end_token = (int32_t)p->end_token,
                            .width = p->width,
                            .n_layers = p->n_layers,
                            .n_heads = p->n_heads,
                            .mlp_width = p->mlp_width,
                            .activation = wi_activation_name(p->activation)};
}
