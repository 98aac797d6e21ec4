/* clip.cpp's GGUF files. They carry no merges (CLIP's own apply), no logit scale (100, where CLIP's
 * training ends, applies) and no resize mode or interpolation (shorter side, bicubic, centre crop
 * apply). Source: monatis/clip.cpp, models/convert_hf_to_gguf.py. */
#include "base/error.h"
#include "checkpoint/layout.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const wi_rename modules[] = {
    {"patch", "v.patch_embd"}, {"ln_pre", "v.pre_ln"},  {"ln_post", "v.post_ln"},
    {"ln_final", "t.post_ln"}, {"tok", "t.token_embd"}, {NULL, NULL},
};
static const wi_rename block_modules[] = {
    {"ln1", "ln1"},    {"ln2", "ln2"},      {"q", "attn_q"},   {"k", "attn_k"}, {"v", "attn_v"},
    {"o", "attn_out"}, {"fc1", "ffn_down"}, {"fc2", "ffn_up"}, {NULL, NULL},
};

static void place_clipcpp(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    const char *part = *ours->part == 'b' ? "bias" : "weight", *theirs;
    if (ours->block >= 0) {
        theirs = wi_rename_find(block_modules, ours->module);
        if (source->fc_swapped[ours->tower == 't'] && strncmp(theirs, "ffn_", 4) == 0)
            theirs = strcmp(theirs, "ffn_up") == 0 ? "ffn_down" : "ffn_up";
        snprintf(out->name, sizeof out->name, "%c.blk.%d.%s.%s", ours->tower, ours->block, theirs,
                 part);
    } else if ((theirs = wi_rename_find(modules, ours->module))) {
        snprintf(out->name, sizeof out->name, "%s.%s", theirs, part);
    } else if (strcmp(ours->module, "class") == 0) {
        snprintf(out->name, sizeof out->name, "v.class_embd");
    } else if (strcmp(ours->module, "pos") == 0) {
        snprintf(out->name, sizeof out->name, "%c.position_embd.weight", ours->tower);
    } else { /* proj */
        snprintf(out->name, sizeof out->name, "%s_projection.weight",
                 ours->tower == 'v' ? "visual" : "text");
    }
}

static bool harmless(const wi_source *source, const char *name)
{
    (void)source;
    return wi_source_is_buffer(name) || strcmp(name, "logit_scale") == 0;
}

static const wi_source_names names = {place_clipcpp, harmless};

/* The first mistake sticks. */
typedef struct reader {
    const wi_gguf *gguf;
    const char *label;
    wi_status status;
    wi_error *error;
} reader;

static uint32_t read_u32(reader *r, const char *prefix, const char *key)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    uint32_t value = 0;
    if (r->status == WI_OK)
        r->status = wi_gguf_u32(r->gguf, name, &value, r->error);
    return value;
}

static bool read_bool(reader *r, const char *key, bool missing)
{
    bool value = missing;
    if (r->status == WI_OK && wi_gguf_has(r->gguf, key))
        r->status = wi_gguf_bool(r->gguf, key, &value, r->error);
    return value;
}

static void read_3f(reader *r, const char *key, float out[3])
{
    wi_gguf_array array;
    if (r->status != WI_OK || !wi_gguf_has(r->gguf, key))
        return;
    r->status = wi_gguf_array_of(r->gguf, key, &array, r->error);
    for (int i = 0; i < 3 && r->status == WI_OK; i++) {
        double value;
        if (array.n_left != (uint64_t)(3 - i) || !wi_gguf_next_number(&array, &value))
            r->status = wi_fail(r->error, WI_ERR_FORMAT, "%s: key '%s' is not three numbers",
                                r->label, key);
        else
            out[i] = (float)value;
    }
}

static void read_blocks(reader *r, const char *prefix, bool use_gelu, wi_block_params *out)
{
    out->width = read_u32(r, prefix, "embedding_length");
    out->n_layers = read_u32(r, prefix, "block_count");
    out->n_heads = read_u32(r, prefix, "attention.head_count");
    out->mlp_width = read_u32(r, prefix, "feed_forward_length");
    out->activation = use_gelu ? WI_ACT_GELU : WI_ACT_QUICK_GELU;
    out->ln_eps = 1e-5f;
    char key[96];
    snprintf(key, sizeof key, "%sattention.layer_norm_epsilon", prefix);
    if (r->status == WI_OK && wi_gguf_has(r->gguf, key))
        r->status = wi_gguf_f32(r->gguf, key, &out->ln_eps, r->error);
}

/* Its names are crossed, fc1 being ffn_down; other writers may have straightened them. */
static bool is_swapped(const wi_source *source, char tower, const wi_block_params *blocks)
{
    char name[32];
    wi_stored stored;
    snprintf(name, sizeof name, "%c.blk.0.ffn_down.weight", tower);
    return blocks->width != blocks->mlp_width && wi_source_find(source, name, &stored) &&
           stored.rank == 2 && stored.shape[0] == blocks->width &&
           stored.shape[1] == blocks->mlp_width;
}

