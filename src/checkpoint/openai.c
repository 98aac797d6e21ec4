/* OpenAI's and open_clip's names, in one or several safetensors. An open_clip configuration rules,
 * beside the weights or well known by name; without one only OpenAI's own state dicts are read,
 * whose parameters come from the shapes, as in OpenAI's build_model, and whose activation is
 * QuickGELU. Source: openai/CLIP clip/model.py build_model; open_clip
 * src/open_clip/model.py and transform.py. */
#include "base/error.h"
#include "checkpoint/config.h"
#include "checkpoint/known.h"
#include "checkpoint/layout.h"
#include "checkpoint/longclip.h"
#include "checkpoint/siglip.h"
#include "checkpoint/timm.h"
#include "nn/coca.h"
#include "nn/resnet.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const wi_rename vision_modules[] = {
    {"patch", "conv1"},
    {"ln_pre", "ln_pre"},
    {"ln_post", "ln_post"},
    {"stem.1", "conv1"},
    {"stem.2", "conv2"},
    {"stem.3", "conv3"},
    {"stem.1.bn", "bn1"},
    {"stem.2.bn", "bn2"},
    {"stem.3.bn", "bn3"},
    {"conv1", "conv1"},
    {"conv2", "conv2"},
    {"conv3", "conv3"},
    {"conv1.bn", "bn1"},
    {"conv2.bn", "bn2"},
    {"conv3.bn", "bn3"},
    {"down", "downsample.0"},
    {"down.bn", "downsample.1"},
    {"pool.q", "attnpool.q_proj"},
    {"pool.k", "attnpool.k_proj"},
    {"pool.v", "attnpool.v_proj"},
    {"pool.c", "attnpool.c_proj"},
    {NULL, NULL},
};
/* CoCa's: its pooler, and what its decoder has besides blocks. */
static const wi_rename pooler_modules[] = {{"pool.queries", "query"},
                                           {"pool.ln_q", "ln_q"},
                                           {"pool.ln_k", "ln_k"},
                                           {"pool.o", "attn.out_proj"},
                                           {NULL, NULL}};
static const wi_rename vision_names[] = {
    {"class", "class_embedding"},
    {"pos", "positional_embedding"},
    {"proj", "proj"},
    {"pool.pos", "attnpool.positional_embedding"},
    {NULL, NULL},
};
static const wi_rename text_names[] = {
    {"tok", "token_embedding.weight"},    {"pos", "positional_embedding"}, {"class", "cls_emb"},
    {"widen", "token_projection.weight"}, {"proj", "text_projection"},     {NULL, NULL},
};
static const wi_rename block_modules[] = {
    {"ln1", "ln_1"},
    {"ln2", "ln_2"},
    {"ln_kv", "ln_1_kv"},
    {"o", "attn.out_proj"},
    {"fc1", "mlp.c_fc"},
    {"fc2", "mlp.c_proj"},
    {"q_norm", "attn.ln_q"},
    {"k_norm", "attn.ln_k"},
    {"inner_norm", "attn.ln_inner"},
    {"attention_norm", "ln_attn"},
    {"mlp_norm", "mlp.ln"},
    {NULL, NULL},
};
static const wi_rename block_vectors[] = {
    {"ls1", "ls_1.gamma"}, {"ls2", "ls_2.gamma"}, {"head_scale", "attn.head_scale"}, {NULL, NULL}};
static const wi_rename parts[] = {
    {"w", "weight"}, {"b", "bias"}, {"mean", "running_mean"}, {"var", "running_var"}, {NULL, NULL},
};

/* A third of a matrix for queries, keys and values, or of its bias. */
static void place_third(const char *stem, char which, const char *part, wi_place *out)
{
    out->slice = which == 'q' ? 0 : which == 'k' ? 1 : 2;
    out->n_slices = 3;
    snprintf(out->name, sizeof out->name, "%sattn.in_proj_%s", stem, part);
}

/* blocks: such as "visual.transformer.resblocks". */
static void place_block(const char *blocks, const char *module, const wi_ours *ours, wi_place *out)
{
    char stem[64];
    const char *theirs = wi_rename_find(block_modules, module),
               *part = *ours->part ? wi_rename_find(parts, ours->part) : "";
    snprintf(stem, sizeof stem, "%s.%d.", blocks, ours->block);
    if (theirs)
        snprintf(out->name, sizeof out->name, "%s%s.%s", stem, theirs, part);
    else if ((theirs = wi_rename_find(block_vectors, module)))
        snprintf(out->name, sizeof out->name, "%s%s", stem, theirs);
    else
        place_third(stem, *module, part, out);
}

