/* WebP through libwebp; the first frame of an animation on its canvas. */
#include "image/decode.h"

#include "base/error.h"
#include "image/exif.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

static wi_status fail_webp(VP8StatusCode code, wi_error *error)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return wi_fail(error, WI_ERR_NOMEM, "webp: out of memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return wi_fail(error, WI_ERR_UNSUPPORTED, "webp: a feature that libwebp does not know");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return wi_fail(error, WI_ERR_FORMAT, "webp: the file is truncated");
    default:
        return wi_fail(error, WI_ERR_FORMAT, "webp: the file is damaged");
    }
}

static wi_status read_still(const wi_encoded *in, const WebPBitstreamFeatures *features,
                            wi_image *image, wi_error *error)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return wi_fail(error, WI_ERR_INTERNAL, "webp: the library's version does not fit");
    config.input = *features;
    config.output.colorspace = features->has_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->pixels;
    config.output.u.RGBA.stride = (int)image->stride_bytes;
    config.output.u.RGBA.size = image->stride_bytes * image->height_px;
    VP8StatusCode code = WebPDecode(in->bytes, in->n_bytes, &config);
    return code == VP8_STATUS_OK ? WI_OK : fail_webp(code, error);
}

static wi_status read_first_frame(const wi_encoded *in, wi_image *image, wi_error *error)
{
    WebPAnimDecoderOptions options;
    if (!WebPAnimDecoderOptionsInit(&options))
        return wi_fail(error, WI_ERR_INTERNAL, "webp: the library's version does not fit");
    options.color_mode = MODE_RGBA;
    WebPData data = {in->bytes, in->n_bytes};
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    WebPAnimInfo info;
    uint8_t *canvas = NULL;
    int timestamp_ms = 0;
    bool done = decoder && WebPAnimDecoderGetInfo(decoder, &info) &&
                info.canvas_width == image->width_px && info.canvas_height == image->height_px &&
                WebPAnimDecoderGetNext(decoder, &canvas, &timestamp_ms);
    if (done) {
        size_t n_px = (size_t)image->width_px * image->height_px;
        size_t channels = wi_image_channels(image->mode);
        for (size_t i = 0; i < n_px; i++)
            memcpy(image->pixels + i * channels, canvas + i * 4, channels);
    }
    WebPAnimDecoderDelete(decoder);
    return done ? WI_OK : wi_fail(error, WI_ERR_FORMAT, "webp: the first frame cannot be read");
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(in->bytes, in->n_bytes, &features);
    if (code != VP8_STATUS_OK)
        return fail_webp(code, error);
    if (features.width <= 0 || features.height <= 0)
        return fail_webp(VP8_STATUS_BITSTREAM_ERROR, error);
    wi_status status = wi_decode_check_size(in, "webp", (uint64_t)features.width,
                                            (uint64_t)features.height, error);
    wi_image *image = NULL;
    if (status == WI_OK)
        status =
            wi_image_new(features.has_alpha ? WI_MODE_RGBA : WI_MODE_RGB, (uint32_t)features.width,
                         (uint32_t)features.height, "webp", &image, error);
    if (status == WI_OK)
        status = features.has_animation ? read_first_frame(in, image, error)
                                        : read_still(in, &features, image, error);
    if (status != WI_OK)
        wi_image_free(image);
    else
        *out = image;
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

const wi_decoder wi_decoder_webp = {"webp", probe, decode, wi_exif_orientation_webp};
