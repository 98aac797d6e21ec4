/* The public face of heads, where a model is needed. */
#include "base/error.h"
#include "head/zeroshot.h"
#include "model/session.h"

static wi_status encode(void *context, const char *const *texts, size_t n, float *out,
                        size_t *n_truncated, const wi_progress *progress, wi_error *error)
{
    return wi_session_encode_texts(context, texts, n, out, n_truncated, progress, error);
}

wi_status wi_head_build(wi_session *session, const wi_head_recipe *recipe, wi_head **out,
                        size_t *n_truncated, wi_error *error)
{
    wi_model_info info;
    if (!session || !recipe || !out || (recipe->n_labels && !recipe->labels) ||
        (recipe->n_templates && !recipe->templates) ||
        (recipe->n_distractors && !recipe->distractors))
        return wi_fail(error, WI_ERR_ARG,
                       "wi_head_build needs a session, labels and a place for the head");
    const struct {
        const char *what, *const *texts;
        size_t n;
    } lists[] = {{"label", recipe->labels, recipe->n_labels},
                 {"group of label", recipe->groups, recipe->groups ? recipe->n_labels : 0},
                 {"template", recipe->templates, recipe->n_templates},
                 {"distractor", recipe->distractors, recipe->n_distractors}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (size_t k = 0; k < lists[i].n; k++)
            if (!lists[i].texts[k])
                return wi_fail(error, WI_ERR_ARG, "%s %zu is NULL", lists[i].what, k + 1);
    wi_status status = wi_check_reserved(recipe->reserved, "wi_head_recipe", error);
    if (status == WI_OK && recipe->keeper)
        status = wi_check_reserved(recipe->keeper->reserved, "wi_head_keeper", error);
    if (status == WI_OK)
        status = wi_model_get_info(session->model, &info, error);
    if (status != WI_OK)
        return status;
    wi_head_encoder encoder = {.encode = encode,
                               .context = session,
                               .model = {.kern = &session->model->engine->kern,
                                         .name = info.name,
                                         .fingerprint = info.fingerprint,
                                         .dim = info.embedding_dim,
                                         .logit_scale = info.logit_scale,
                                         .logit_bias = info.logit_bias,
                                         .sigmoid = info.sigmoid}};
    return wi_zeroshot_build(&encoder, recipe, out, n_truncated, error);
}

wi_status wi_head_check_model(const wi_head *head, const wi_model *model, wi_error *error)
{
    wi_model_info info;
    if (!head || !model)
        return wi_fail(error, WI_ERR_ARG, "wi_head_check_model needs a head and a model");
    wi_status status = wi_model_get_info(model, &info, error);
    return status == WI_OK ? wi_head_check_owner(head, info.name, info.fingerprint, error) : status;
}
