/* WebP through libwebp; of an animation the first frame on its canvas, or where transparent places
 * are to be seen against a ground, the first that shows something. */
#include "image/decode.h"

#include "base/error.h"
#include "image/exif.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

enum { SHOWS_ONE_OF = 64 /* a frame that covers less of the canvas shows nothing yet */ };

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
    /* By the incremental decoder, which tells how far it came. */
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, &config);
    if (!decoder)
        return fail_webp(VP8_STATUS_OUT_OF_MEMORY, error);
    VP8StatusCode code = WebPIUpdate(decoder, in->bytes, in->n_bytes);
    int last_row = 0;
    WebPIDecGetRGB(decoder, &last_row, NULL, NULL, NULL);
    WebPIDelete(decoder);
    if (code == VP8_STATUS_OK)
        return WI_OK;
    if (code != VP8_STATUS_NOT_ENOUGH_DATA && code != VP8_STATUS_SUSPENDED)
        return fail_webp(code, error);
    uint32_t n_read = last_row > 0 ? (uint32_t)last_row : 0;
    wi_status status = wi_decode_truncated(image, "webp", n_read, image->height_px, error);
    if (status == WI_OK)
        wi_image_repeat_rows(image, n_read);
    return status;
}

static uint64_t coverage_of(const uint8_t *canvas, size_t n_px)
{
    uint64_t n = 0;
    for (size_t i = 0; i < n_px; i++)
        n += canvas[4 * i + 3] != 0;
    return n;
}

static void copy_canvas(const uint8_t *canvas, wi_image *image)
{
    size_t n_px = (size_t)image->width_px * image->height_px;
    size_t channels = wi_image_channels(image->mode);
    for (size_t i = 0; i < n_px; i++)
        memcpy(image->pixels + i * channels, canvas + i * 4, channels);
}

/* The first frame; with a ground, frames until one shows something, else the one that shows most. */
static bool take_frames(WebPAnimDecoder *decoder, const wi_encoded *in, wi_image *image)
{
    size_t n_px = (size_t)image->width_px * image->height_px;
    uint64_t best = 0, budget = in->max_pixels;
    uint8_t *canvas = NULL;
    bool any = false;
    for (int timestamp_ms = 0; WebPAnimDecoderHasMoreFrames(decoder) &&
                               WebPAnimDecoderGetNext(decoder, &canvas, &timestamp_ms);) {
        uint64_t coverage = in->ground ? coverage_of(canvas, n_px) : n_px;
        if (!any || coverage > best)
            copy_canvas(canvas, image);
        best = !any || coverage > best ? coverage : best;
        any = true;
        if (best * SHOWS_ONE_OF >= n_px || budget < n_px)
            break;
        budget -= n_px;
    }
    return any;
}

/* The first frame of a file that ends within a later one. */
static wi_status read_cut_animation(const wi_encoded *in, wi_image *image, wi_error *error)
{
    WebPData data = {in->bytes, in->n_bytes};
    WebPDemuxState state;
    WebPIterator frame;
    wi_status status = wi_fail(error, WI_ERR_FORMAT, "webp: the file is truncated");
    WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
    if (demuxer && WebPDemuxGetFrame(demuxer, 1, &frame)) {
        bool whole = frame.complete && frame.x_offset == 0 && frame.y_offset == 0 &&
                     (uint32_t)frame.width == image->width_px &&
                     (uint32_t)frame.height == image->height_px;
        wi_encoded first = *in;
        first.bytes = frame.fragment.bytes;
        first.n_bytes = frame.fragment.size;
        WebPBitstreamFeatures features;
        if (whole && WebPGetFeatures(first.bytes, first.n_bytes, &features) == VP8_STATUS_OK) {
            features.has_alpha = image->mode == WI_MODE_RGBA;
            status = read_still(&first, &features, image, error);
        }
        if (status == WI_OK)
            status = wi_decode_truncated(image, "webp", 1, 1, error);
        WebPDemuxReleaseIterator(&frame);
    }
    WebPDemuxDelete(demuxer);
    return status;
}

static wi_status read_animation(const wi_encoded *in, wi_image *image, wi_error *error)
{
    WebPAnimDecoderOptions options;
    if (!WebPAnimDecoderOptionsInit(&options))
        return wi_fail(error, WI_ERR_INTERNAL, "webp: the library's version does not fit");
    options.color_mode = MODE_RGBA;
    WebPData data = {in->bytes, in->n_bytes};
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    WebPAnimInfo info;
    bool done = decoder && WebPAnimDecoderGetInfo(decoder, &info) &&
                info.canvas_width == image->width_px && info.canvas_height == image->height_px &&
                take_frames(decoder, in, image);
    WebPAnimDecoderDelete(decoder);
    if (!decoder)
        return read_cut_animation(in, image, error);
    return done ? WI_OK : wi_fail(error, WI_ERR_FORMAT, "webp: the first frame cannot be read");
}

/* The profile, which a RIFF chunk holds. */
static wi_status read_profile(const wi_encoded *in, wi_image *image, wi_error *error)
{
    WebPData data = {in->bytes, in->n_bytes};
    WebPDemuxState state;
    WebPChunkIterator chunk;
    wi_status status = WI_OK;
    WebPDemuxer *demuxer = in->exact ? NULL : WebPDemuxPartial(&data, &state);
    if (demuxer && WebPDemuxGetChunk(demuxer, "ICCP", 1, &chunk)) {
        status = wi_image_set_icc(image, chunk.chunk.bytes, chunk.chunk.size, error);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
    return status;
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
        status = features.has_animation ? read_animation(in, image, error)
                                        : read_still(in, &features, image, error);
    if (status == WI_OK)
        status = read_profile(in, image, error);
    if (status != WI_OK)
        wi_image_free(image);
    else
        (*out = image)->orientation = wi_exif_orientation_webp(in->bytes, in->n_bytes);
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

const wi_decoder wi_decoder_webp = {"webp", probe, decode};
