/* Hugging Face CLIP folders: config.json, preprocessor_config.json and safetensors.
 * Source: transformers, models/clip/configuration_clip.py and image_processing_clip.py. */
#include "base/error.h"
#include "checkpoint/chinese.h"
#include "checkpoint/config.h"
#include "checkpoint/layout.h"
#include "checkpoint/siglip.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names without ".weight"/".bias". */
static const wi_rename modules[] = {
    {"patch", "vision_model.embeddings.patch_embedding"},
    {"ln_pre", "vision_model.pre_layrnorm"}, /* spelled so */
    {"ln_post", "vision_model.post_layernorm"},
    {"ln_final", "text_model.final_layer_norm"},
    {NULL, NULL},
};
static const wi_rename whole_names[] = {
    {"class", "vision_model.embeddings.class_embedding"},
    {"tok", "text_model.embeddings.token_embedding.weight"},
    {NULL, NULL},
};
static const wi_rename block_modules[] = {
    {"ln1", "layer_norm1"},    {"ln2", "layer_norm2"},    {"q", "self_attn.q_proj"},
    {"k", "self_attn.k_proj"}, {"v", "self_attn.v_proj"}, {"o", "self_attn.out_proj"},
    {"fc1", "mlp.fc1"},        {"fc2", "mlp.fc2"},        {NULL, NULL},
};

static void place_hf(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    (void)source;
    const char *tower = ours->tower == 'v' ? "vision_model" : "text_model";
    const char *part = *ours->part == 'b' ? "bias" : "weight", *theirs;
    if (ours->block >= 0)
        snprintf(out->name, sizeof out->name, "%s.encoder.layers.%d.%s.%s", tower, ours->block,
                 wi_rename_find(block_modules, ours->module), part);
    else if ((theirs = wi_rename_find(modules, ours->module)))
        snprintf(out->name, sizeof out->name, "%s.%s", theirs, part);
    else if ((theirs = wi_rename_find(whole_names, ours->module)))
        snprintf(out->name, sizeof out->name, "%s", theirs);
    else if (strcmp(ours->module, "pos") == 0)
        snprintf(out->name, sizeof out->name, "%s.embeddings.position_embedding.weight", tower);
    else /* proj */
        snprintf(out->name, sizeof out->name, "%s_projection.weight",
                 ours->tower == 'v' ? "visual" : "text");
}

/* What belongs to neither tower (a classifier's last layer) changes no embedding. */
static bool harmless(const wi_source *source, const char *name)
{
    static const char *const towers[] = {"vision_model.", "text_model.", "visual_projection.",
                                         "text_projection."};
    (void)source;
    for (size_t i = 0; i < sizeof towers / sizeof *towers; i++)
        if (strncmp(name, towers[i], strlen(towers[i])) == 0)
            return wi_source_is_buffer(name);
    return true;
}

static const wi_source_names names = {place_hf, harmless};

/* size: 224 or {"shortest_edge": 224} is the shorter side, {"height", "width"} both. What is cut
 * out afterwards is the network's input, else pictures would keep their shape and the original
 * itself fails. */
static void read_size(wi_config *config, const wi_json *json, wi_preprocess *how)
{
    const wi_json *size = wi_json_get(json, "size");
    const bool resizes = wi_config_bool(config, json, "do_resize", true),
               crops = wi_config_bool(config, json, "do_center_crop", true),
               squashes = wi_json_is_object(size) && !wi_json_get(size, "shortest_edge");
    const uint32_t crop_px = crops ? wi_config_side(config, json, "crop_size", how->size_px) : 0;
    how->resize_px = how->size_px;
    if (wi_json_is_object(size) && !squashes)
        how->resize_px = wi_config_u32(config, size, "shortest_edge", how->size_px);
    else if (size)
        how->resize_px = wi_config_side(config, json, "size", how->size_px);
    how->mode = !resizes ? WI_RESIZE_NONE : squashes ? WI_RESIZE_SQUASH : WI_RESIZE_CROP;
    if (how->mode == WI_RESIZE_SQUASH && (crops ? crop_px : how->size_px) != how->resize_px)
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "squashing to %u px for a network of %u px",
                       how->resize_px, how->size_px);
    else if (how->mode != WI_RESIZE_SQUASH && !crops)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "'do_center_crop' is false and pictures keep their shape: the network takes "
                       "squares of %u px only",
                       how->size_px);
    if (crops)
        how->size_px = crop_px;
    if (how->mode == WI_RESIZE_NONE || how->resize_px == how->size_px)
        how->resize_px = 0;
}

/* In the original's order: RGB first, then resizing, then a crop whose offset is rounded down. */
static void read_order(wi_config *config, const wi_json *json, wi_preprocess *how)
{
    how->rgb_first = wi_config_bool(config, json, "do_convert_rgb", true);
    how->crop_floor = true;
}

