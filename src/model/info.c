/* What a model says of itself. */
#include "model/model.h"
#include "nn/resnet.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <string.h>

static const char *activation_name(wi_activation activation)
{
    static const char *const names[] = {[WI_ACT_QUICK_GELU] = "quick_gelu",
                                        [WI_ACT_GELU] = "gelu",
                                        [WI_ACT_GELU_TANH] = "gelu_tanh",
                                        [WI_ACT_RELU] = "relu"};
    return names[activation];
}

typedef struct counting {
    uint64_t image, text;
} counting;

static wi_status count_part(void *context, const wi_part *part, wi_error *error)
{
    (void)error;
    counting *c = context;
    uint64_t n = part->n_floats;
    if (part->kind != WI_PART_VECTOR)
        n = (uint64_t)part->n * part->k + (part->has_bias ? part->n : 0);
    *(part->name[0] == 'v' ? &c->image : &c->text) += n;
    return WI_OK;
}

static wi_tower_info tower_info(const char *kind, const wi_block_params *b, uint64_t n_parameters,
                                uint64_t macs)
{
    return (wi_tower_info){.present = true,
                           .kind = kind,
                           .activation = activation_name(b->activation),
                           .width = b->width,
                           .n_layers = b->n_layers,
                           .n_heads = b->n_heads,
                           .mlp_width = b->mlp_width,
                           .n_parameters = n_parameters,
                           .macs = macs};
}

static void describe_towers(const wi_model *model, const counting *c, wi_model_info *out)
{
    const wi_params *p = &model->params;
    if (p->image.kind == WI_IMAGE_VIT) {
        out->image = tower_info("vit", &p->image.blocks, c->image, wi_vit_macs(&model->net.vit));
        out->image.patch_px = p->image.patch_px;
    } else if (p->image.kind == WI_IMAGE_RESNET) {
        out->image =
            tower_info("resnet", &p->image.blocks, c->image, wi_resnet_macs(&model->net.resnet));
        out->image.activation = "relu";
        out->image.n_layers = model->net.resnet.n_bottlenecks;
    }
    if (p->text.present)
        out->text = tower_info("text", &p->text.blocks, c->text, wi_text_macs(&model->net.text));
}

wi_status wi_mdl_info(const wi_model *model, wi_model_info *out, wi_error *error)
{
    const wi_params *p = &model->params;
    counting c = {0, 0};
    wi_net net = model->net; /* the walk wants it writable */
    wi_model_info info = {.name = model->name,
                          .licence = model->licence,
                          .source = model->source,
                          .format = model->format,
                          .weights = model->weights,
                          .embedding_dim = p->embedding_dim,
                          .image_px = p->image.image_px,
                          .context_length = p->text.context_length,
                          .vocabulary_size = p->text.vocabulary_size,
                          .logit_scale = p->logit_scale,
                          .logit_bias = p->logit_bias,
                          .sigmoid = p->sigmoid,
                          .preprocess = p->preprocess,
                          .file_bytes = model->file_bytes};
    wi_status status = wi_net_walk(&net, p, count_part, &c, error);
    if (status != WI_OK)
        return status;
    describe_towers(model, &c, &info);
    memcpy(info.fingerprint, model->fingerprint, sizeof info.fingerprint);
    if (!info.fingerprint[0])
        status = wi_mdl_fingerprint(model, NULL, info.fingerprint, error);
    if (status == WI_OK)
        *out = info;
    return status;
}
