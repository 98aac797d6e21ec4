#include "model/params.h"

#include "base/error.h"

#include <math.h>

static wi_status bad(wi_error *error, const char *field, const char *why)
{
    return wi_fail(error, WI_ERR_FORMAT, "%s: %s", field, why);
}

/* NULL when value lies in 1..max. */
static const char *out_of_range(uint32_t value, uint32_t max)
{
    return value == 0 ? "is zero or missing" : value > max ? "is beyond what is supported" : NULL;
}

static wi_status check_positive(float value, const char *field, wi_error *error)
{
    return isfinite(value) && value > 0 ? WI_OK : bad(error, field, "is not a positive number");
}

static wi_status check_blocks(const wi_block_params *blocks, const char *field, wi_error *error)
{
    const char *why = NULL;
    if ((why = out_of_range(blocks->width, WI_MAX_WIDTH)))
        return wi_fail(error, WI_ERR_FORMAT, "%s width: %u %s", field, blocks->width, why);
    if ((why = out_of_range(blocks->n_layers, WI_MAX_LAYERS)))
        return wi_fail(error, WI_ERR_FORMAT, "%s layers: %u %s", field, blocks->n_layers, why);
    if ((why = out_of_range(blocks->n_heads, WI_MAX_HEADS)))
        return wi_fail(error, WI_ERR_FORMAT, "%s heads: %u %s", field, blocks->n_heads, why);
    if (blocks->width % blocks->n_heads != 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %u heads do not divide a width of %u", field,
                       blocks->n_heads, blocks->width);
    if ((why = out_of_range(blocks->mlp_width, 8 * WI_MAX_WIDTH)))
        return wi_fail(error, WI_ERR_FORMAT, "%s mlp width: %u %s", field, blocks->mlp_width, why);
    if ((unsigned)blocks->activation > WI_ACT_RELU)
        return wi_fail(error, WI_ERR_FORMAT, "%s: unknown activation", field);
    if (!isfinite(blocks->ln_eps) || blocks->ln_eps < 0 || blocks->ln_eps > 1)
        return wi_fail(error, WI_ERR_FORMAT, "%s: layer norm epsilon is not in 0..1", field);
    return WI_OK;
}

static wi_status check_vit(const wi_image_params *image, wi_error *error)
{
    if (out_of_range(image->patch_px, image->image_px))
        return wi_fail(error, WI_ERR_FORMAT, "patch size: %u in an image of %u px", image->patch_px,
                       image->image_px);
    if (image->image_px % image->patch_px != 0)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "patch size: %u px do not divide an image of %u px", image->patch_px,
                       image->image_px);
    return check_blocks(&image->blocks, "image tower", error);
}

static wi_status check_resnet(const wi_image_params *image, wi_error *error)
{
    const wi_block_params *blocks = &image->blocks;
    if (out_of_range(blocks->width, WI_MAX_WIDTH / 32) || blocks->width % 2 != 0)
        return wi_fail(error, WI_ERR_FORMAT, "ResNet width: %u is not supported", blocks->width);
    if (image->image_px % 32 != 0)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "ResNet image size: %u px is no multiple of 32",
                       image->image_px);
    if (out_of_range(blocks->n_heads, WI_MAX_HEADS) || blocks->width * 32 % blocks->n_heads != 0)
        return wi_fail(error, WI_ERR_FORMAT, "attention pool: %u heads do not divide %u channels",
                       blocks->n_heads, blocks->width * 32);
    for (int i = 0; i < 4; i++)
        if (out_of_range(image->stage_blocks[i], WI_MAX_LAYERS))
            return wi_fail(error, WI_ERR_FORMAT, "ResNet stage %d: %u blocks", i + 1,
                           image->stage_blocks[i]);
    return WI_OK;
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
    if ((unsigned)how->mode > WI_RESIZE_LONGEST || (unsigned)how->interpolation > WI_BILINEAR)
        return bad(error, "preprocessing", "unknown resize mode or interpolation");
    for (int i = 0; i < 3; i++) {
        if (!isfinite(how->mean[i]))
            return bad(error, "preprocessing mean", "is not a number");
        if (!isfinite(how->std[i]) || how->std[i] <= 0)
            return bad(error, "preprocessing std", "is not a positive number");
    }
    return WI_OK;
}

static wi_status check_image(const wi_params *params, wi_error *error)
{
    const wi_image_params *image = &params->image;
    if (image->kind == WI_IMAGE_NONE)
        return WI_OK;
    if (out_of_range(image->image_px, WI_MAX_IMAGE_PX))
        return wi_fail(error, WI_ERR_FORMAT, "image size: %u px is not supported", image->image_px);
    wi_status status = image->kind == WI_IMAGE_VIT      ? check_vit(image, error)
                       : image->kind == WI_IMAGE_RESNET ? check_resnet(image, error)
                                                        : bad(error, "image tower", "unknown kind");
    return status == WI_OK ? check_preprocess(&params->preprocess, image->image_px, error) : status;
}

static wi_status check_text(const wi_text_params *text, wi_error *error)
{
    if (!text->present)
        return WI_OK;
    if (out_of_range(text->context_length, WI_MAX_CONTEXT) || text->context_length < 3)
        return wi_fail(error, WI_ERR_FORMAT, "context length: %u is not supported",
                       text->context_length);
    if (out_of_range(text->vocabulary_size, WI_MAX_VOCABULARY))
        return wi_fail(error, WI_ERR_FORMAT, "vocabulary size: %u is not supported",
                       text->vocabulary_size);
    if (text->end_token < 0 || (uint32_t)text->end_token >= text->vocabulary_size)
        return wi_fail(error, WI_ERR_FORMAT, "end token: %d lies outside the vocabulary of %u",
                       text->end_token, text->vocabulary_size);
    return check_blocks(&text->blocks, "text tower", error);
}

wi_status wi_params_check(const wi_params *params, wi_error *error)
{
    if (params->image.kind == WI_IMAGE_NONE && !params->text.present)
        return bad(error, "model", "has neither an image tower nor a text tower");
    if (out_of_range(params->embedding_dim, WI_MAX_EMBEDDING))
        return wi_fail(error, WI_ERR_FORMAT, "embedding width: %u is not supported",
                       params->embedding_dim);
    wi_status status = check_image(params, error);
    if (status == WI_OK)
        status = check_text(&params->text, error);
    if (status == WI_OK)
        status = check_positive(params->logit_scale, "logit scale", error);
    if (status == WI_OK && !isfinite(params->logit_bias))
        status = bad(error, "logit bias", "is not a number");
    return status;
}
