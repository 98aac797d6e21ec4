#include "png.h"
#include <spng.h>

void *cli_png_encode(const uint8_t *rgb, uint32_t width_px, uint32_t height_px, size_t *n_bytes)
{
    struct spng_ihdr header = {.width = width_px,
                               .height = height_px,
                               .bit_depth = 8,
                               .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    int failed = 1;
    void *bytes = NULL;
    spng_ctx *context = spng_ctx_new(SPNG_CTX_ENCODER);
    if (context && spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1) == 0 &&
        spng_set_ihdr(context, &header) == 0 &&
        spng_encode_image(context, rgb, (size_t)width_px * height_px * 3, SPNG_FMT_PNG,
                          SPNG_ENCODE_FINALIZE) == 0) {
        bytes = spng_get_png_buffer(context, n_bytes, &failed);
    }
    spng_ctx_free(context);
    return bytes;
}