/* Keys and values are as wide as the tokens: where queries are so, too, the three are one matrix. */
static void place_pooler(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    static const char stem[] = "visual.attn_pool.";
    const char *theirs = wi_rename_find(pooler_modules, ours->module);
    const char which = ours->module[sizeof "pool." - 1];
    wi_stored stored;
    if (theirs)
        snprintf(out->name, sizeof out->name, "%s%s%s%s", stem, theirs, *ours->part ? "." : "",
                 *ours->part ? wi_rename_find(parts, ours->part) : "");
    else if (*ours->part == 'w' &&
             !wi_source_find(source, "visual.attn_pool.attn.in_proj_weight", &stored))
        snprintf(out->name, sizeof out->name, "%sattn.%c_proj_weight", stem, which);
    else
        place_third(stem, which, wi_rename_find(parts, ours->part), out);
}

static void place_decoder(const wi_ours *ours, wi_place *out)
{
    static const char cross[] = "cross_";
    if (ours->block < 0) {
        out->transposed = strcmp(ours->module, "logits") == 0;
        snprintf(out->name, sizeof out->name, "text_decoder.%s%s",
                 out->transposed ? "text_projection" : "ln_final.",
                 out->transposed ? "" : wi_rename_find(parts, ours->part));
    } else if (strncmp(ours->module, cross, sizeof cross - 1) == 0) {
        place_block("text_decoder.cross_attn", ours->module + sizeof cross - 1, ours, out);
    } else {
        place_block("text_decoder.resblocks", ours->module, ours, out);
    }
}

static bool has_linear_projection(const wi_source *source)
{
    wi_text_params text;
    return wi_tower_params_get(&source->params.tower[WI_ROLE_TEXT], &wi_text_kind, &text) &&
           text.projection == WI_TEXT_LINEAR_BIAS;
}

static void place_openai(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    bool vision = ours->tower == 'v';
    if (vision && source->place_image) {
        source->place_image(ours, out);
        return;
    }
    if (ours->tower == 'd') {
        place_decoder(ours, out);
        return;
    }
    if (source->params.tower[WI_ROLE_IMAGE].kind == &wi_vit_pooler_kind && vision &&
        strncmp(ours->module, "pool.", 5) == 0) {
        place_pooler(source, ours, out);
        return;
    }
    const char *prefix = vision ? "visual." : source->text_prefix;
    char blocks[48];
    const char *whole = wi_rename_find(vision ? vision_names : text_names, ours->module);
    if (!vision && strcmp(ours->module, "pos") == 0 && wi_longclip_has_two(source))
        whole = WI_LONGCLIP_POSITIONS;
    if (ours->stage < 0 && ours->block >= 0) {
        snprintf(blocks, sizeof blocks, "%stransformer.resblocks", prefix);
        place_block(blocks, ours->module, ours, out);
    } else if (whole) {
        /* A projection with a bias is a linear layer, one without a plain matrix x @ p. */
        const bool proj = strcmp(ours->module, "proj") == 0,
                   linear = proj && !vision && has_linear_projection(source);
        snprintf(out->name, sizeof out->name, "%s%s%s%s", prefix, whole, linear ? "." : "",
                 linear ? wi_rename_find(parts, ours->part) : "");
        out->transposed = proj && !linear;
    } else if (ours->stage >= 0) {
        snprintf(out->name, sizeof out->name, "visual.layer%d.%d.%s.%s", ours->stage, ours->block,
                 wi_rename_find(vision_modules, ours->module), wi_rename_find(parts, ours->part));
    } else {
        const char *theirs = vision ? wi_rename_find(vision_modules, ours->module) : ours->module;
        snprintf(out->name, sizeof out->name, "%s%s.%s", prefix, theirs,
                 wi_rename_find(parts, ours->part));
    }
}

/* Where the text tower's names have no prefix, it has every name that is not the image tower's. */
static bool harmless(const wi_source *source, const char *name)
{
    static const char *const numbers[] = {"logit_scale", "logit_bias", "input_resolution",
                                          "context_length", "vocab_size"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i]) == 0)
            return true;
    const size_t n_prefix = strlen(source->text_prefix);
    if (strncmp(name, source->text_prefix, n_prefix) == 0 && wi_longclip_has_two(source) &&
        (strcmp(name + n_prefix, "positional_embedding") == 0 ||
         strcmp(name + n_prefix, "positional_embedding_res") == 0))
        return true;
    if (source->harmless_image && source->harmless_image(name))
        return true;
    return wi_source_is_buffer(name);
}

