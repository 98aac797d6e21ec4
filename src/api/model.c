#include "model/model.h"

#include "base/error.h"

#include <string.h>

wi_status wi_model_open_memory(wi_engine *engine, const void *bytes, size_t n_bytes,
                               const wi_model_options *options, wi_model **out, wi_error *error)
{
    if (!engine || !bytes || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_model_open_memory: an engine, bytes and a place are needed");
    wi_model *model = NULL;
    wi_status status =
        options ? wi_check_reserved(options->reserved, "wi_model_options", error) : WI_OK;
    if (status == WI_OK)
        status = wi_mdl_from_bytes(engine, "model", bytes, n_bytes, &model, error);
    if (status == WI_OK && options)
        status = wi_mdl_require_towers(model, options->towers, error);
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

void wi_model_close(wi_model **model)
{
    wi_mdl_close(model);
}

wi_status wi_model_get_info(const wi_model *model, wi_model_info *out, wi_error *error)
{
    if (!model || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_model_get_info: a NULL argument");
    return wi_mdl_info(model, out, error);
}

wi_status wi_model_verify(const wi_model *model, const wi_progress *progress, wi_error *error)
{
    char hex[65];
    if (!model)
        return wi_fail(error, WI_ERR_ARG, "wi_model_verify: model is NULL");
    const wi_status status = wi_mdl_fingerprint(model, progress, hex, error);
    if (status != WI_OK)
        return status;
    if (model->fingerprint[0] && strcmp(hex, model->fingerprint) != 0)
        return wi_fail(
            error, WI_ERR_FORMAT,
            "%s: the weights do not match their fingerprint (stored %.12s, found %.12s): get the "
            "model again",
            model->name, model->fingerprint, hex);
    return WI_OK;
}

wi_status wi_model_tokenize(const wi_model *model, const char *text, size_t n_bytes, int32_t *ids,
                            size_t *n_ids, bool *truncated, wi_error *error)
{
    if (!model || !text || !ids)
        return wi_fail(error, WI_ERR_ARG, "wi_model_tokenize: a NULL argument");
    if (!model->tokenizer.kind)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no tokenizer that this program knows",
                       model->name);
    return wi_tok_encode(&model->tokenizer, text, n_bytes, wi_params_context(&model->params), ids,
                         n_ids, truncated, error);
}

static const char *const weights_names[] = {"as stored", "f32", "f16", "bf16", "int8"};
enum { N_WEIGHTS = sizeof weights_names / sizeof *weights_names };

const char *wi_weights_name(wi_weights weights)
{
    return (size_t)weights < N_WEIGHTS ? weights_names[weights] : "";
}

bool wi_weights_find(const char *name, wi_weights *out)
{
    for (size_t i = 1; name && out && i < N_WEIGHTS; i++) {
        if (!strcmp(name, weights_names[i])) {
            *out = (wi_weights)i;
            return true;
        }
    }
    return false;
}
