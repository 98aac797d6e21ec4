/* EfficientNet-Lite as efficientnet_lite_pytorch stores it, and the same trunk as the image tower of a
 * model trained on it.
 *
 * Bare state dicts (`_conv_stem.weight`, ...) are trunks: their embedding is the mean of the head's
 * channels, their classifier is left aside. Behind `visual.` the trunk has a projection
 * (`visual.projection`, `visual.branch.fc1`, `.fc2` where there is a branch, `visual.look.query`, `.place`,
 * `.out` where heads look at places) and usually a text tower
 * under OpenAI's names beside it. Sizes come from the tensors; strides are nowhere in them, so that they
 * are the configuration's, or those of the published networks where there is none. */
#include "nn/mbconv.h"
#include "base/error.h"
#include "checkpoint/config.h"
#include "checkpoint/layout.h"
#include "nn/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *prefix_of(const wi_source *source)
{
    wi_stored stored;
    return wi_source_find(source, "visual._conv_stem.weight", &stored) ? "visual." : "";
}

bool wi_source_is_mbconv(const wi_source *source)
{
    wi_stored stored;
    return wi_source_find(source, "_conv_stem.weight", &stored) || *prefix_of(source);
}

/* --- names --- */

static const wi_rename modules[] = {
    {"stem", "_conv_stem"},    {"stem.bn", "_bn0"},
    {"head", "_conv_head"},    {"head.bn", "_bn1"},
    {"proj", "projection"},    {"branch1", "branch.fc1"},
    {"branch2", "branch.fc2"}, {"look_query", "look.query"},
    {"look_out", "look.out"},  {NULL, NULL},
};
static const wi_rename block_modules[] = {
    {"expand", "_expand_conv"},
    {"expand.bn", "_bn0"},
    {"depthwise", "_depthwise_conv"},
    {"depthwise.bn", "_bn1"},
    {"project", "_project_conv"},
    {"project.bn", "_bn2"},
    {NULL, NULL},
};
static const wi_rename parts[] = {
    {"w", "weight"}, {"b", "bias"}, {"mean", "running_mean"}, {"var", "running_var"}, {NULL, NULL},
};

static void place(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    if (ours->tower == 't') {
        wi_openai_place(source, ours, out);
        return;
    }
    const char *prefix = prefix_of(source), *part = wi_rename_find(parts, ours->part);
    if (strcmp(ours->module, "look_place") == 0)
        snprintf(out->name, sizeof out->name, "%slook.place", prefix);
    else if (ours->block >= 0)
        snprintf(out->name, sizeof out->name, "%s_blocks.%d.%s.%s", prefix, ours->block,
                 wi_rename_find(block_modules, ours->module), part);
    else
        snprintf(out->name, sizeof out->name, "%s%s.%s", prefix,
                 wi_rename_find(modules, ours->module), part);
}

/* A classifier of the trunk's is no part of the embedding. */
static bool harmless(const wi_source *source, const char *name)
{
    const size_t n = strlen(prefix_of(source));
    return wi_openai_harmless(source, name) ||
           strncmp(name + (strlen(name) < n ? 0 : n), "_fc.", 4) == 0;
}

static const wi_source_names names = {place, harmless};

/* --- sizes --- */

typedef struct shape {
    uint32_t in, hidden, out, kernel;
    bool has_expand;
} shape;

static shape block_shape(const wi_source *source, uint32_t index)
{
    char prefix[WI_SOURCE_MAX_NAME];
    snprintf(prefix, sizeof prefix, "%s_blocks.%u.", prefix_of(source), index);
    shape s = {.in = wi_source_side(source, prefix, "_expand_conv.weight", 1),
               .hidden = wi_source_side(source, prefix, "_depthwise_conv.weight", 0),
               .out = wi_source_side(source, prefix, "_project_conv.weight", 0),
               .kernel = wi_source_side(source, prefix, "_depthwise_conv.weight", -1)};
    s.has_expand = s.in != 0;
    s.in = s.has_expand ? s.in : s.hidden;
    return s;
}

