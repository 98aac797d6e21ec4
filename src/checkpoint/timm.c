#include "checkpoint/timm.h"

#include "base/error.h"
#include "checkpoint/fastvit.h"
#include "checkpoint/siglip.h"
#include "nn/convnext.h"
#include "nn/vit.h"
#include "nn/vit_map.h"

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

/* The number behind the last "_" of a name. */
static uint32_t named_px(const char *name)
{
    const char *at = strrchr(name, '_');
    unsigned px = 0;
    return at && sscanf(at + 1, "%4u", &px) == 1 ? px : 224;
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

static void read_eva(wi_config *config, const wi_json *json, wi_source *source)
{
    const char *name = wi_config_string(config, json, "timm_model_name", "");
    const uint32_t width = side_of(source, "patch_embed.proj.weight", 0);
    /* No shape tells it. All of timm's EVA02 have 64, and none is narrower than 192; for a narrower
     * one, somebody's trial, the configuration should say `head_width`: 32 is usual. */
    const uint32_t head_dim = wi_config_u32(config, json, "head_width", width >= 192 ? 64 : 32);
    if (head_dim == 0 || width % head_dim)
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "%.60s of width %u with heads of %u; 'head_width' says another", name, width,
                       head_dim);
    wi_vit_params p = {.image_px = wi_config_side(config, json, "image_size", named_px(name)),
                       .patch_px = side_of(source, "patch_embed.proj.weight", 3),
                       .blocks = {.width = width,
                                  .n_layers = count(source, "blocks.", ".norm1.weight"),
                                  .n_heads = head_dim ? width / head_dim : 0,
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
    source->params.preprocess = wi_preprocess_openai(p.image_px);
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_vit_rope_kind, &p);
    source->place_image = place_eva;
}

/* ---- PE-Core ---- */

/* What timm's names say and no shape tells. Heads are 64 wide but for the largest, whose patches are
 * counted from 0. Source: timm 1.0.31 eva.py vit_pe_core_*; open_clip 3.3.0 pretrained.py */
static const struct {
    const char *begins;
    uint32_t head_dim, rope_grid, rope_from;
} pe_sizes[] = {{"vit_pe_core_tiny_", 64, 24, 1},
                {"vit_pe_core_small_", 64, 24, 1},
                {"vit_pe_core_base_", 64, 14, 1},
                {"vit_pe_core_large_", 64, 24, 1},
                {"vit_pe_core_gigantic_", 96, 32, 0}};
enum { PE_POOL_HEADS = 8 };

static void read_pe(wi_config *config, const wi_json *json, wi_source *source)
{
    const char *name = wi_config_string(config, json, "timm_model_name", ""),
               *pool = wi_config_string(config, json, "timm_pool", "");
    const size_t n_sizes = sizeof pe_sizes / sizeof *pe_sizes;
    const uint32_t width = side_of(source, "patch_embed.proj.weight", 0);
    size_t size = 0;
    while (size < n_sizes && !begins_with(name, pe_sizes[size].begins))
        size++;
    if (size == n_sizes || strcmp(pool, "map") != 0 ||
        wi_config_string(config, json, "timm_proj", "")[0]) {
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip options 'timm_pool=%.20s' and 'timm_proj' of %.60s", pool, name);
        return;
    }
    if (width % pe_sizes[size].head_dim)
        wi_config_fail(config, WI_ERR_UNSUPPORTED, "%.60s of width %u: its heads are %u wide", name,
                       width, pe_sizes[size].head_dim);
    const wi_vit_map_params p = {
        .image_px = wi_config_side(config, json, "image_size", named_px(name)),
        .patch_px = side_of(source, "patch_embed.proj.weight", 3),
        .blocks = {.width = width,
                   .n_layers = count(source, "blocks.", ".norm1.weight"),
                   .n_heads = width / pe_sizes[size].head_dim,
                   .mlp_width = side_of(source, "blocks.0.mlp.fc1.weight", 0),
                   .activation = WI_ACT_GELU,
                   .ln_eps = 1e-5f},
        .pool_heads = PE_POOL_HEADS,
        .pool_mlp_width = side_of(source, "attn_pool.mlp.fc1.weight", 0),
        .has_class = side_of(source, "cls_token", 2) != 0,
        .has_pre_ln = true,
        .rope_grid = pe_sizes[size].rope_grid,
        .rope_from = pe_sizes[size].rope_from,
        .rope_column_first = true,
        .has_projection = true};
    source->params.preprocess = wi_siglip_preprocess(p.image_px);
    source->params.preprocess.interpolation = WI_BILINEAR;
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_vit_map_kind, &p);
    source->place_image = wi_siglip_place_timm;
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

static void read_convnext(wi_config *config, const wi_json *json, wi_source *source)
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
    source->params.preprocess = wi_preprocess_openai(p.image_px);
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_convnext_kind, &p);
    source->place_image = mlp ? place_convnext_mlp : place_convnext;
}

/* ---- which ---- */

bool wi_timm_read(wi_config *config, const wi_json *vision_cfg, wi_source *source)
{
    static const struct {
        const char *begins;
        void (*read)(wi_config *config, const wi_json *json, wi_source *source);
    } families[] = {{"eva02_base_patch", read_eva},
                    {"eva02_large_patch", read_eva},
                    {"vit_pe_core_", read_pe},
                    {"fastvit_mci", wi_fastvit_read},
                    {"convnext_", read_convnext}};
    const char *name = wi_config_string(config, vision_cfg, "timm_model_name", "");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (begins_with(name, families[i].begins)) {
            families[i].read(config, vision_cfg, source);
            return true;
        }
    return false;
}