static wi_status read_preprocess(wi_source *source, const char *path, const wi_json *json,
                                 wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    wi_preprocess *how = &source->params.preprocess;
    read_size(&config, json, how);
    read_order(&config, json, how);
    int64_t resample = wi_config_i64(&config, json, "resample", 3);
    if (resample != 2 && resample != 3)
        wi_config_fail(&config, WI_ERR_UNSUPPORTED,
                       "resample %lld; 2 (bilinear) and 3 (bicubic) are supported",
                       (long long)resample);
    how->interpolation = resample == 2 ? WI_BILINEAR : WI_BICUBIC;
    wi_config_3f(&config, json, "image_mean", how->mean);
    wi_config_3f(&config, json, "image_std", how->std);
    if (!wi_config_bool(&config, json, "do_normalize", true))
        for (int i = 0; i < 3; i++) {
            how->mean[i] = 0;
            how->std[i] = 1;
        }
    float scale = wi_config_f32(&config, json, "rescale_factor", 1.0f / 255);
    if (!wi_config_bool(&config, json, "do_rescale", true) || !(fabsf(scale * 255 - 1) < 1e-4f))
        wi_config_fail(&config, WI_ERR_UNSUPPORTED, "pixels that are not scaled by 1/255");
    return config.status;
}

/* Newer folders keep the image processor inside processor_config.json; without either, it is
 * OpenAI's. */
wi_status wi_source_read_preprocess(wi_source *source, const char *folder, wi_error *error)
{
    bool inside = !wi_source_file_exists(folder, "preprocessor_config.json");
    const char *name = inside ? "processor_config.json" : "preprocessor_config.json";
    if (inside && !wi_source_file_exists(folder, name))
        return WI_OK;
    char *path = wi_source_path(folder, name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_json *json = NULL;
    wi_status status = wi_json_read(path, WI_SOURCE_MAX_CONFIG, &json, error);
    if (status == WI_OK)
        status = read_preprocess(source, path, inside ? wi_json_get(json, "image_processor") : json,
                                 error);
    wi_json_free(&json);
    free(path);
    return status;
}

/* The defaults are those of the library, which are the base model's. */
static void read_blocks(wi_config *config, const wi_json *json, uint32_t width, uint32_t heads,
                        wi_block_params *out)
{
    out->width = wi_config_u32(config, json, "hidden_size", width);
    out->n_layers = wi_config_u32(config, json, "num_hidden_layers", 12);
    out->n_heads = wi_config_u32(config, json, "num_attention_heads", heads);
    out->mlp_width = wi_config_u32(config, json, "intermediate_size", 4 * width);
    out->activation = wi_config_activation(config, json, "hidden_act", WI_ACT_QUICK_GELU);
    out->ln_eps = wi_config_f32(config, json, "layer_norm_eps", 1e-5f);
}

static void read_vision(wi_config *config, const wi_json *json, wi_params *params)
{
    wi_vit_params vit = {.has_pre_ln = true};
    read_blocks(config, json, 768, 12, &vit.blocks);
    vit.image_px = wi_config_side(config, json, "image_size", 224);
    vit.patch_px = wi_config_side(config, json, "patch_size", 32);
    uint32_t n_channels = wi_config_u32(config, json, "num_channels", 3);
    if (n_channels != 3)
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "%u image channels; 3 are supported",
                       n_channels);
    params->preprocess = wi_preprocess_openai(vit.image_px);
    params->preprocess.crop_floor = params->preprocess.rgb_first = true;
    wi_tower_params_set(&params->tower[WI_ROLE_IMAGE], &wi_vit_kind, &vit);
}

static void read_text(wi_config *config, const wi_json *json, bool metaclip2, wi_params *params)
{
    wi_text_params text = {0};
    read_blocks(config, json, 512, 8, &text.blocks);
    text.context_length = wi_config_u32(config, json, "max_position_embeddings", 77);
    text.vocabulary_size = wi_config_u32(config, json, "vocab_size", 49408);
    int64_t end = wi_config_i64(config, json, "eos_token_id", metaclip2 ? 49407 : 2);
    if (end < 0 || end > INT32_MAX)
        wi_config_fail(config, WI_ERR_FORMAT, "'eos_token_id' is out of range");
    /* 2 is what CLIP's old configurations say and never meant: they pool at the largest id. */
    text.end_token =
        end == 2 && !metaclip2 ? wi_clip_end_token(text.vocabulary_size) : (uint32_t)end;
    wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &text);
}

/* Some old configurations carry `text_config_dict`, which then rules, as in the library. */
static const wi_json *tower_config(const wi_json *json, const char *key, const char *dict_key)
{
    const wi_json *dict = wi_json_get(json, dict_key);
    return wi_json_count(dict) ? dict : wi_json_get(json, key);
}

/* CLIP's towers under CLIP's names, with the tokenizer of many languages beside them.
 * Source: transformers 5.24 modeling_metaclip_2.py */
static bool is_metaclip2(const wi_json *json)
{
    const char *type = wi_json_string(wi_json_get(json, "model_type"));
    return type && strcmp(type, "metaclip_2") == 0;
}

