#include "api/options.h"

#include "base/error.h"
#include "base/size.h"
#include "image/ground.h"
#include "image/preprocess.h"
#include "nn/engine.h"

#include <string.h>

wi_status wi_check_image_options(const wi_image_options *options, wi_error *error)
{
    return options ? wi_check_reserved(options->reserved, "wi_image_options", error) : WI_OK;
}

wi_status wi_image_from_rgb(const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                            wi_image **out, wi_error *error)
{
    size_t n_bytes;
    if (!rgb || !out || width_px == 0 || height_px == 0)
        return wi_fail(error, WI_ERR_ARG, "wi_image_from_rgb: pixels, a size and out are needed");
    if (!wi_size_mul3(width_px, height_px, 3, &n_bytes))
        return wi_fail(error, WI_ERR_LIMIT, "wi_image_from_rgb: %u x %u px is too large", width_px,
                       height_px);
    wi_image *image = NULL;
    wi_status status = wi_image_new(WI_MODE_RGB, width_px, height_px, "raw", &image, error);
    if (status != WI_OK)
        return status;
    memcpy(image->pixels, rgb, n_bytes);
    *out = image;
    return WI_OK;
}

wi_status wi_image_from_rgba(const uint8_t *rgba, uint32_t width_px, uint32_t height_px,
                             const wi_image_options *options, wi_image **out, wi_error *error)
{
    size_t n_bytes;
    const wi_status fits = wi_check_image_options(options, error);
    if (fits != WI_OK)
        return fits;
    if (!rgba || !out || width_px == 0 || height_px == 0)
        return wi_fail(error, WI_ERR_ARG, "wi_image_from_rgba: pixels, a size and out are needed");
    if (!wi_size_mul3(width_px, height_px, 4, &n_bytes))
        return wi_fail(error, WI_ERR_LIMIT, "wi_image_from_rgba: %u x %u px is too large", width_px,
                       height_px);
    wi_image *image = NULL;
    wi_status status = wi_image_new(WI_MODE_RGBA, width_px, height_px, "raw", &image, error);
    if (status != WI_OK)
        return status;
    memcpy(image->pixels, rgba, n_bytes);
    if (!options || (!options->exact && options->alpha == WI_ALPHA_GROUND))
        wi_ground_pixels(image);
    *out = image;
    return WI_OK;
}

const char *wi_image_warning(const wi_image *image, size_t index)
{
    return image && index < image->n_warnings ? image->warnings[index] : NULL;
}

void wi_image_close(wi_image **image)
{
    if (!image)
        return;
    wi_image_free(*image);
    *image = NULL;
}

uint32_t wi_image_width(const wi_image *image)
{
    return image ? image->file_width_px : 0;
}

uint32_t wi_image_height(const wi_image *image)
{
    return image ? image->file_height_px : 0;
}

const char *wi_image_format(const wi_image *image)
{
    return image ? image->format : "";
}

wi_status wi_image_preprocess(const wi_engine *engine, const wi_image *image,
                              const wi_preprocess *how, uint8_t *out, wi_error *error)
{
    if (!image || !how || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_image_preprocess: an image, how and out are needed");
    const wi_status fits = wi_check_reserved(how->reserved, "wi_preprocess", error);
    if (fits != WI_OK)
        return fits;
    wi_kern best;
    return wi_preprocess_run(image, how, wi_engine_kern(engine, &best), out, error);
}

wi_input_area wi_preprocess_area(const wi_preprocess *how, double width_px, double height_px)
{
    return how ? wi_preprocess_seen(how, width_px, height_px) : (wi_input_area){0};
}

wi_status wi_image_rgb(wi_image *image, const uint8_t **rgb, uint32_t *width_px,
                       uint32_t *height_px, wi_error *error)
{
    if (!image || !rgb || !width_px || !height_px)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_image_rgb: an image and places for the answer are needed");
    wi_status status = wi_image_to_rgb(image, rgb, error);
    if (status != WI_OK)
        return status;
    *width_px = image->width_px;
    *height_px = image->height_px;
    return WI_OK;
}
