#include "model/params.h"

#include "base/error.h"

#include <math.h>

#define FIRST WI_FIELD_FIRST
#define PRE(name) "whatsit.preprocess." name
#define PRE_F32(name, member, otherwise)                                                           \
    WI_F32(PRE(name), wi_params, preprocess.member, FIRST, otherwise)
const wi_field wi_params_fields[] = {
    WI_U32("whatsit.embedding_dim", wi_params, embedding_dim, WI_MAX_EMBEDDING,
           WI_FIELD_REQUIRED | FIRST, 0),
    WI_F32("whatsit.logit_scale", wi_params, logit_scale, WI_FIELD_REQUIRED | FIRST, 0),
    WI_F32("whatsit.logit_bias", wi_params, logit_bias, FIRST, 0),
    WI_BOOL("whatsit.sigmoid", wi_params, sigmoid, FIRST, false),
    WI_U32(PRE("size_px"), wi_params, preprocess.size_px, WI_MAX_IMAGE_PX, FIRST, 0),
    WI_U32(PRE("resize_px"), wi_params, preprocess.resize_px, 4 * WI_MAX_IMAGE_PX, FIRST, 0),
    WI_U32(PRE("mode"), wi_params, preprocess.mode, WI_RESIZE_HALFWAY, FIRST, WI_RESIZE_CROP),
    WI_U32(PRE("interpolation"), wi_params, preprocess.interpolation, WI_BILINEAR, FIRST,
           WI_BICUBIC),
    {PRE("fill"), WI_FIELD_U8, offsetof(wi_params, preprocess.fill), 0, 255, 0, 0},
    WI_BOOL(PRE("crop_floor"), wi_params, preprocess.crop_floor, FIRST, false),
    WI_BOOL(PRE("rgb_first"), wi_params, preprocess.rgb_first, FIRST, false),
    PRE_F32("mean0", mean[0], 0),
    PRE_F32("mean1", mean[1], 0),
    PRE_F32("mean2", mean[2], 0),
    PRE_F32("std0", std[0], 0),
    PRE_F32("std1", std[1], 0),
    PRE_F32("std2", std[2], 0),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

wi_params wi_params_default(void)
{
    wi_params params = {0};
    wi_fields_default(wi_params_fields, &params);
    return params;
}

static wi_status bad(wi_error *error, const char *field, const char *why)
{
    return wi_fail(error, WI_ERR_FORMAT, "%s: %s", field, why);
}

static wi_status check_preprocess(const wi_preprocess *how, uint32_t image_px, wi_error *error)
{
    if (how->size_px != image_px)
        return wi_fail(error, WI_ERR_FORMAT, "preprocessing makes %u px, the network takes %u px",
                       how->size_px, image_px);
    if (how->resize_px != 0 &&
        (how->resize_px < how->size_px || how->resize_px > 4 * WI_MAX_IMAGE_PX))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "preprocessing resizes to %u px and crops %u px",
                       how->resize_px, how->size_px);
    if ((unsigned)how->mode > WI_RESIZE_HALFWAY || (unsigned)how->interpolation > WI_BILINEAR)
        return bad(error, "preprocessing", "unknown resize mode or interpolation");
    for (int i = 0; i < 3; i++) {
        if (!isfinite(how->mean[i]))
            return bad(error, "preprocessing mean", "is not a number");
        if (!isfinite(how->std[i]) || how->std[i] <= 0)
            return bad(error, "preprocessing std", "is not a positive number");
    }
    return WI_OK;
}

static wi_status check_tower(const wi_tower_params *tower, wi_error *error)
{
    if (!tower->kind)
        return WI_OK;
    const wi_status status = tower->kind->check(tower->values, error);
    return status == WI_OK ? wi_fields_check(tower->kind->fields, tower->values, error) : status;
}

wi_status wi_params_check(const wi_params *params, wi_error *error)
{
    const wi_tower_params *image = &params->tower[WI_ROLE_IMAGE],
                          *text = &params->tower[WI_ROLE_TEXT],
                          *decoder = &params->tower[WI_ROLE_DECODER];
    if (!image->kind && !text->kind && !decoder->kind)
        return bad(error, "model", "has neither an image tower nor a text tower");
    if (wi_out_of_range(params->embedding_dim, WI_MAX_EMBEDDING))
        return wi_fail(error, WI_ERR_FORMAT, "embedding width: %u is not supported",
                       params->embedding_dim);
    wi_status status = check_tower(image, error);
    if (status == WI_OK && image->kind)
        status = check_preprocess(&params->preprocess, wi_params_image_px(params), error);
    if (status == WI_OK)
        status = check_tower(text, error);
    if (status == WI_OK)
        status = check_tower(decoder, error);
    if (status == WI_OK && !(isfinite(params->logit_scale) && params->logit_scale > 0))
        status = bad(error, "logit scale", "is not a positive number");
    if (status == WI_OK && !isfinite(params->logit_bias))
        status = bad(error, "logit bias", "is not a number");
    return status == WI_OK ? wi_fields_check(wi_params_fields, params, error) : status;
}