static const wi_source_names names = {place_openai, harmless};

/* Side `axis` of a stored tensor, counted from the end when negative; 0 when it is not there or
 * absurd. */
static uint32_t side_of(const wi_source *source, const char *prefix, const char *name, int axis)
{
    char full[WI_SOURCE_MAX_NAME];
    wi_stored stored;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (!wi_source_find(source, full, &stored))
        return 0;
    int64_t at = axis < 0 ? (int64_t)stored.rank + axis : axis;
    if (at < 0 || at >= (int64_t)stored.rank || stored.shape[at] > UINT32_MAX)
        return 0;
    return (uint32_t)stored.shape[at];
}

/* How many of PREFIX0SUFFIX, PREFIX1SUFFIX, ... there are without a gap. */
static uint32_t count_blocks(const wi_source *source, const char *prefix, const char *suffix)
{
    for (uint32_t n = 0;; n++) {
        char name[WI_SOURCE_MAX_NAME];
        wi_stored stored;
        snprintf(name, sizeof name, "%s%u%s", prefix, n, suffix);
        if (n > WI_MAX_LAYERS || !wi_source_find(source, name, &stored))
            return n;
    }
}

/* Side of the grid of n positions with one more for the class; 0 when n - 1 is no square. */
static uint32_t grid_side(uint32_t n)
{
    uint32_t side = n ? (uint32_t)lround(sqrt((double)n - 1)) : 0;
    return side < UINT16_MAX && side * side + 1 == n ? side : 0;
}

static wi_block_params infer_blocks(const wi_source *source, const char *prefix, uint32_t width)
{
    char stem[64];
    snprintf(stem, sizeof stem, "%stransformer.resblocks.", prefix);
    uint32_t n_layers = count_blocks(source, stem, ".attn.in_proj_weight");
    uint32_t n_heads = width / 64 ? width / 64 : 1;
    uint32_t mlp = side_of(source, stem, "0.mlp.c_fc.weight", 0);
    return (wi_block_params){.width = width,
                             .n_layers = n_layers,
                             .n_heads = n_heads,
                             .mlp_width = mlp,
                             .activation = WI_ACT_QUICK_GELU,
                             .ln_eps = 1e-5f};
}

static uint32_t infer_resnet(const wi_source *source, wi_tower_params *out)
{
    wi_resnet_params p = {.activation = WI_ACT_RELU, .eps = 1e-5f};
    for (int stage = 0; stage < 4; stage++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "visual.layer%d.", stage + 1);
        p.stage_blocks[stage] = count_blocks(source, prefix, ".conv1.weight");
    }
    p.width = side_of(source, "", "visual.layer1.0.conv1.weight", 0);
    p.n_heads = p.width / 2 ? p.width / 2 : 1; /* width * 32 channels, 64 a head */
    p.image_px = 32 * grid_side(side_of(source, "", "visual.attnpool.positional_embedding", 0));
    wi_tower_params_set(out, &wi_resnet_kind, &p);
    return p.image_px;
}

static uint32_t infer_vit(const wi_source *source, wi_tower_params *out)
{
    wi_vit_params p = {.has_pre_ln = true};
    p.blocks = infer_blocks(source, "visual.", side_of(source, "", "visual.conv1.weight", 0));
    p.patch_px = side_of(source, "", "visual.conv1.weight", -1);
    uint32_t side = grid_side(side_of(source, "", "visual.positional_embedding", 0));
    p.image_px = p.patch_px <= WI_MAX_IMAGE_PX ? p.patch_px * side : 0;
    wi_tower_params_set(out, &wi_vit_kind, &p);
    return p.image_px;
}

static uint32_t infer_embedding(const wi_source *source)
{
    uint32_t dim = side_of(source, source->text_prefix, "text_projection", 1);
    if (dim == 0)
        dim = side_of(source, "", "visual.proj", 1);
    return dim ? dim : side_of(source, "", "visual.attnpool.c_proj.weight", 0);
}