/* Adds a block to the last stage, or a stage for it. */
static void add_block(wi_config *config, const shape *s, uint32_t stride, uint32_t *n_stages,
                      wi_mbconv_params *p)
{
    const uint32_t expansion = s->in ? s->hidden / s->in : 0, last = *n_stages - 1;
    if (s->in == 0 || s->hidden % s->in != 0)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "a block of %u channels of which its expansion makes %u", s->in, s->hidden);
    if (*n_stages && stride == 1 && s->in == s->out && s->out == p->width[last] &&
        expansion == p->expansion[last] && s->kernel == p->kernel[last]) {
        p->blocks[last]++;
        return;
    }
    if (*n_stages == WI_MBCONV_STAGES) {
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "more than %d stages", WI_MBCONV_STAGES);
        return;
    }
    p->blocks[*n_stages] = 1;
    p->width[*n_stages] = s->out;
    p->expansion[*n_stages] = expansion;
    p->kernel[*n_stages] = s->kernel;
    p->stride[(*n_stages)++] = stride;
}

/* The published networks: how many blocks, how wide the last one, and their input. */
static const struct {
    uint32_t n_blocks, width, image_px;
} published[] = {{16, 320, 224}, {21, 320, 240}, {21, 352, 260}, {24, 384, 280}, {30, 448, 300}};

/* Their strides: 2 where the widths of EfficientNet's second, third, fourth and sixth stage begin. */
static uint32_t published_stride(const shape *before, const shape *s, uint32_t *n_widths)
{
    static const uint8_t strides[] = {1, 2, 2, 2, 1, 2, 1};
    if (before && before->out == s->out)
        return 1;
    const uint32_t at = (*n_widths)++;
    return at < sizeof strides ? strides[at] : 0;
}

static uint32_t published_size(const wi_source *source, uint32_t n_blocks, const shape *last)
{
    (void)source;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (published[i].n_blocks == n_blocks && published[i].width == last->out)
            return published[i].image_px;
    return 0;
}

static void read_blocks(wi_source *source, wi_config *config, const wi_json *json,
                        wi_mbconv_params *p)
{
    char prefix[WI_SOURCE_MAX_NAME];
    snprintf(prefix, sizeof prefix, "%s_blocks.", prefix_of(source));
    const uint32_t n = wi_source_count(source, prefix, "._depthwise_conv.weight");
    const wi_json *strides = wi_json_get(json, "strides");
    uint32_t n_stages = 0, n_widths = 0;
    shape last = {0};
    if (strides && wi_json_count(strides) != n)
        wi_config_fail(config, WI_ERR_FORMAT, "'strides' has %zu numbers for %u blocks",
                       wi_json_count(strides), n);
    for (uint32_t i = 0; i < n && config->status == WI_OK; i++) {
        const shape s = block_shape(source, i);
        int64_t stride = published_stride(i ? &last : NULL, &s, &n_widths);
        if (strides &&
            (!wi_json_integer(wi_json_at(strides, i), &stride) || stride < 1 || stride > 2))
            wi_config_fail(config, WI_ERR_UNSUPPORTED,
                           "'strides' holds something other than 1 and 2");
        add_block(config, &s, (uint32_t)stride, &n_stages, p);
        last = s;
    }
    const uint32_t known_px = published_size(source, n, &last);
    if (!strides && (!known_px || n_widths != 7))
        wi_config_fail(
            config, WI_ERR_UNSUPPORTED,
            "%u blocks are none of EfficientNet-Lite 0 to 4: their strides cannot be told "
            "from the weights; put them into a config.json beside these (\"strides\")",
            n);
    p->image_px = known_px;
}

static void read_projection(const wi_source *source, wi_config *config, const wi_json *json,
                            wi_mbconv_params *p)
{
    static const char *const acts[] = {"gelu", "relu", "softmax"};
    const char *prefix = prefix_of(source);
    wi_params *params = (wi_params *)(uintptr_t)&source->params;
    const uint32_t dim = wi_source_side(source, prefix, "projection.weight", 0);
    p->has_projection = dim > 0;
    p->has_projection_bias =
        !p->has_projection || wi_source_side(source, prefix, "projection.bias", 0) > 0;
    params->embedding_dim = p->has_projection ? dim : p->head_width;
    p->look_heads = wi_source_side(source, prefix, "look.query.weight", 0);
    p->branch_width = wi_source_side(source, prefix, "branch.fc1.weight", 0);
    p->has_branch_bias = wi_source_side(source, prefix, "branch.fc2.bias", 0) > 0;
    if (!p->branch_width)
        return;
    const char *act = wi_config_string(config, json, "branch_activation", "gelu");
    p->branch_act = WI_N_BRANCH_ACTS;
    for (int i = 0; i < WI_N_BRANCH_ACTS; i++)
        if (strcmp(act, acts[i]) == 0)
            p->branch_act = (wi_branch_act)i;
    if (p->branch_act == WI_N_BRANCH_ACTS)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "branch activation '%s'; gelu, relu and softmax are supported", act);
}

