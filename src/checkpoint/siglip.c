/* One network, two layouts: transformers' (model_type "siglip") and open_clip's text tower with
 * timm's image tower. The activation differs between them for the same checkpoint: each follows its
 * original.
 * Source: transformers 5.24 models/siglip; open_clip 3.3.0 model.py, timm_model.py; timm 1.0.31
 * vision_transformer.py. */
#include "checkpoint/siglip.h"

#include "base/error.h"
#include "checkpoint/config.h"
#include "nn/text.h"
#include "nn/vit_map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names of transformers ---- */

static const wi_rename hf_modules[] = {
    {"patch", "vision_model.embeddings.patch_embedding"},
    {"ln_post", "vision_model.post_layernorm"},
    {"ln_final", "text_model.final_layer_norm"},
    {"proj", "text_model.head"},
    {"pool.o", "vision_model.head.attention.out_proj"},
    {"pool.ln", "vision_model.head.layernorm"},
    {"pool.fc1", "vision_model.head.mlp.fc1"},
    {"pool.fc2", "vision_model.head.mlp.fc2"},
    {NULL, NULL},
};
static const wi_rename hf_blocks[] = {
    {"ln1", "layer_norm1"},    {"ln2", "layer_norm2"},    {"q", "self_attn.q_proj"},
    {"k", "self_attn.k_proj"}, {"v", "self_attn.v_proj"}, {"o", "self_attn.out_proj"},
    {"fc1", "mlp.fc1"},        {"fc2", "mlp.fc2"},        {NULL, NULL},
};
static const wi_rename hf_whole[] = {
    {"tok", "text_model.embeddings.token_embedding.weight"},
    {"pool.probe", "vision_model.head.probe"},
    {NULL, NULL},
};

static const char *long_part(const wi_ours *ours)
{
    return *ours->part == 'b' ? "bias" : "weight";
}

/* The slice of q, k or v in a fused tensor; false for other modules. */
static bool slice_of(const char *module, const char *prefix, uint32_t *slice)
{
    const size_t n = strlen(prefix);
    if (strncmp(module, prefix, n) != 0 || strlen(module + n) != 1)
        return false;
    const char *at = strchr("qkv", module[n]);
    if (!at)
        return false;
    *slice = module[n] == 'q' ? 0 : module[n] == 'k' ? 1 : 2;
    return true;
}

static void place_hf(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    (void)source;
    const char *tower = ours->tower == 'v' ? "vision_model" : "text_model", *theirs;
    if (ours->block >= 0) {
        snprintf(out->name, sizeof out->name, "%s.encoder.layers.%d.%s.%s", tower, ours->block,
                 wi_rename_find(hf_blocks, ours->module), long_part(ours));
    } else if (slice_of(ours->module, "pool.", &out->slice)) {
        out->n_slices = 3;
        snprintf(out->name, sizeof out->name, "vision_model.head.attention.in_proj_%s",
                 long_part(ours));
    } else if ((theirs = wi_rename_find(hf_modules, ours->module))) {
        snprintf(out->name, sizeof out->name, "%s.%s", theirs, long_part(ours));
    } else if ((theirs = wi_rename_find(hf_whole, ours->module))) {
        snprintf(out->name, sizeof out->name, "%s", theirs);
    } else { /* pos */
        snprintf(out->name, sizeof out->name, "%s.embeddings.position_embedding.weight", tower);
    }
}

/* What stands outside both towers changes no embedding (a classifier's last layer). */
static bool harmless_hf(const wi_source *source, const char *name)
{
    (void)source;
    return (strncmp(name, "vision_model.", 13) != 0 && strncmp(name, "text_model.", 11) != 0) ||
           wi_source_is_buffer(name);
}

static const wi_source_names hf_names = {place_hf, harmless_hf};

/* ---- names of open_clip and timm ---- */