wi_text_params wi_openai_text(const wi_source *source)
{
    const char *prefix = source->text_prefix;
    wi_text_params text = {0};
    text.blocks = infer_blocks(source, prefix, side_of(source, prefix, "ln_final.weight", 0));
    text.context_length = side_of(source, prefix, "positional_embedding", 0);
    text.vocabulary_size = side_of(source, prefix, "token_embedding.weight", 0);
    text.end_token = wi_clip_end_token(text.vocabulary_size);
    text.table_width = side_of(source, prefix, "token_projection.weight", 1);
    return text;
}

static void infer_params(wi_source *source)
{
    wi_params *params = &source->params;
    const char *prefix = source->text_prefix;
    uint32_t image_px = 0;
    if (wi_source_has_prefix(source, "visual.layer1."))
        image_px = infer_resnet(source, &params->tower[WI_ROLE_IMAGE]);
    else if (wi_source_has_prefix(source, "visual."))
        image_px = infer_vit(source, &params->tower[WI_ROLE_IMAGE]);
    if (wi_source_has_prefix(source, prefix[0] ? "text.transformer." : "transformer.")) {
        const wi_text_params text = wi_openai_text(source);
        wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &text);
    }
    params->embedding_dim = infer_embedding(source);
    params->preprocess = wi_preprocess_openai(image_px);
}

/* Options that change the network and that we do not have; an absent, null, false, zero or `usual`
 * one is fine. */
static void refuse(wi_config *config, const wi_json *object, const char *const (*options)[2],
                   size_t n_options)
{
    for (size_t i = 0; i < n_options; i++) {
        const char *key = options[i][0], *usual = options[i][1];
        const wi_json *value = wi_json_get(object, key);
        const char *text = wi_json_string(value);
        bool truth = true;
        double number = 1;
        if (!value || (wi_json_is_object(value) && wi_json_count(value) == 0) ||
            (wi_json_boolean(value, &truth) && !truth) ||
            (wi_json_number(value, &number) && number == 0) ||
            (text && usual && strcmp(text, usual) == 0))
            continue;
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "open_clip option '%s%s%s' is not supported",
                       key, text ? "=" : "", text ? text : "");
    }
}

/* What a block may have besides; everything but a null or false means that its tensors are there. */
static void read_kwargs(wi_config *config, const wi_json *object, wi_block_params *blocks)
{
    const char *approximate =
        wi_config_string(config, wi_json_get(object, "act_kwargs"), "approximate", "none");
    if (blocks->activation == WI_ACT_GELU && strcmp(approximate, "tanh") == 0)
        blocks->activation = WI_ACT_GELU_TANH;
    blocks->ln_eps = wi_config_f32(config, wi_json_get(object, "norm_kwargs"), "eps", 1e-5f);
    blocks->layer_scale = wi_json_get(object, "ls_init_value") != NULL;
    blocks->qk_norm = wi_config_bool(config, object, "qk_norm", false);
    blocks->head_scale = wi_config_bool(config, object, "scale_heads", false);
    blocks->inner_norm = wi_config_bool(config, object, "scale_attn_inner", false);
    blocks->attention_norm = wi_config_bool(config, object, "scale_attn", false);
    blocks->mlp_norm = wi_config_bool(config, object, "scale_fc", false);
}

/* One of names, by its number. */
static uint32_t read_choice(wi_config *config, const wi_json *object, const char *key,
                            const char *const *choices, uint32_t n_choices, const char *missing)
{
    const char *name = wi_config_string(config, object, key, missing);
    for (uint32_t i = 0; i < n_choices; i++)
        if (choices[i] && strcmp(name, choices[i]) == 0)
            return i;
    wi_config_fail(config, WI_ERR_UNSUPPORTED, "open_clip option '%s=%s' is not supported", key,
                   name);
    return 0;
}

static uint32_t mlp_width(wi_config *config, const wi_json *object, uint32_t width)
{
    double mlp = (double)width * (double)wi_config_f32(config, object, "mlp_ratio", 4.0f);
    return mlp >= 0 && mlp < 1e9 ? (uint32_t)mlp : 0;
}

