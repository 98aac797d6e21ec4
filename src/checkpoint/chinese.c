/* Chinese-CLIP as transformers keeps it: CLIP's image tower, BERT as text tower.
 * Source: transformers 5.24 models/chinese_clip; cn_clip 1.6.0 model.py. */
#include "checkpoint/chinese.h"
#include "base/error.h"
#include "checkpoint/config.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONTEXT = 52 }; /* what it was trained on; its table of positions has 512 rows */

static const wi_rename modules[] = {
    {"patch", "vision_model.embeddings.patch_embedding"},
    {"ln_pre", "vision_model.pre_layrnorm"}, /* spelled so */
    {"ln_post", "vision_model.post_layernorm"},
    {"ln_tokens", "text_model.embeddings.LayerNorm"},
    {NULL, NULL},
};
static const wi_rename whole_names[] = {
    {"class", "vision_model.embeddings.class_embedding"},
    {"tok", "text_model.embeddings.word_embeddings.weight"},
    {"type", "text_model.embeddings.token_type_embeddings.weight"},
    {NULL, NULL},
};
static const wi_rename image_blocks[] = {
    {"ln1", "layer_norm1"},    {"ln2", "layer_norm2"},    {"q", "self_attn.q_proj"},
    {"k", "self_attn.k_proj"}, {"v", "self_attn.v_proj"}, {"o", "self_attn.out_proj"},
    {"fc1", "mlp.fc1"},        {"fc2", "mlp.fc2"},        {NULL, NULL},
};
static const wi_rename text_blocks[] = {
    {"ln1", "attention.output.LayerNorm"},
    {"ln2", "output.LayerNorm"},
    {"q", "attention.self.query"},
    {"k", "attention.self.key"},
    {"v", "attention.self.value"},
    {"o", "attention.output.dense"},
    {"fc1", "intermediate.dense"},
    {"fc2", "output.dense"},
    {NULL, NULL},
};

static void place(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    (void)source;
    const bool image = ours->tower == 'v';
    const char *part = *ours->part == 'b' ? "bias" : "weight", *theirs;
    if (ours->block >= 0)
        snprintf(out->name, sizeof out->name, "%s.%d.%s.%s",
                 image ? "vision_model.encoder.layers" : "text_model.encoder.layer", ours->block,
                 wi_rename_find(image ? image_blocks : text_blocks, ours->module), part);
    else if ((theirs = wi_rename_find(modules, ours->module)))
        snprintf(out->name, sizeof out->name, "%s.%s", theirs, part);
    else if ((theirs = wi_rename_find(whole_names, ours->module)))
        snprintf(out->name, sizeof out->name, "%s", theirs);
    else if (strcmp(ours->module, "pos") == 0)
        snprintf(out->name, sizeof out->name,
                 image ? "vision_model.embeddings.position_embedding.weight"
                       : "text_model.embeddings.position_embeddings.weight");
    else /* proj */
        snprintf(out->name, sizeof out->name, "%s_projection.weight", image ? "visual" : "text");
    /* Tables with more rows than are used: positions beyond the context, the second segment. */
    out->first_rows = !image && ours->block < 0 &&
                      (strcmp(ours->module, "pos") == 0 || strcmp(ours->module, "type") == 0);
}

/* BERT's own pooler has no part in the embedding. */
static bool harmless(const wi_source *source, const char *name)
{
    static const char *const towers[] = {"vision_model.", "text_model.", "visual_projection.",
                                         "text_projection."};
    (void)source;
    if (strncmp(name, "text_model.pooler.", 18) == 0)
        return true;
    for (size_t i = 0; i < sizeof towers / sizeof *towers; i++)
        if (strncmp(name, towers[i], strlen(towers[i])) == 0)
            return wi_source_is_buffer(name);
    return true;
}

static const wi_source_names names = {place, harmless};

bool wi_chinese_is_hf(const wi_json *config)
{
    const char *type = wi_json_string(wi_json_get(config, "model_type"));
    return type && strcmp(type, "chinese_clip") == 0;
}

static void read_blocks(wi_config *config, const wi_json *json, wi_activation activation, float eps,
                        wi_block_params *out)
{
    *out = (wi_block_params){.width = wi_config_u32(config, json, "hidden_size", 768),
                             .n_layers = wi_config_u32(config, json, "num_hidden_layers", 12),
                             .n_heads = wi_config_u32(config, json, "num_attention_heads", 12),
                             .mlp_width = wi_config_u32(config, json, "intermediate_size", 3072),
                             .activation =
                                 wi_config_activation(config, json, "hidden_act", activation),
                             .ln_eps = wi_config_f32(config, json, "layer_norm_eps", eps)};
}

static void read_vision(wi_config *config, const wi_json *json, wi_params *params)
{
    wi_vit_params p = {.has_pre_ln = true,
                       .image_px = wi_config_side(config, json, "image_size", 224),
                       .patch_px = wi_config_side(config, json, "patch_size", 32)};
    read_blocks(config, json, WI_ACT_QUICK_GELU, 1e-5f, &p.blocks);
    params->preprocess = wi_preprocess_openai(p.image_px);
    params->preprocess.mode = WI_RESIZE_SQUASH;
    wi_tower_params_set(&params->tower[WI_ROLE_IMAGE], &wi_vit_kind, &p);
}

static void read_text(wi_config *config, const wi_json *json, wi_params *params)
{
    wi_text_params p = {.bert = true, .pool = WI_TEXT_FIRST};
    const char *positions = wi_config_string(config, json, "position_embedding_type", "absolute");
    read_blocks(config, json, WI_ACT_GELU, 1e-12f, &p.blocks);
    p.blocks.post_norm = true;
    if (strcmp(positions, "absolute") != 0)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "'position_embedding_type' %.40s; absolute is supported", positions);
    const uint32_t most = wi_config_u32(config, json, "max_position_embeddings", 512);
    p.context_length = most < CONTEXT ? most : CONTEXT;
    p.vocabulary_size = wi_config_u32(config, json, "vocab_size", 30522);
    p.end_token = p.vocabulary_size > 102 ? 102 : 0;
    wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &p);
}

wi_status wi_chinese_read(wi_source *source, const char *folder, const char *path,
                          const wi_json *json, wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    wi_params *params = &source->params;
    params->embedding_dim = wi_config_u32(&config, json, "projection_dim", 512);
    const bool vision = wi_source_has_prefix(source, "vision_model."),
               text = wi_source_has_prefix(source, "text_model.");
    if (!vision && !text)
        wi_config_fail(&config, WI_ERR_FORMAT,
                       "the weights beside it are not those of a Chinese-CLIP model");
    if (vision)
        read_vision(&config, wi_json_get(json, "vision_config"), params);
    if (text)
        read_text(&config, wi_json_get(json, "text_config"), params);
    wi_status status = config.status;
    if (status == WI_OK && vision)
        status = wi_source_read_preprocess(source, folder, error);
    bool found;
    float value = 0;
    params->logit_scale = WI_CLIP_LOGIT_SCALE;
    if (status == WI_OK)
        status = wi_source_scalar(source, "logit_scale", &found, &value, error);
    if (status == WI_OK && found)
        params->logit_scale = (float)exp((double)value);
    if (status == WI_OK)
        status = wi_source_bind(source, &names, error);
    return status == WI_OK && text ? wi_source_read_tokenizer(source, folder, error) : status;
}