static const wi_rename timm_modules[] = {
    {"patch", "patch_embed.proj"},
    {"ln_post", "norm"},
    {"pool.q", "attn_pool.q"},
    {"pool.o", "attn_pool.proj"},
    {"pool.ln", "attn_pool.norm"},
    {"pool.fc1", "attn_pool.mlp.fc1"},
    {"pool.fc2", "attn_pool.mlp.fc2"},
    {"ln_pre", "norm_pre"},
    {"proj", "head"},
    {NULL, NULL},
};
static const wi_rename timm_whole[] = {
    {"class", "cls_token"}, {"pos", "pos_embed"}, {"pool.probe", "attn_pool.latent"}, {NULL, NULL}};
static const wi_rename timm_blocks[] = {
    {"ln1", "norm1"},   {"ln2", "norm2"},   {"o", "attn.proj"},
    {"fc1", "mlp.fc1"}, {"fc2", "mlp.fc2"}, {NULL, NULL},
};
static const wi_rename text_blocks[] = {
    {"ln1", "ln_1"},     {"ln2", "ln_2"},       {"o", "attn.out_proj"},
    {"fc1", "mlp.c_fc"}, {"fc2", "mlp.c_proj"}, {NULL, NULL},
};

void wi_siglip_place_timm(const wi_ours *ours, wi_place *out)
{
    const char *theirs;
    if (ours->block >= 0 && slice_of(ours->module, "", &out->slice)) {
        out->n_slices = 3;
        snprintf(out->name, sizeof out->name, "visual.trunk.blocks.%d.attn.qkv.%s", ours->block,
                 long_part(ours));
    } else if (ours->block >= 0) {
        snprintf(out->name, sizeof out->name, "visual.trunk.blocks.%d.%s.%s", ours->block,
                 wi_rename_find(timm_blocks, ours->module), long_part(ours));
    } else if ((theirs = wi_rename_find(timm_modules, ours->module))) {
        snprintf(out->name, sizeof out->name, "visual.trunk.%s.%s", theirs, long_part(ours));
    } else if ((theirs = wi_rename_find(timm_whole, ours->module))) {
        snprintf(out->name, sizeof out->name, "visual.trunk.%s", theirs);
    } else { /* pool.k, pool.v */
        out->slice = ours->module[5] == 'v';
        out->n_slices = 2;
        snprintf(out->name, sizeof out->name, "visual.trunk.attn_pool.kv.%s", long_part(ours));
    }
}

static void place_text(const wi_ours *ours, wi_place *out)
{
    if (ours->block >= 0 && slice_of(ours->module, "", &out->slice)) {
        out->n_slices = 3;
        snprintf(out->name, sizeof out->name, "text.transformer.resblocks.%d.attn.in_proj_%s",
                 ours->block, long_part(ours));
    } else if (ours->block >= 0) {
        snprintf(out->name, sizeof out->name, "text.transformer.resblocks.%d.%s.%s", ours->block,
                 wi_rename_find(text_blocks, ours->module), long_part(ours));
    } else if (strcmp(ours->module, "tok") == 0) {
        snprintf(out->name, sizeof out->name, "text.token_embedding.weight");
    } else if (strcmp(ours->module, "pos") == 0) {
        snprintf(out->name, sizeof out->name, "text.positional_embedding");
    } else {
        snprintf(out->name, sizeof out->name, "text.%s.%s",
                 strcmp(ours->module, "proj") == 0 ? "text_projection" : "ln_final",
                 long_part(ours));
    }
}

static void place_open_clip(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    (void)source;
    if (ours->tower == 'v')
        wi_siglip_place_timm(ours, out);
    else
        place_text(ours, out);
}

static bool harmless_open_clip(const wi_source *source, const char *name)
{
    (void)source;
    return strcmp(name, "logit_scale") == 0 || strcmp(name, "logit_bias") == 0 ||
           wi_source_is_buffer(name);
}

static const wi_source_names open_clip_names = {place_open_clip, harmless_open_clip};

/* ---- what both share ---- */

wi_preprocess wi_siglip_preprocess(uint32_t image_px)
{
    return (wi_preprocess){.size_px = image_px,
                           .mode = WI_RESIZE_SQUASH,
                           .interpolation = WI_BICUBIC,
                           .mean = {0.5f, 0.5f, 0.5f},
                           .std = {0.5f, 0.5f, 0.5f}};
}