static void read_resnet(wi_config *config, const wi_json *json, uint32_t image_px,
                        wi_tower_params *out)
{
    const wi_json *layers = wi_json_get(json, "layers");
    wi_resnet_params p = {.image_px = image_px, .activation = WI_ACT_RELU, .eps = 1e-5f};
    if (wi_json_count(layers) != 4)
        wi_config_fail(config, WI_ERR_FORMAT, "'layers' of a ResNet is not a list of four numbers");
    for (size_t i = 0; i < 4; i++) {
        int64_t n = 0;
        if (!wi_json_integer(wi_json_at(layers, i), &n) || n < 1 || n > WI_MAX_LAYERS)
            wi_config_fail(config, WI_ERR_FORMAT,
                           "'layers' of a ResNet is not a list of four numbers");
        p.stage_blocks[i] = (uint32_t)n;
    }
    p.width = wi_config_u32(config, json, "width", 64);
    uint32_t head_width = wi_config_u32(config, json, "head_width", 64);
    uint64_t n_heads = head_width ? (uint64_t)p.width * 32 / head_width : 0;
    p.n_heads = n_heads <= WI_MAX_HEADS ? (uint32_t)n_heads : 0;
    wi_tower_params_set(out, &wi_resnet_kind, &p);
}

static uint32_t read_vision(wi_config *config, const wi_json *json, wi_activation activation,
                            wi_tower_params *out)
{
    static const char *const options[][2] = {
        {"timm_model_name", NULL},
        {"input_patchnorm", NULL},
        {"global_average_pool", NULL},
        {"scaled_cosine_attn", NULL},
    };
    static const char *const pools[] = {[WI_VIT_CLASS] = "tok", [WI_VIT_MEAN] = "avg"};
    /* Both are stored alike: as one row for each token. */
    static const char *const positions[] = {"learnable", "sin_cos_2d"};
    static const char *const blocks[] = {"default", "custom"};
    refuse(config, json, options, sizeof options / sizeof *options);
    const uint32_t image_px = wi_config_side(config, json, "image_size", 224);
    if (wi_json_is_array(wi_json_get(json, "layers"))) {
        read_resnet(config, json, image_px, out);
        return image_px;
    }
    wi_vit_params p = {.image_px = image_px};
    uint32_t width = wi_config_u32(config, json, "width", 768);
    uint32_t head_width = wi_config_u32(config, json, "head_width", 64);
    p.blocks = (wi_block_params){.width = width,
                                 .n_layers = wi_config_u32(config, json, "layers", 12),
                                 .n_heads = head_width ? width / head_width : 0,
                                 .mlp_width = mlp_width(config, json, width),
                                 .activation = activation};
    read_kwargs(config, json, &p.blocks);
    p.patch_px = wi_config_side(config, json, "patch_size", 16);
    p.has_pre_ln = !wi_config_bool(config, json, "no_ln_pre", false);
    p.pool = (wi_vit_pool)read_choice(config, json, "pool_type", pools, 2, "tok");
    p.norm_after_pool = wi_config_bool(config, json, "final_ln_after_pool", false);
    read_choice(config, json, "pos_embed_type", positions, 2, "learnable");
    read_choice(config, json, "block_type", blocks, 2, "default");
    const char *two_poolers = wi_json_string(wi_json_get(json, "attentional_pool"));
    if (two_poolers) {
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip option 'attentional_pool=%s' is not supported", two_poolers);
    } else if (wi_config_bool(config, json, "attentional_pool", false)) {
        p.pool_queries = wi_config_u32(config, json, "attn_pooler_queries", 256);
        p.pool_heads = wi_config_u32(config, json, "attn_pooler_heads", 8);
        p.norm_after_pool = false; /* which open_clip ignores beside a pooler */
    }
    wi_tower_params_set(out, p.pool_queries ? &wi_vit_pooler_kind : &wi_vit_kind, &p);
    return image_px;
}

