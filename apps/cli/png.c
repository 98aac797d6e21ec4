#include "png.h"
#include "load.h"
#include "save.h"
#include <stdlib.h>

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
