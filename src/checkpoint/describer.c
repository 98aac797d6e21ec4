/* A describer as train/describe.py exports it: a decoder of sentences alone (nn/decoder.h). Sizes come
 * from the tensors, the rest from config.json. */
#include "base/error.h"
#include "checkpoint/config.h"
#include "checkpoint/layout.h"
#include "nn/decoder.h"

#include <stdio.h>
#include <string.h>

bool wi_source_is_describer(const wi_source *source)
{
    wi_stored stored;
    return wi_source_find(source, "blocks.0.cross_kv.weight", &stored) &&
           wi_source_find(source, "token.weight", &stored);
}

static const wi_rename modules[] = {
    {"ids", "ids"},           {"hedges", "hedges"}, {"tok", "token"},
    {"pos", "position"},      {"grid", "grid"},     {"place", "place"},
    {"pooled", "pooled"},     {"ln_final", "norm"}, {"ln_memory", "memory_norm"},
    {"self", "qkv"},          {"o", "o"},           {"cross_q", "cross_q"},
    {"cross_kv", "cross_kv"}, {"fc1", "fc1"},       {"cross_o", "cross_o"},
    {"fc2", "fc2"},           {"ln1", "ln1"},       {"ln2", "ln2"},
    {"ln3", "ln3"},           {NULL, NULL},
};

static void place(const wi_source *source, const wi_ours *ours, wi_place *out)
{
    (void)source;
    const char *module = wi_rename_find(modules, ours->module),
               *part = *ours->part == 'w'   ? ".weight"
                       : *ours->part == 'b' ? ".bias"
                                            : "";
    if (ours->block >= 0)
        snprintf(out->name, sizeof out->name, "blocks.%d.%s%s", ours->block, module, part);
    else if (!strcmp(module, "token") && *ours->part == 'b')
        snprintf(out->name, sizeof out->name, "bias"); /* of the logits alone */
    else
        snprintf(out->name, sizeof out->name, "%s%s", module, part);
}

static bool harmless(const wi_source *source, const char *name)
{
    (void)source;
    (void)name;
    return false;
}

static const wi_source_names names = {place, harmless};

static void read_reads(wi_config *config, const wi_json *json, char reads[65])
{
    const char *text = wi_config_string(config, json, "reads", "");
    if (*text && (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)) {
        wi_config_fail(config, WI_ERR_FORMAT, "'reads' is not a fingerprint of 64 hex digits");
        return;
    }
    memcpy(reads, text, strlen(text) + 1);
}

static wi_status read_params(wi_source *source, const char *path, const wi_json *json,
                             wi_error *error)
{
    wi_config config = {path, WI_OK, error};
    const uint32_t width = wi_source_side(source, "token", ".weight", 1),
                   n_ids = wi_source_side(source, "token", ".weight", 0);
    wi_decoder_params p = {
        .say.width = width,
        .say.n_layers = wi_source_count(source, "blocks.", ".cross_kv.weight"),
        .say.n_heads = wi_config_u32(&config, json, "heads", width / 32),
        .say.mlp_width = wi_source_side(source, "blocks.0.fc1", ".weight", 0),
        .say.activation = wi_config_activation(&config, json, "activation", WI_ACT_GELU),
        .say.ln_eps = wi_config_f32(&config, json, "layer_norm_eps", 1e-5f),
        .say.context_length = wi_source_side(source, "position", "", 0),
        .say.vocabulary_size = n_ids,
        .say.start_token = wi_config_u32(&config, json, "start_token", n_ids - 2),
        .say.end_token = wi_config_u32(&config, json, "end_token", n_ids - 1),
        .say.n_places = wi_source_side(source, "place", "", 0),
        .channels = wi_source_side(source, "grid", ".weight", 1),
        .pooled = wi_source_side(source, "pooled", ".weight", 1),
        .n_hedges = wi_source_side(source, "hedges", "", 0),
        .hedge = wi_config_f32(&config, json, "hedge", 0.75f),
        .least_mean = wi_config_f32(&config, json, "least_mean", 0.0f)};
    p.pooled_rows = width ? wi_source_side(source, "pooled", ".weight", 0) / width : 0;
    source->params = wi_params_default();
    source->params.embedding_dim = width;
    source->params.logit_scale = 1.0f;
    read_reads(&config, json, source->params.reads);
    wi_tower_params_set(&source->params.tower[WI_ROLE_DECODER], &wi_decoder_kind, &p);
    return config.status;
}

wi_status wi_source_read_describer(wi_source *source, const char *config_path, wi_error *error)
{
    wi_json *json = NULL;
    source->format = "describer";
    wi_status status =
        config_path ? wi_json_read(config_path, WI_SOURCE_MAX_CONFIG, &json, error) : WI_OK;
    if (status == WI_OK)
        status = read_params(source, config_path ? config_path : source->label, json, error);
    wi_json_free(&json);
    return status == WI_OK ? wi_source_bind(source, &names, error) : status;
}