/* Each label is judged by itself: sigmoid(scale * cosine + bias). */
static wi_status read_scores(wi_source *source, wi_error *error)
{
    bool scale, bias;
    float value = 0;
    wi_params *params = &source->params;
    params->sigmoid = true;
    params->logit_scale = WI_CLIP_LOGIT_SCALE;
    wi_status status = wi_source_scalar(source, "logit_scale", &scale, &value, error);
    if (status == WI_OK && scale)
        params->logit_scale = (float)exp((double)value);
    if (status == WI_OK)
        status = wi_source_scalar(source, "logit_bias", &bias, &value, error);
    if (status == WI_OK && bias)
        params->logit_bias = value;
    if (status == WI_OK && params->tower[WI_ROLE_IMAGE].kind && params->tower[WI_ROLE_TEXT].kind &&
        !(scale && bias))
        status = wi_fail(error, WI_ERR_FORMAT,
                         "%s: logit_scale or logit_bias is missing: without them its answers mean "
                         "nothing",
                         source->label);
    return status;
}

static wi_status finish(wi_source *source, const char *folder, const wi_source_names *names,
                        wi_error *error)
{
    wi_status status = read_scores(source, error);
    if (status == WI_OK)
        status = wi_source_bind(source, names, error);
    if (status == WI_OK && source->params.tower[WI_ROLE_TEXT].kind)
        status = wi_source_read_tokenizer(source, folder, error);
    return status;
}

/* ---- transformers ---- */

bool wi_siglip_is_hf(const wi_json *config)
{
    const char *type = wi_json_string(wi_json_get(config, "model_type"));
    return type && strcmp(type, "siglip") == 0;
}

static void read_blocks(wi_config *config, const wi_json *json, wi_block_params *out)
{
    *out = (wi_block_params){.width = wi_config_u32(config, json, "hidden_size", 768),
                             .n_layers = wi_config_u32(config, json, "num_hidden_layers", 12),
                             .n_heads = wi_config_u32(config, json, "num_attention_heads", 12),
                             .mlp_width = wi_config_u32(config, json, "intermediate_size", 3072),
                             .activation =
                                 wi_config_activation(config, json, "hidden_act", WI_ACT_GELU_TANH),
                             .ln_eps = wi_config_f32(config, json, "layer_norm_eps", 1e-6f)};
}

static void read_hf_vision(wi_config *config, const wi_json *json, wi_params *params)
{
    wi_vit_map_params p = {.image_px = wi_config_side(config, json, "image_size", 224),
                           .patch_px = wi_config_side(config, json, "patch_size", 16),
                           .has_patch_bias = true};
    read_blocks(config, json, &p.blocks);
    p.pool_heads = p.blocks.n_heads;
    p.pool_mlp_width = p.blocks.mlp_width;
    if (wi_config_u32(config, json, "num_channels", 3) != 3)
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "'num_channels' other than 3 is not supported");
    if (!wi_config_bool(config, json, "vision_use_head", true))
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "'vision_use_head' false is not supported");
    params->embedding_dim = p.blocks.width;
    params->preprocess = wi_siglip_preprocess(p.image_px);
    wi_tower_params_set(&params->tower[WI_ROLE_IMAGE], &wi_vit_map_kind, &p);
}

static void read_hf_text(wi_config *config, const wi_json *json, wi_params *params)
{
    wi_text_params p = {.sees_all = true, .pool = WI_TEXT_LAST, .projection = WI_TEXT_LINEAR_BIAS};
    read_blocks(config, json, &p.blocks);
    p.context_length = wi_config_u32(config, json, "max_position_embeddings", 64);
    p.vocabulary_size = wi_config_u32(config, json, "vocab_size", 32000);
    p.end_token = 1;
    params->embedding_dim = wi_config_u32(config, json, "projection_size", p.blocks.width);
    wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &p);
}