/* Without a word about what it is, every number would be CLIP's default. */
static bool says_nothing(const wi_json *json)
{
    static const char *const keys[] = {"model_type", "vision_config", "vision_config_dict",
                                       "text_config", "text_config_dict"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (wi_json_get(json, keys[i]))
            return false;
    return true;
}

static void check_family(wi_config *config, const wi_json *json)
{
    const char *type = wi_config_string(config, json, "model_type", "clip");
    if (strcmp(type, "clip") != 0 && strcmp(type, "clip_text_model") != 0 &&
        strcmp(type, "clip_vision_model") != 0 && !is_metaclip2(json))
        wi_config_fail(
            config, WI_ERR_UNSUPPORTED,
            "models of the family '%s' are not supported; CLIP, MetaCLIP 2, Chinese-CLIP "
            "and SigLIP are",
            type);
}

wi_status wi_source_check_family(const char *folder, wi_error *error)
{
    char *path = wi_source_path(folder, "config.json");
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_json *json = NULL;
    wi_config config = {path, WI_OK, error};
    config.status = wi_json_read(path, WI_SOURCE_MAX_CONFIG, &json, error);
    if (config.status == WI_OK && !wi_siglip_is_hf(json) && !wi_chinese_is_hf(json))
        check_family(&config, json);
    wi_json_free(&json);
    free(path);
    return config.status;
}

static wi_status read_config(wi_source *source, const char *path, const wi_json *json,
                             wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    wi_params *params = &source->params;
    if (!wi_json_is_object(json))
        wi_config_fail(&config, WI_ERR_FORMAT, "not a JSON object");
    if (says_nothing(json))
        wi_config_fail(&config, WI_ERR_UNSUPPORTED,
                       "no 'model_type' and no towers: not the configuration of a Hugging Face "
                       "CLIP model; get the config.json that belongs to these weights");
    check_family(&config, json);
    /* A folder of a single tower has its fields at the top. */
    const char *type = wi_config_string(&config, json, "model_type", "clip");
    const wi_json *vision =
        strcmp(type, "clip_vision_model") == 0 && !wi_json_get(json, "vision_config")
            ? json
            : tower_config(json, "vision_config", "vision_config_dict");
    const wi_json *text = strcmp(type, "clip_text_model") == 0 && !wi_json_get(json, "text_config")
                              ? json
                              : tower_config(json, "text_config", "text_config_dict");
    bool has_vision = wi_source_has_prefix(source, "vision_model."),
         has_text = wi_source_has_prefix(source, "text_model.");
    const wi_json *owner = wi_json_get(json, "projection_dim") ? json : has_vision ? vision : text;
    params->embedding_dim = wi_config_u32(&config, owner, "projection_dim", 512);
    if (has_vision)
        read_vision(&config, vision, params);
    if (has_text)
        read_text(&config, text, is_metaclip2(json), params);
    if (config.status == WI_OK && !has_vision && !has_text)
        wi_config_fail(&config, WI_ERR_FORMAT,
                       "the weights beside it are not those of a CLIP model");
    float initial =
        wi_config_f32(&config, json, "logit_scale_init_value", logf(WI_CLIP_LOGIT_SCALE));
    params->logit_scale = has_vision && has_text ? expf(initial) : WI_CLIP_LOGIT_SCALE;
    return config.status;
}

static wi_status read_trained_scale(wi_source *source, wi_error *error)
{
    bool found;
    float value;
    wi_status status = wi_source_scalar(source, "logit_scale", &found, &value, error);
    if (status == WI_OK && found)
        source->params.logit_scale = (float)exp((double)value);
    return status;
}

wi_status wi_source_read_hf(wi_source *source, const char *folder, wi_error *error)
{
    source->format = "hugging face";
    char *path = wi_source_path(folder, "config.json");
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_json *json = NULL;
    wi_status status = wi_json_read(path, WI_SOURCE_MAX_CONFIG, &json, error);
    const bool siglip = status == WI_OK && wi_siglip_is_hf(json),
               chinese = status == WI_OK && wi_chinese_is_hf(json);
    if (siglip)
        status = wi_siglip_read_hf(source, folder, path, json, error);
    else if (chinese)
        status = wi_chinese_read(source, folder, path, json, error);
    else if (status == WI_OK)
        status = read_config(source, path, json, error);
    source->other_tokenizer = status == WI_OK && is_metaclip2(json);
    wi_json_free(&json);
    free(path);
    if (siglip || chinese)
        return status;
    if (status == WI_OK && source->params.tower[WI_ROLE_IMAGE].kind)
        status = wi_source_read_preprocess(source, folder, error);
    if (status == WI_OK)
        status = read_trained_scale(source, error);
    if (status == WI_OK)
        status = wi_source_bind(source, &names, error);
    if (status == WI_OK && source->params.tower[WI_ROLE_TEXT].kind)
        status = source->other_tokenizer ? wi_source_read_tokenizer(source, folder, error)
                                         : wi_source_read_merges(source, folder, error);
    return status;
}