static void read_text(wi_config *config, const wi_json *json, wi_activation activation,
                      wi_tower_params *out)
{
    static const char *const options[][2] = {
        {"hf_model_name", NULL},    {"scaled_cosine_attn", NULL}, {"use_pad_mask", NULL},
        {"correct_cls_mask", NULL}, {"tokenizer_mode", NULL},
    };
    static const char *const pools[] = {"argmax", "eos", "first", "last"};
    static const wi_text_pool pool_of[] = {WI_TEXT_END, WI_TEXT_END, WI_TEXT_FIRST, WI_TEXT_LAST};
    static const char *const projections[] = {"linear", "none"};
    static const char *const blocks[] = {"default", "custom"};
    refuse(config, json, options, sizeof options / sizeof *options);
    wi_text_params p = {0};
    uint32_t width = wi_config_u32(config, json, "width", 512);
    p.blocks = (wi_block_params){.width = width,
                                 .n_layers = wi_config_u32(config, json, "layers", 12),
                                 .n_heads = wi_config_u32(config, json, "heads", 8),
                                 .mlp_width = mlp_width(config, json, width),
                                 .activation = activation};
    read_kwargs(config, json, &p.blocks);
    p.context_length = wi_config_u32(config, json, "context_length", 77);
    p.vocabulary_size = wi_config_u32(config, json, "vocab_size", 49408);
    p.end_token = wi_clip_end_token(p.vocabulary_size);
    p.sees_all = wi_config_bool(config, json, "no_causal_mask", false);
    const uint32_t pool = read_choice(config, json, "pool_type", pools, 4, "argmax");
    p.pool = pool_of[pool];
    p.class_token = wi_config_bool(config, json, "embed_cls", false);
    p.pad_token = p.class_token ? wi_config_u32(config, json, "pad_id", 0) : 0;
    if (p.class_token)
        p.pool = WI_TEXT_END; /* whatever is said */
    else if (strcmp(pools[pool], "eos") == 0)
        p.end_token = wi_config_u32(config, json, "eos_id", 2);
    if (read_choice(config, json, "proj_type", projections, 2, "linear") == 1)
        p.projection = WI_TEXT_NO_PROJECTION;
    else if (wi_config_bool(config, json, "proj_bias", false))
        p.projection = WI_TEXT_LINEAR_BIAS;
    read_choice(config, json, "block_type", blocks, 2, "default");
    wi_tower_params_set(out, &wi_text_kind, &p);
}

/* CoCa's second stack. open_clip takes width, heads, layers and context from its configuration and the
 * rest from elsewhere: hidden numbers are four times the width. */
static void read_decoder(wi_config *config, const wi_json *json, wi_activation activation,
                         wi_params *params)
{
    static const char *const options[][2] = {{"ls_init_value", NULL}};
    wi_text_params text = {0};
    wi_vit_params image = {0};
    if (!wi_tower_params_get(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &text) ||
        !wi_tower_params_get(&params->tower[WI_ROLE_IMAGE], &wi_vit_pooler_kind, &image)) {
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "'multimodal_cfg' beside other towers than CoCa's is not supported");
        return;
    }
    refuse(config, json, options, 1);
    wi_sayer_params p = {.width = wi_config_u32(config, json, "width", 512),
                         .n_layers = wi_config_u32(config, json, "layers", 12),
                         .n_heads = wi_config_u32(config, json, "heads", 8),
                         .activation = activation,
                         .ln_eps = 1e-5f,
                         .context_length = wi_config_u32(config, json, "context_length", 77),
                         .vocabulary_size = text.vocabulary_size,
                         .end_token = text.end_token,
                         .n_places = image.pool_queries ? image.pool_queries - 1 : 0};
    p.mlp_width = p.width <= WI_MAX_WIDTH ? 4 * p.width : 0;
    p.start_token = p.end_token - 1;
    if (p.context_length > text.context_length)
        p.context_length = text.context_length;
    if (p.width != params->embedding_dim)
        wi_config_fail(config, WI_ERR_FORMAT,
                       "'multimodal_cfg' is %u wide, what it sees %u: open_clip needs them equal",
                       p.width, params->embedding_dim);
    wi_tower_params_set(&params->tower[WI_ROLE_DECODER], &wi_coca_kind, &(wi_coca_params){p});
}

void wi_source_open_clip_preprocess(wi_config *config, const wi_json *json, wi_preprocess *how)
{
    if (!json) /* as the family's published weights have it */
        return;
    how->size_px = wi_config_side(config, json, "size", how->size_px);
    wi_config_3f(config, json, "mean", how->mean);
    wi_config_3f(config, json, "std", how->std);
    static const char *const interpolations[] = {
        [WI_BICUBIC] = "bicubic", [WI_BILINEAR] = "bilinear"};
    static const char *const modes[] = {[WI_RESIZE_CROP] = "shortest",
                                        [WI_RESIZE_SQUASH] = "squash",
                                        [WI_RESIZE_LONGEST] = "longest",
                                        [WI_RESIZE_HALFWAY] = "halfway"}; /* ours alone */
    static const char *const colours[] = {"RGB"};
    how->interpolation =
        (wi_interpolation)read_choice(config, json, "interpolation", interpolations, 2, "bicubic");
    how->mode = (wi_resize_mode)read_choice(config, json, "resize_mode", modes,
                                            sizeof modes / sizeof *modes, "shortest");
    read_choice(config, json, "mode", colours, 1, "RGB");
    const wi_json *fill = wi_json_get(json, "fill_color");
    const size_t n = wi_json_is_array(fill) ? wi_json_count(fill) : fill ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        int64_t level = 0;
        if (!wi_json_integer(wi_json_is_array(fill) ? wi_json_at(fill, i) : fill, &level) ||
            level < 0 || level > 255)
            wi_config_fail(config, WI_ERR_FORMAT, "'fill_color' is not in 0..255");
        else if (i && level != how->fill)
            wi_config_fail(config, WI_ERR_UNSUPPORTED, "'fill_color' is not a grey");
        how->fill = (uint8_t)level;
    }
}