wi_status wi_siglip_read_hf(wi_source *source, const char *folder, const char *path,
                            const wi_json *json, wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    wi_params *params = &source->params;
    const bool vision = wi_source_has_prefix(source, "vision_model."),
               text = wi_source_has_prefix(source, "text_model.");
    if (!vision && !text)
        wi_config_fail(&config, WI_ERR_FORMAT,
                       "the weights beside it are not those of a SigLIP model");
    if (text)
        read_hf_text(&config, wi_json_get(json, "text_config"), params);
    if (vision)
        read_hf_vision(&config, wi_json_get(json, "vision_config"), params);
    wi_status status = config.status;
    if (status == WI_OK && vision)
        status = wi_source_read_preprocess(source, folder, error);
    return status == WI_OK ? finish(source, folder, &hf_names, error) : status;
}

/* ---- open_clip with timm ---- */

static const char *timm_name(const wi_json *model_cfg)
{
    const char *name =
        wi_json_string(wi_json_get(wi_json_get(model_cfg, "vision_cfg"), "timm_model_name"));
    return name ? name : "";
}

bool wi_siglip_is_open_clip(const wi_json *model_cfg)
{
    return strstr(timm_name(model_cfg), "_siglip") != NULL;
}

/* What timm's names say and no shape tells: width of a head, and which were given tanh GELU. */
static const struct {
    const char *begins;
    uint32_t head_dim;
} sizes[] = {{"vit_base_", 64}, {"vit_large_", 64}, {"vit_so400m_", 72}, {"vit_giantopt_", 96}};
static const char *const tanh_names[] = {"vit_base_patch32_siglip_256",
                                         "vit_so400m_patch16_siglip_",
                                         "vit_large_patch16_siglip_512", "vit_giantopt_"};

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static uint32_t head_dim_of(wi_config *config, const char *name)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (begins_with(name, sizes[i].begins))
            return sizes[i].head_dim;
    wi_config_fail(config, WI_ERR_UNSUPPORTED,
                   "open_clip option 'timm_model_name=%.80s' is not "
                   "supported",
                   name);
    return 64;
}

/* The number behind the last "_" of the name. */
static uint32_t named_px(const char *name)
{
    const char *at = strrchr(name, '_');
    unsigned px = 0;
    return at && sscanf(at + 1, "%4u", &px) == 1 ? px : 224;
}

static uint32_t side_of(const wi_source *source, const char *name, uint32_t axis)
{
    wi_stored stored;
    if (!wi_source_find(source, name, &stored) || axis >= stored.rank ||
        stored.shape[axis] > UINT32_MAX)
        return 0;
    return (uint32_t)stored.shape[axis];
}

static uint32_t count_blocks(const wi_source *source)
{
    for (uint32_t n = 0;; n++) {
        char name[64];
        wi_stored stored;
        snprintf(name, sizeof name, "visual.trunk.blocks.%u.norm1.weight", n);
        if (n > WI_MAX_LAYERS || !wi_source_find(source, name, &stored))
            return n;
    }
}

static void read_timm_vision(wi_config *config, const wi_json *json, wi_source *source)
{
    const char *name = wi_config_string(config, json, "timm_model_name", "");
    const char *pool = wi_config_string(config, json, "timm_pool", ""),
               *proj = wi_config_string(config, json, "timm_proj", "none");
    const uint32_t head_dim = head_dim_of(config, name);
    if (strcmp(pool, "map") != 0 || strcmp(proj, "none") != 0 || strstr(name, "_gap_"))
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip options 'timm_pool=%.20s', 'timm_proj=%.20s' of %.60s are not "
                       "supported",
                       pool, proj, name);
    bool tanh = false;
    for (size_t i = 0; i < sizeof tanh_names / sizeof *tanh_names; i++)
        tanh |= begins_with(name, tanh_names[i]);
    const uint32_t width = side_of(source, "visual.trunk.patch_embed.proj.weight", 0);
    wi_vit_map_params p = {
        .image_px = wi_config_side(config, json, "image_size", named_px(name)),
        .patch_px = side_of(source, "visual.trunk.patch_embed.proj.weight", 3),
        .blocks = {.width = width,
                   .n_layers = count_blocks(source),
                   .n_heads = width / head_dim,
                   .mlp_width = side_of(source, "visual.trunk.blocks.0.mlp.fc1.weight", 0),
                   .activation = tanh ? WI_ACT_GELU_TANH : WI_ACT_GELU,
                   .ln_eps = 1e-6f},
        .pool_heads = width / head_dim,
        .pool_mlp_width = side_of(source, "visual.trunk.attn_pool.mlp.fc1.weight", 0),
        .has_patch_bias = true};
    source->params.preprocess = wi_siglip_preprocess(p.image_px);
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_vit_map_kind, &p);
}

