#include "checkpoint/timm.h"

#include "base/error.h"
#include "checkpoint/fastvit.h"
#include "nn/convnext.h"
#include "nn/vit.h"

#include <stdio.h>
#include <string.h>

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static uint32_t side_of(const wi_source *source, const char *name, uint32_t axis)
{
    char full[WI_SOURCE_MAX_NAME];
    wi_stored stored;
    snprintf(full, sizeof full, "visual.trunk.%s", name);
    if (!wi_source_find(source, full, &stored) || axis >= stored.rank ||
        stored.shape[axis] > UINT32_MAX)
        return 0;
    return (uint32_t)stored.shape[axis];
}

/* How many of PREFIX0SUFFIX, PREFIX1SUFFIX, ... there are without a gap. */
static uint32_t count(const wi_source *source, const char *prefix, const char *suffix)
{
    for (uint32_t n = 0;; n++) {
        char name[WI_SOURCE_MAX_NAME];
        snprintf(name, sizeof name, "%s%u%s", prefix, n, suffix);
        if (n > WI_MAX_LAYERS || !side_of(source, name, 0))
            return n;
    }
}

static const char *part_of(const wi_ours *ours)
{
    return *ours->part == 'b' ? "bias" : "weight";
}

/* ---- EVA02 ---- */

static const wi_rename eva_modules[] = {
    {"patch", "patch_embed.proj"}, {"ln_post", "norm"}, {"proj", "head"}, {NULL, NULL}};
static const wi_rename eva_whole[] = {{"class", "cls_token"}, {"pos", "pos_embed"}, {NULL, NULL}};
static const wi_rename eva_blocks[] = {
    {"ln1", "norm1"},
    {"ln2", "norm2"},
    {"q", "attn.q_proj"},
    {"k", "attn.k_proj"},
    {"v", "attn.v_proj"},
    {"o", "attn.proj"},
    {"inner_norm", "attn.norm"},
    {"fc1", "mlp.fc1_x"},
    {"gate", "mlp.fc1_g"},
    {"mlp_norm", "mlp.norm"},
    {"fc2", "mlp.fc2"},
    {NULL, NULL},
};

/* Keys have no bias there. */
static void place_eva(const wi_ours *ours, wi_place *out)
{
    const char *theirs;
    if (ours->block >= 0) {
        out->zero = strcmp(ours->module, "k") == 0 && *ours->part == 'b';
        snprintf(out->name, sizeof out->name, "visual.trunk.blocks.%d.%s.%s", ours->block,
                 wi_rename_find(eva_blocks, ours->module), part_of(ours));
    } else if ((theirs = wi_rename_find(eva_modules, ours->module))) {
        snprintf(out->name, sizeof out->name, "visual.trunk.%s.%s", theirs, part_of(ours));
    } else {
        snprintf(out->name, sizeof out->name, "visual.trunk.%s",
                 wi_rename_find(eva_whole, ours->module));
    }
}

static void read_eva(wi_config *config, const wi_json *json, wi_source *source, uint32_t *image_px)
{
    const char *name = wi_config_string(config, json, "timm_model_name", "");
    const char *at = strrchr(name, '_');
    unsigned named_px = 224;
    if (at)
        (void)sscanf(at + 1, "%4u", &named_px);
    const uint32_t width = side_of(source, "patch_embed.proj.weight", 0);
    /* No shape tells it. timm's EVA02 have 64 from the tiny one (192) on; what is narrower than any of
     * them is somebody's trial, where 32 is usual. */
    const uint32_t head_dim = width >= 192 ? 64 : 32;
    wi_vit_params p = {.image_px = wi_config_side(config, json, "image_size", named_px),
                       .patch_px = side_of(source, "patch_embed.proj.weight", 3),
                       .blocks = {.width = width,
                                  .n_layers = count(source, "blocks.", ".norm1.weight"),
                                  .n_heads = width / head_dim,
                                  .mlp_width = side_of(source, "blocks.0.mlp.fc1_x.weight", 0),
                                  .activation = WI_ACT_GELU, /* unused: gated */
                                  .ln_eps = 1e-6f,
                                  .inner_norm = true,
                                  .mlp_norm = true,
                                  .gated = true},
                       .has_patch_bias = true,
                       .has_projection_bias = true,
                       .rope_grid = 16};
    const char *pool = wi_config_string(config, json, "timm_pool", "");
    if (strcmp(pool, "token") != 0 || wi_config_string(config, json, "timm_proj", "")[0])
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip options 'timm_pool=%.20s' and 'timm_proj' of %.60s", pool, name);
    *image_px = p.image_px;
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_vit_rope_kind, &p);
    source->place_image = place_eva;
}

