#include "png.h"
#include "load.h"
#include "save.h"
#include <spng.h>
#include <stdlib.h>

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

wi_status cli_png_write(const char *path, const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                        wi_error *error)
{
    cli_save save = {0};
    size_t n_bytes = 0;
    void *bytes = cli_png_encode(rgb, width_px, height_px, &n_bytes);
    if (!bytes) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory while writing a picture");
    }
    wi_status status = cli_save_open(&save, path, error);
    if (status == WI_OK) {
        fwrite(bytes, 1, n_bytes, save.stream);
        cli_save_ok(&save);
        status = cli_save_commit(&save, error);
    }
    cli_save_abandon(&save);
    free(bytes);
    return status;
}