/* SigLIP's text tower is one combination of open_clip's switches; any other is refused. */
static void check_text_switches(wi_config *config, const wi_json *json)
{
    static const struct {
        const char *key;
        bool wanted;
    } switches[] = {{"no_causal_mask", true},
                    {"proj_bias", true},
                    {"embed_cls", false},
                    {"final_ln_after_pool", false},
                    {"qk_norm", false}};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (wi_config_bool(config, json, switches[i].key, false) != switches[i].wanted)
            wi_config_fail(config, WI_ERR_UNSUPPORTED,
                           "open_clip option '%s' of a SigLIP model other than %s is not supported",
                           switches[i].key, switches[i].wanted ? "true" : "false");
    const char *pool = wi_config_string(config, json, "pool_type", "argmax");
    if (strcmp(pool, "last") != 0)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip option 'pool_type=%.40s' of a SigLIP model is not supported",
                       pool);
    if (wi_json_get(json, "ls_init_value") || wi_json_get(json, "hf_model_name"))
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip option '%s' of a SigLIP model is not supported",
                       wi_json_get(json, "hf_model_name") ? "hf_model_name" : "ls_init_value");
}

static void read_open_clip_text(wi_config *config, const wi_json *json, wi_params *params)
{
    wi_text_params p = {
        .sees_all = true, .pool = WI_TEXT_LAST, .projection = WI_TEXT_LINEAR_BIAS, .end_token = 1};
    const uint32_t width = wi_config_u32(config, json, "width", 512);
    const char *approximate =
        wi_config_string(config, wi_json_get(json, "act_kwargs"), "approximate", "none");
    check_text_switches(config, json);
    const double mlp = (double)width * (double)wi_config_f32(config, json, "mlp_ratio", 4.0f);
    p.blocks = (wi_block_params){
        .width = width,
        .n_layers = wi_config_u32(config, json, "layers", 12),
        .n_heads = wi_config_u32(config, json, "heads", 8),
        .mlp_width = mlp >= 0 && mlp < 1e9 ? (uint32_t)mlp : 0,
        .activation = strcmp(approximate, "tanh") == 0 ? WI_ACT_GELU_TANH : WI_ACT_GELU,
        .ln_eps = wi_config_f32(config, wi_json_get(json, "norm_kwargs"), "eps", 1e-5f)};
    p.context_length = wi_config_u32(config, json, "context_length", 77);
    p.vocabulary_size = wi_config_u32(config, json, "vocab_size", 49408);
    wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &p);
}

wi_status wi_siglip_read_open_clip(wi_source *source, const char *folder, const char *path,
                                   const wi_json *json, wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    wi_params *params = &source->params;
    const wi_json *model = wi_json_get(json, "model_cfg") ? wi_json_get(json, "model_cfg") : json;
    params->embedding_dim = wi_config_u32(&config, model, "embed_dim", 512);
    if (wi_config_bool(&config, model, "quick_gelu", false))
        wi_config_fail(&config, WI_ERR_UNSUPPORTED,
                       "open_clip option 'quick_gelu' of a SigLIP model is not supported");
    if (wi_source_has_prefix(source, "visual.trunk."))
        read_timm_vision(&config, wi_json_get(model, "vision_cfg"), source);
    if (wi_source_has_prefix(source, "text."))
        read_open_clip_text(&config, wi_json_get(model, "text_cfg"), params);
    wi_source_open_clip_preprocess(&config, wi_json_get(json, "preprocess_cfg"),
                                   &params->preprocess);
    return config.status == WI_OK ? finish(source, folder, &open_clip_names, error) : config.status;
}
