/* The public face of training: argument checks before the head room does the work. */
#include "head/train.h"

#include "base/error.h"
#include "head/fewshot.h"
#include "head/none.h"
#include "model/model.h"

/* info keeps the strings that `out` points to. */
static wi_status describe(const wi_model *model, wi_model_info *info, wi_head_model *out,
                          wi_error *error)
{
    wi_status status = wi_model_get_info(model, info, error);
    if (status == WI_OK)
        *out = (wi_head_model){.kern = &model->engine->kern,
                               .name = info->name,
                               .fingerprint = info->fingerprint,
                               .dim = info->embedding_dim,
                               .logit_scale = info->logit_scale,
                               .logit_bias = info->logit_bias,
                               .sigmoid = info->sigmoid};
    return status;
}

static wi_status check(const wi_model *model, const wi_training *training, wi_head *const *out,
                       wi_error *error)
{
    if (!model || !training || !out || (training->n_labels && !training->labels))
        return wi_fail(error, WI_ERR_ARG,
                       "training needs a model, labels and a place for the head");
    for (size_t i = 0; i < training->n_labels; i++)
        if (!training->labels[i])
            return wi_fail(error, WI_ERR_ARG, "label %zu is NULL", i + 1);
    return wi_check_reserved(training->reserved, "wi_training", error);
}

wi_status wi_head_train(const wi_model *model, const wi_training *training, wi_head **out,
                        wi_training_report *report, wi_error *error)
{
    wi_model_info info;
    wi_head_model owner;
    wi_status status = check(model, training, out, error);
    if (status == WI_OK)
        status = describe(model, &info, &owner, error);
    return status == WI_OK ? wi_linear_train(&owner, training, out, report, error) : status;
}

wi_status wi_head_from_photos(const wi_model *model, const wi_training *training, wi_head **out,
                              wi_error *error)
{
    wi_model_info info;
    wi_head_model owner;
    wi_status status = check(model, training, out, error);
    if (status == WI_OK)
        status = describe(model, &info, &owner, error);
    return status == WI_OK ? wi_fewshot_from_photos(&owner, training, out, error) : status;
}

wi_status wi_head_add_photos(const wi_head *words, const wi_photos *photos,
                             const wi_progress *progress, wi_head **out, wi_error *error)
{
    if (!words || !photos || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_head_add_photos needs a head, photos and a place for the head");
    return wi_fewshot_add(words, photos, progress, out, error);
}

wi_status wi_head_calibrate(const wi_head *head, const wi_calibration *calibration, wi_head **out,
                            wi_error *error)
{
    if (!head || !calibration || !calibration->unknown || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_head_calibrate needs a head, unknown photos and a place");
    const wi_status fits = wi_check_reserved(calibration->reserved, "wi_calibration", error);
    if (fits != WI_OK)
        return fits;
    return wi_none_calibrate(head, calibration, out, error);
}

void wi_calibration_range(size_t n, double rate, double *low, double *high)
{
    double range[2];
    wi_none_range(n, rate, &range[0], &range[1]);
    if (low)
        *low = range[0];
    if (high)
        *high = range[1];
}

wi_status wi_head_known(const wi_head *head, const float *embedding, size_t dim, float *known,
                        bool *none, wi_error *error)
{
    if (!head || !embedding || !known)
        return wi_fail(error, WI_ERR_ARG, "wi_head_known needs a head, an embedding and a place");
    return wi_none_known(head, embedding, dim, known, none, error);
}