static void read_vision(reader *r, wi_source *source, bool use_gelu)
{
    wi_params *params = &source->params;
    wi_vit_params vit = {.has_pre_ln = true};
    read_blocks(r, "clip.vision.", use_gelu, &vit.blocks);
    vit.image_px = read_u32(r, "clip.vision.", "image_size");
    vit.patch_px = read_u32(r, "clip.vision.", "patch_size");
    params->embedding_dim = read_u32(r, "clip.vision.", "projection_dim");
    params->preprocess = wi_preprocess_openai(vit.image_px);
    read_3f(r, "clip.vision.image_mean", params->preprocess.mean);
    read_3f(r, "clip.vision.image_std", params->preprocess.std);
    source->fc_swapped[0] = is_swapped(source, 'v', &vit.blocks);
    wi_tower_params_set(&params->tower[WI_ROLE_IMAGE], &wi_vit_kind, &vit);
}

static void read_text(reader *r, wi_source *source, bool use_gelu)
{
    wi_params *params = &source->params;
    wi_text_params text = {0};
    wi_stored table;
    read_blocks(r, "clip.text.", use_gelu, &text.blocks);
    text.context_length = read_u32(r, "clip.text.", "context_length");
    if (wi_source_find(source, "t.token_embd.weight", &table) && table.rank == 2 &&
        table.shape[0] <= WI_MAX_VOCABULARY)
        text.vocabulary_size = (uint32_t)table.shape[0];
    else if (r->status == WI_OK)
        r->status =
            wi_fail(r->error, WI_ERR_FORMAT,
                    "%s: tensor 't.token_embd.weight' is missing or no matrix", source->label);
    text.end_token = wi_clip_end_token(text.vocabulary_size);
    uint32_t dim = read_u32(r, "clip.text.", "projection_dim");
    if (r->status == WI_OK && params->tower[WI_ROLE_IMAGE].kind && dim != params->embedding_dim)
        r->status =
            wi_fail(r->error, WI_ERR_FORMAT, "%s: the towers' projection_dim differ: %u and %u",
                    source->label, params->embedding_dim, dim);
    params->embedding_dim = dim;
    source->fc_swapped[1] = is_swapped(source, 't', &text.blocks);
    wi_tower_params_set(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &text);
}

static wi_status check_kind(const wi_source *source, reader *r)
{
    wi_gguf_text architecture;
    r->status = wi_gguf_string(r->gguf, "general.architecture", &architecture, r->error);
    if (r->status != WI_OK)
        return r->status;
    if (!wi_gguf_text_is(architecture, "clip"))
        return wi_fail(r->error, WI_ERR_UNSUPPORTED,
                       "%s: a GGUF of architecture '%.*s'; 'clip' is supported", source->label,
                       architecture.n_bytes < 40 ? (int)architecture.n_bytes : 40,
                       architecture.data);
    if (read_bool(r, "clip.has_llava_projector", false) ||
        wi_gguf_has(r->gguf, "clip.projector_type") ||
        wi_gguf_has(r->gguf, "clip.vision.projector_type") ||
        wi_gguf_has(r->gguf, "clip.audio.projector_type"))
        return wi_fail(r->error, WI_ERR_UNSUPPORTED,
                       "%s: the image part of a language model, not a CLIP with both towers",
                       source->label);
    return r->status;
}

static wi_status copy_text(const wi_gguf *gguf, const char *key, char **out, wi_error *error)
{
    wi_gguf_text text;
    if (wi_gguf_string(gguf, key, &text, NULL) != WI_OK || text.n_bytes == 0 ||
        text.n_bytes > 4096 || memchr(text.data, '\0', text.n_bytes))
        return WI_OK;
    char *copy = malloc(text.n_bytes + 1);
    if (!copy)
        return wi_fail_nomem(error, text.n_bytes, "a name");
    memcpy(copy, text.data, text.n_bytes);
    copy[text.n_bytes] = '\0';
    free(*out);
    *out = copy;
    return WI_OK;
}

static wi_status read_params(wi_source *source, wi_error *error)
{
    reader r = {source->gguf, source->label, WI_OK, error};
    r.status = check_kind(source, &r);
    bool use_gelu = read_bool(&r, "clip.use_gelu", false);
    if (read_bool(&r, "clip.has_vision_encoder", false) && r.status == WI_OK)
        read_vision(&r, source, use_gelu);
    if (read_bool(&r, "clip.has_text_encoder", false) && r.status == WI_OK)
        read_text(&r, source, use_gelu);
    if (r.status == WI_ERR_NOT_FOUND) { /* of a key that such a file must have */
        r.status = WI_ERR_FORMAT;
        if (error)
            error->status = WI_ERR_FORMAT;
    }
    return r.status;
}

wi_status wi_source_read_clipcpp(wi_source *source, wi_error *error)
{
    source->format = "clip.cpp gguf";
    source->params.logit_scale = WI_CLIP_LOGIT_SCALE;
    wi_status status = read_params(source, error);
    bool found = false;
    float value = 0;
    if (status == WI_OK)
        status = wi_source_scalar(source, "logit_scale", &found, &value, error);
    if (status == WI_OK && found)
        source->params.logit_scale = (float)exp((double)value);
    if (status == WI_OK)
        status = wi_source_bind(source, &names, error);
    if (status == WI_OK)
        status = copy_text(source->gguf, "general.name", &source->name, error);
    if (status == WI_OK)
        status = copy_text(source->gguf, "general.license", &source->licence, error);
    return status;
}