/* A whole open_clip_config.json, or the bare model configuration of open_clip's model_configs. */
static wi_status read_config(wi_source *source, const char *path, const wi_json *json,
                             wi_error *error)
{
    static const char *const tokenizer_options[][2] = {{"tokenizer_kwargs", NULL}};
    wi_config config = {path, WI_OK, error};
    wi_params *params = &source->params;
    const wi_json *model = wi_json_get(json, "model_cfg") ? wi_json_get(json, "model_cfg") : json;
    const wi_json *vision = wi_json_get(model, "vision_cfg"),
                  *text = wi_json_get(model, "text_cfg");
    if (!wi_json_is_object(vision) && !wi_json_is_object(text))
        wi_config_fail(&config, WI_ERR_FORMAT,
                       "neither 'vision_cfg' nor 'text_cfg': no open_clip configuration");
    bool quick = wi_config_bool(&config, model, "quick_gelu", false);
    wi_activation activation = quick ? WI_ACT_QUICK_GELU : WI_ACT_GELU;
    params->embedding_dim = wi_config_u32(&config, model, "embed_dim", 512);
    if (!wi_source_has_prefix(source, "visual."))
        params->preprocess = wi_preprocess_openai(0);
    else if (!wi_timm_read(&config, vision, source))
        params->preprocess = wi_preprocess_openai(
            read_vision(&config, vision, activation, &params->tower[WI_ROLE_IMAGE]));
    if (wi_source_has_prefix(source, source->text_prefix[0] ? "text." : "transformer.")) {
        read_text(&config, text, activation, &params->tower[WI_ROLE_TEXT]);
        source->other_tokenizer = wi_json_get(text, "hf_tokenizer_name") != NULL;
        if (!source->other_tokenizer)
            refuse(&config, text, tokenizer_options, 1);
    }
    wi_text_params tower;
    if (wi_tower_params_get(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &tower)) {
        tower.table_width = side_of(source, source->text_prefix, "token_projection.weight", 1);
        wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &tower);
    }
    const wi_json *decoder = wi_json_get(model, "multimodal_cfg");
    if (decoder || wi_source_has_prefix(source, "text_decoder."))
        read_decoder(&config, decoder, activation, params);
    wi_source_open_clip_preprocess(&config, wi_json_get(json, "preprocess_cfg"),
                                   &params->preprocess);
    return config.status;
}

static wi_status read_known(wi_source *source, const char *name, wi_error *error)
{
    const char *text = wi_known_config(name);
    wi_json *json = NULL;
    if (!text)
        return wi_fail(error, WI_ERR_ARG,
                       "'%s' is no configuration that is known by name; ViT-B-32, "
                       "ViT-B-32-quickgelu, ViT-L-14, RN50-quickgelu and so on are",
                       name);
    wi_status status = wi_json_parse(name, text, strlen(text), &json, error);
    if (status == WI_OK)
        status = read_config(source, name, json, error);
    wi_json_free(&json);
    return status;
}

static bool same_towers(const wi_params *a, const wi_params *b)
{
    for (int role = 0; role < WI_N_ROLES; role++)
        if (!wi_tower_params_equal(&a->tower[role], &b->tower[role]))
            return false;
    return a->embedding_dim == b->embedding_dim;
}

/* A bare configuration says nothing of preprocessing: it is known when the network is a well-known
 * one. */
