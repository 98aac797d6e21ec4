/* Pixels into a JPEG file. */
#ifndef SERVER_JPEG_H
#define SERVER_JPEG_H

#include <stddef.h>
#include <stdint.h>
#include <whatsit/status.h>

/* rgb[height, stride_px, 3], of whose rows the first width pixels count.
 * Owns: the caller frees *out. Errors: WI_ERR_NOMEM; WI_ERR_ARG for sides of 0 or over 65,500 pixels */
wi_status srv_jpeg_write(const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                         uint32_t stride_px, int quality, uint8_t **out, size_t *n_out,
                         wi_error *error);

#endif