static void read_text(wi_source *source, wi_config *config, const wi_json *json)
{
    const wi_json *options = wi_json_get(json, "text");
    if (!wi_source_has_prefix(source, "transformer.resblocks."))
        return;
    wi_text_params text = wi_openai_text(source);
    text.blocks.n_heads = wi_config_u32(config, options, "heads", text.blocks.n_heads);
    text.blocks.activation =
        wi_config_activation(config, options, "activation", text.blocks.activation);
    /* A tokenizer with merges of its own has ids behind CLIP's, or fewer. */
    text.end_token = wi_config_u32(config, options, "end_token", text.end_token);
    wi_tower_params_set(&source->params.tower[WI_ROLE_TEXT], &wi_text_kind, &text);
}

/* What the originals feed: (p - 127) / 128. */
static void read_preprocess(wi_config *config, const wi_json *json, uint32_t image_px,
                            wi_preprocess *how)
{
    *how = wi_preprocess_openai(image_px);
    for (int i = 0; i < 3; i++) {
        how->mean[i] = 127.0f / 255.0f;
        how->std[i] = 128.0f / 255.0f;
    }
    wi_config_3f(config, json, "mean", how->mean);
    wi_config_3f(config, json, "std", how->std);
    const char *interpolation = wi_config_string(config, json, "interpolation", "bicubic");
    how->interpolation = strcmp(interpolation, "bilinear") == 0 ? WI_BILINEAR : WI_BICUBIC;
    if (how->interpolation == WI_BICUBIC && strcmp(interpolation, "bicubic") != 0)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "interpolation '%s'; bicubic and bilinear are supported", interpolation);
    const char *mode = wi_config_string(config, json, "resize_mode", "shortest");
    how->mode = strcmp(mode, "halfway") == 0 ? WI_RESIZE_HALFWAY : WI_RESIZE_CROP;
    if (how->mode == WI_RESIZE_CROP && strcmp(mode, "shortest") != 0)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "resize_mode '%s'; shortest and halfway are supported", mode);
}

static wi_status read_params(wi_source *source, const char *path, const wi_json *json,
                             wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    const char *prefix = prefix_of(source);
    wi_mbconv_params p = {.stem_width = wi_source_side(source, prefix, "_conv_stem.weight", 0),
                          .head_width = wi_source_side(source, prefix, "_conv_head.weight", 0)};
    read_blocks(source, &config, json, &p);
    p.image_px = wi_config_side(&config, json, "image_size", p.image_px);
    p.norm_eps = wi_config_f32(&config, json, "batch_norm_epsilon", 1e-3f);
    const char *padding = wi_config_string(&config, json, "padding", "same");
    const char *act = wi_config_string(&config, json, "activation", "relu6");
    if (strcmp(padding, "same") != 0 || strcmp(act, "relu6") != 0)
        wi_config_fail(&config, WI_ERR_UNSUPPORTED,
                       "padding '%s', activation '%s'; same and relu6 are supported", padding, act);
    read_projection(source, &config, json, &p);
    read_text(source, &config, json);
    read_preprocess(&config, json, p.image_px, &source->params.preprocess);
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_mbconv_kind, &p);
    return config.status;
}

wi_status wi_source_read_mbconv(wi_source *source, const char *folder, const char *config_path,
                                wi_error *error)
{
    wi_json *json = NULL;
    wi_status status = WI_OK;
    source->format = "efficientnet-lite";
    source->text_prefix = "";
    if (config_path)
        status = wi_json_read(config_path, WI_SOURCE_MAX_CONFIG, &json, error);
    if (status == WI_OK)
        status = read_params(source, config_path ? config_path : source->label, json, error);
    wi_json_free(&json);
    if (status == WI_OK)
        status = wi_openai_scalars(source, error);
    if (status == WI_OK)
        status = wi_source_bind(source, &names, error);
    if (status == WI_OK && folder && source->params.tower[WI_ROLE_TEXT].kind)
        status = wi_source_read_merges(source, folder, error);
    return status;
}
