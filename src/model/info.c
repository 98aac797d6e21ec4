/* What a model says of itself. */
#include "model/model.h"

#include <string.h>

typedef struct counting {
    uint64_t image, text, decoder;
} counting;

static wi_status count_part(void *context, const wi_part *part, wi_error *error)
{
    (void)error;
    counting *c = context;
    const bool biased = part->kind != WI_PART_VECTOR && part->has_bias;
    const uint64_t n = wi_part_elements(part) + (biased ? part->n : 0);
    *(part->name[0] == 'v' ? &c->image : part->name[0] == 't' ? &c->text : &c->decoder) += n;
    return WI_OK;
}

static wi_tower_info tower_info(const wi_model *model, wi_role role, uint64_t n_parameters)
{
    const wi_tower *tower = &model->net.tower[role];
    if (!tower->kind)
        return (wi_tower_info){0};
    const wi_tower_facts facts = wi_tower_facts_of(&model->params.tower[role]);
    return (wi_tower_info){.present = true,
                           .kind = tower->kind->name,
                           .activation = facts.activation,
                           .width = facts.width,
                           .n_layers = facts.n_layers,
                           .n_heads = facts.n_heads,
                           .mlp_width = facts.mlp_width,
                           .patch_px = facts.patch_px,
                           .n_parameters = n_parameters,
                           .macs = tower->kind->macs(tower->self)};
}

wi_status wi_mdl_info(const wi_model *model, wi_model_info *out, wi_error *error)
{
    const wi_params *p = &model->params;
    counting c = {0, 0, 0};
    const wi_tower_facts image = wi_tower_facts_of(&p->tower[WI_ROLE_IMAGE]),
                         text = wi_tower_facts_of(&p->tower[WI_ROLE_TEXT]);
    wi_model_info info = {.name = model->name,
                          .licence = model->licence,
                          .source = model->source,
                          .format = model->format,
                          .weights = model->weights,
                          .embedding_dim = p->embedding_dim,
                          .image_px = image.image_px,
                          .context_length = text.context_length,
                          .vocabulary_size = text.vocabulary_size,
                          .logit_scale = p->logit_scale,
                          .logit_bias = p->logit_bias,
                          .sigmoid = p->sigmoid,
                          .preprocess = p->preprocess,
                          .file_bytes = model->file_bytes};
    const wi_status status = wi_net_walk(&model->net, count_part, &c, error);
    if (status != WI_OK)
        return status;
    info.image = tower_info(model, WI_ROLE_IMAGE, c.image);
    info.text = tower_info(model, WI_ROLE_TEXT, c.text);
    info.decoder = tower_info(model, WI_ROLE_DECODER, c.decoder);
    info.reads = p->reads;
    memcpy(info.fingerprint, model->fingerprint, sizeof info.fingerprint);
    *out = info;
    return WI_OK;
}