/* ---- ConvNeXt ---- */

static const wi_rename next_blocks[] = {
    {"dw", "conv_dw.weight"}, {"dw_bias", "conv_dw.bias"}, {"gamma", "gamma"}, {NULL, NULL}};
static const wi_rename next_modules[] = {
    {"stem", "stem.0"}, {"stem_ln", "stem.1"}, {"ln_head", "head.norm"}, {NULL, NULL}};

/* down1_ln, down1_conv: a stage begins with both. */
static void place_next(const wi_ours *ours, bool mlp, wi_place *out)
{
    const char *theirs;
    if (ours->block >= 0) {
        theirs = wi_rename_find(next_blocks, ours->module);
        if (theirs)
            snprintf(out->name, sizeof out->name, "visual.trunk.stages.%d.blocks.%d.%s",
                     ours->stage, ours->block, theirs);
        else
            snprintf(out->name, sizeof out->name, "visual.trunk.stages.%d.blocks.%d.%s%s.%s",
                     ours->stage, ours->block, ours->module[0] == 'f' ? "mlp." : "",
                     ours->module[0] == 'f' ? ours->module : "norm", part_of(ours));
    } else if (begins_with(ours->module, "down")) {
        snprintf(out->name, sizeof out->name, "visual.trunk.stages.%c.downsample.%d.%s",
                 ours->module[4], strcmp(ours->module + 6, "conv") == 0, part_of(ours));
    } else if ((theirs = wi_rename_find(next_modules, ours->module))) {
        snprintf(out->name, sizeof out->name, "visual.trunk.%s.%s", theirs, part_of(ours));
    } else { /* head1, proj */
        snprintf(out->name, sizeof out->name, "visual.head.%s.%s",
                 strcmp(ours->module, "head1") == 0 ? "mlp.fc1"
                 : mlp                              ? "mlp.fc2"
                                                    : "proj",
                 part_of(ours));
    }
}

static void place_convnext(const wi_ours *ours, wi_place *out)
{
    place_next(ours, false, out);
}

static void place_convnext_mlp(const wi_ours *ours, wi_place *out)
{
    place_next(ours, true, out);
}

static void read_convnext(wi_config *config, const wi_json *json, wi_source *source,
                          uint32_t *image_px)
{
    const char *name = wi_config_string(config, json, "timm_model_name", ""),
               *proj = wi_config_string(config, json, "timm_proj", "linear");
    wi_convnext_params p = {.image_px = wi_config_side(config, json, "image_size", 224),
                            .ln_eps = begins_with(name, "convnext_xxlarge") ? 1e-5f : 1e-6f};
    for (uint32_t s = 0; s < WI_CONVNEXT_STAGES; s++) {
        char prefix[64], first[80];
        snprintf(prefix, sizeof prefix, "stages.%u.blocks.", s);
        snprintf(first, sizeof first, "%s0.conv_dw.weight", prefix);
        p.width[s] = side_of(source, first, 0);
        p.blocks[s] = count(source, prefix, ".conv_dw.weight");
    }
    const bool mlp = strcmp(proj, "mlp") == 0;
    wi_stored stored;
    if (mlp && wi_source_find(source, "visual.head.mlp.fc1.weight", &stored) && stored.rank == 2)
        p.head_hidden = stored.shape[0] <= UINT32_MAX ? (uint32_t)stored.shape[0] : 0;
    if ((!mlp && strcmp(proj, "linear") != 0) ||
        wi_config_string(config, json, "timm_pool", "")[0] ||
        wi_config_bool(config, json, "timm_proj_bias", false) || (mlp && !p.head_hidden))
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip options 'timm_proj=%.20s', 'timm_pool' and 'timm_proj_bias' of "
                       "%.60s",
                       proj, name);
    *image_px = p.image_px;
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_convnext_kind, &p);
    source->place_image = mlp ? place_convnext_mlp : place_convnext;
}

/* ---- which ---- */

bool wi_timm_read(wi_config *config, const wi_json *vision_cfg, wi_source *source,
                  uint32_t *image_px)
{
    const char *name = wi_config_string(config, vision_cfg, "timm_model_name", "");
    if (begins_with(name, "eva02_base_patch") || begins_with(name, "eva02_large_patch")) {
        read_eva(config, vision_cfg, source, image_px);
        return true;
    }
    if (begins_with(name, "fastvit_mci")) {
        wi_fastvit_read(config, vision_cfg, source, image_px);
        return true;
    }
    if (begins_with(name, "convnext_")) {
        read_convnext(config, vision_cfg, source, image_px);
        return true;
    }
    return false;
}
