#include "model/modelpath.h"

#include "base/error.h"
#include "nn/resnet.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static wi_pack_type pack_type_of(wi_weights weights)
{
    switch (weights) {
    case WI_WEIGHTS_F32:
        return WI_PACK_F32;
    case WI_WEIGHTS_F16:
    case WI_WEIGHTS_INT8: /* made smaller afterwards; what stays float is f16 */
        return WI_PACK_F16;
    case WI_WEIGHTS_BF16:
        return WI_PACK_BF16;
    case WI_WEIGHTS_AUTO:
        break;
    }
    return WI_PACK_AUTO;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static wi_status from_source(wi_engine *engine, const char *path, wi_weights weights,
                             wi_model **out, wi_error *error)
{
    wi_model *model = NULL;
    wi_status status = wi_mdl_from_source(engine, path, pack_type_of(weights), &model, error);
    if (status == WI_OK && weights == WI_WEIGHTS_INT8)
        status = wi_mdl_quantise(model, error);
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

static wi_status open_file(wi_engine *engine, const char *path, wi_weights weights, wi_model **out,
                           wi_error *error)
{
    wi_map map = {NULL, 0};
    bool ours = false;
    wi_status status = wi_map_open(path, &map, error);
    if (status == WI_OK)
        status = wi_modelfile_probe(map.bytes, map.n_bytes, &ours, error);
    if (status == WI_OK && ours) {
        status = wi_mdl_from_bytes(engine, path, map.bytes, map.n_bytes, out, error);
        if (status == WI_OK) {
            (*out)->map = map; /* the model unmaps it */
            return WI_OK;
        }
    } else if (status == WI_OK) {
        status = from_source(engine, path, weights, out, error);
    }
    wi_map_close(&map);
    return status;
}

wi_status wi_mdl_open(wi_engine *engine, const char *path, const wi_model_options *options,
                      wi_model **out, wi_error *error)
{
    wi_model *model = NULL;
    wi_status status = is_folder(path) ? from_source(engine, path, options->weights, &model, error)
                                       : open_file(engine, path, options->weights, &model, error);
    if (status == WI_OK)
        status = wi_mdl_require_towers(model, options->towers, error);
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

/* --- describing --- */

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

/* --- converting --- */

static wi_status rename_model(wi_model *model, const wi_convert_options *options, wi_error *error)
{
    const char *const values[3] = {options->name, options->licence, options->source};
    char **const fields[3] = {&model->name, &model->licence, &model->source};
    for (int i = 0; i < 3; i++) {
        if (!values[i])
            continue;
        char *copy = strdup(values[i]);
        if (!copy)
            return wi_fail(error, WI_ERR_NOMEM, "out of memory for a model's name");
        free(*fields[i]);
        *fields[i] = copy;
    }
    return WI_OK;
}

wi_status wi_mdl_convert(wi_engine *engine, const char *from, const char *to,
                         const wi_convert_options *options, wi_error *error)
{
    wi_model *model = NULL;
    const wi_model_options open = {.weights = options->weights};
    wi_status status = wi_mdl_open(engine, from, &open, &model, error);
    if (status == WI_OK && options->weights != WI_WEIGHTS_AUTO &&
        options->weights != model->weights) {
        /* A model file is used as stored; only float ones can be made smaller. */
        if (options->weights == WI_WEIGHTS_INT8 && model->weights != WI_WEIGHTS_INT8)
            status = wi_mdl_quantise(model, error);
        else
            status =
                wi_fail(error, WI_ERR_UNSUPPORTED,
                        "%s: already packed; convert from the original checkpoint instead", from);
    }
    if (status == WI_OK)
        status = rename_model(model, options, error);
    if (status == WI_OK)
        status = wi_mdl_write(model, to, &options->progress, error);
    wi_mdl_close(&model);
    return status;
}