static wi_status guess_preprocess(wi_source *source, const char *path, wi_error *error)
{
    const wi_params wanted = source->params;
    for (size_t i = 0; wi_known_name(i); i++) {
        wi_error not_this = {0}; /* weights of another network than a known one's are no error */
        const wi_status status = read_known(source, wi_known_name(i), &not_this);
        if (status == WI_ERR_NOMEM)
            return wi_fail(error, status, "%s", not_this.message);
        if (status == WI_OK && same_towers(&wanted, &source->params))
            return WI_OK;
    }
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "%s: says nothing of preprocessing; add \"preprocess_cfg\" with mean, std, "
                   "interpolation and resize_mode ({} for OpenAI's)",
                   path);
}

/* *done: the model is of a family with a reader of its own, which has read all. */
static wi_status read_config_file(wi_source *source, const char *folder, const char *path,
                                  bool *done, wi_error *error)
{
    wi_json *json = NULL;
    wi_status status = wi_json_read(path, WI_SOURCE_MAX_CONFIG, &json, error);
    const wi_json *model = wi_json_get(json, "model_cfg");
    *done = status == WI_OK && wi_siglip_is_open_clip(model ? model : json);
    if (*done)
        status = wi_siglip_read_open_clip(source, folder, path, json, error);
    else if (status == WI_OK)
        status = read_config(source, path, json, error);
    const bool silent = !wi_json_get(json, "model_cfg") && !wi_json_get(json, "preprocess_cfg");
    wi_json_free(&json);
    if (status == WI_OK && !*done && silent && source->params.tower[WI_ROLE_IMAGE].kind &&
        !source->place_image)
        status = guess_preprocess(source, path, error);
    return status;
}

/* OpenAI's own state dicts carry three numbers that open_clip's do not, LongCLIP's a second table of
 * positions; only theirs are told by shapes. */
static wi_status read_shapes(wi_source *source, wi_error *error)
{
    wi_stored stored;
    if (!wi_source_find(source, "input_resolution", &stored) &&
        !wi_source_find(source, "vocab_size", &stored) && !wi_longclip_has_two(source))
        return wi_fail(
            error, WI_ERR_UNSUPPORTED,
            "%s: activation, heads, pooling and preprocessing cannot be told from weights: "
            "put open_clip_config.json beside them, or say --config ViT-B-32 or another "
            "well-known name",
            source->label);
    infer_params(source);
    return WI_OK;
}

wi_status wi_openai_scalars(wi_source *source, wi_error *error)
{
    bool found;
    float value;
    wi_params *params = &source->params;
    params->logit_scale = WI_CLIP_LOGIT_SCALE;
    wi_status status = wi_source_scalar(source, "logit_scale", &found, &value, error);
    if (status != WI_OK)
        return status;
    if (found)
        params->logit_scale = (float)exp((double)value);
    status = wi_source_scalar(source, "logit_bias", &found, &value, error);
    if (status == WI_OK && found) {
        params->logit_bias = value;
        params->sigmoid = true;
    }
    return status;
}

wi_status wi_source_read_openai(wi_source *source, const char *folder, const char *config_path,
                                wi_error *error)
{
    source->format = config_path || source->config ? "open_clip" : "openai";
    source->text_prefix = wi_source_has_prefix(source, "text.transformer.") ? "text." : "";
    wi_status status = WI_OK;
    bool done = false;
    if (source->config)
        status = read_known(source, source->config, error);
    else if (config_path)
        status = read_config_file(source, folder, config_path, &done, error);
    else
        status = read_shapes(source, error);
    if (done)
        return status;
    if (status == WI_OK)
        status = wi_openai_scalars(source, error);
    if (status == WI_OK)
        status = wi_longclip_merge(source, error);
    if (status == WI_OK)
        status = wi_source_bind(source, &names, error);
    if (status == WI_OK && folder && source->params.tower[WI_ROLE_TEXT].kind)
        status = source->other_tokenizer ? wi_source_read_tokenizer(source, folder, error)
                                         : wi_source_read_merges(source, folder, error);
    return status;
}

/* --- for layouts that share a part of this one --- */

void wi_openai_place(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    place_openai(source, ours, out);
}

bool wi_openai_harmless(const wi_source *source, const char *stored_name)
{
    return harmless(source, stored_name);
}

uint32_t wi_source_side(const wi_source *source, const char *prefix, const char *name, int axis)
{
    return side_of(source, prefix, name, axis);
}

uint32_t wi_source_count(const wi_source *source, const char *prefix, const char *suffix)
{
    return count_blocks(source, prefix, suffix);
}
