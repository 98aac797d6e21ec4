#include "checkpoint/checkpoint.h"

#include "base/error.h"
#include "checkpoint/pack.h"
#include "checkpoint/source.h"
#include "text/bpe.h"

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

/* A vocabulary may be padded, but not to a multiple of the tokenizer's: then its texts were cut by
 * another one. */
enum { MAX_PADDED_IDS = 1024 };

static wi_status check_vocabulary(const wi_model *model, wi_error *error)
{
    const uint32_t has = wi_tower_facts_of(&model->params.tower[WI_ROLE_TEXT]).vocabulary_size,
                   n_ids = wi_tok_rules(&model->tokenizer).n_ids;
    if (n_ids <= has && has - n_ids <= MAX_PADDED_IDS)
        return WI_OK;
    return wi_fail(
        error, WI_ERR_UNSUPPORTED,
        "%s: its tokenizer has %u ids, its text tower %u: they do not belong together, or "
        "the tokenizer is one that is not supported",
        model->name, n_ids, has);
}

static wi_status take_tokenizer(wi_model *model, wi_source *source, wi_error *error)
{
    model->tokenizer = wi_source_take_tokenizer(source);
    if (model->tokenizer.kind)
        return WI_OK;
    size_t n_bytes = 0;
    const char *merges = wi_source_merges(source, &n_bytes);
    if (merges) {
        wi_bpe bpe;
        const wi_status status = wi_bpe_parse_merges(merges, n_bytes, &bpe, error);
        if (status != WI_OK)
            return status;
        model->tokenizer = wi_bpe_tokenizer(&bpe);
        model->tokenizer.own = (void *)(uintptr_t)bpe.sorted;
        return check_vocabulary(model, error);
    }
    /* The checkpoint brings no tokenizer: CLIP's own applies when the sizes say so. */
    const wi_tokenizer clip = wi_bpe_tokenizer(wi_bpe_clip());
    if (wi_tower_facts_of(&model->params.tower[WI_ROLE_TEXT]).vocabulary_size ==
        wi_tok_rules(&clip).n_ids)
        model->tokenizer = clip;
    return WI_OK;
}

static bool copy_strings(wi_model *model, const char *name, const char *licence, const char *source)
{
    model->name = strdup(name);
    model->licence = strdup(licence);
    model->source = strdup(source);
    return model->name && model->licence && model->source;
}

static wi_status fill_from_source(wi_model *model, wi_source *source, wi_pack_type type,
                                  const wi_progress *progress, wi_error *error)
{
    model->params = *wi_source_params(source);
    model->format = wi_source_format(source);
    if (!copy_strings(model, wi_source_name(source), wi_source_licence(source), ""))
        return wi_fail(error, WI_ERR_NOMEM, "out of memory for a model's name");
    wi_status status = wi_net_open(&model->params, &model->net, error);
    if (status == WI_OK)
        status = wi_pack(model->engine, source, type, &model->net, &model->owned, progress, error);
    if (status == WI_OK && model->params.tower[WI_ROLE_TEXT].kind)
        status = take_tokenizer(model, source, error);
    if (status == WI_OK && model->params.tower[WI_ROLE_DECODER].kind && !model->tokenizer.kind)
        model->tokenizer = wi_bpe_tokenizer(wi_bpe_clip());
    if (status == WI_OK)
        status = wi_mdl_note_weights(model, error);
    return status;
}

static wi_status from_checkpoint(wi_engine *engine, const char *path, const char *config,
                                 wi_pack_type type, const wi_progress *progress, wi_model **out,
                                 wi_error *error)
{
    wi_source *source = NULL;
    wi_model *model = NULL;
    wi_status status = wi_source_open(path, config, &source, error);
    if (status != WI_OK)
        return status;
    model = calloc(1, sizeof *model);
    if (model) {
        model->engine = engine;
        status = fill_from_source(model, source, type, progress, error);
    } else {
        status = wi_fail_nomem(error, sizeof *model, "a model");
    }
    wi_source_close(&source);
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

static wi_status from_source(wi_engine *engine, const char *path, const wi_model_options *options,
                             const wi_progress *progress, wi_model **out, wi_error *error)
{
    wi_model *model = NULL;
    const wi_weights weights = options->weights;
    wi_status status = from_checkpoint(engine, path, options->config, pack_type_of(weights),
                                       progress, &model, error);
    if (status == WI_OK && weights == WI_WEIGHTS_INT8)
        status = wi_mdl_quantise(model, progress, error);
    if (status == WI_OK) /* once, and kept: whoever asks who this is asks often */
        status = wi_mdl_fingerprint(model, NULL, model->fingerprint, error);
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

static wi_status open_file(wi_engine *engine, const char *path, const wi_model_options *options,
                           const wi_progress *progress, wi_model **out, wi_error *error)
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
        status = from_source(engine, path, options, progress, out, error);
    }
    wi_map_close(&map);
    return status;
}

/* progress: nullable, asked whether to stop while weights are packed. */
static wi_status open_path(wi_engine *engine, const char *path, const wi_model_options *options,
                           const wi_progress *progress, wi_model **out, wi_error *error)
{
    wi_model *model = NULL;
    wi_status status = is_folder(path) ? from_source(engine, path, options, progress, &model, error)
                                       : open_file(engine, path, options, progress, &model, error);
    if (status == WI_OK)
        status = wi_mdl_require_towers(model, options->towers, error);
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

wi_status wi_mdl_open(wi_engine *engine, const char *path, const wi_model_options *options,
                      wi_model **out, wi_error *error)
{
    return open_path(engine, path, options, NULL, out, error);
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
    const wi_model_options open = {.weights = options->weights, .config = options->config};
    wi_status status = open_path(engine, from, &open, &options->progress, &model, error);
    if (status == WI_OK && options->weights != WI_WEIGHTS_AUTO &&
        options->weights != model->weights) {
        /* A model file is used as stored; only float ones can be made smaller. */
        if (options->weights == WI_WEIGHTS_INT8 && model->weights != WI_WEIGHTS_INT8)
            status = wi_mdl_quantise(model, &options->progress, error);
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
