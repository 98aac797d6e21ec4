/* PNG files, by libspng or by the system (png_NAME.c). */
#ifndef CLI_PNG_H
#define CLI_PNG_H

#include "cli.h"

/* The file's bytes for rgb[height,width,3]; NULL when memory is out. The caller frees. */
void *cli_png_encode(const uint8_t *rgb, uint32_t width_px, uint32_t height_px, size_t *n_bytes);
/* Writes rgb[height,width,3] to any path that cli_save_open takes. */
wi_status cli_png_write(const char *path, const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                        wi_error *error);

#endif
