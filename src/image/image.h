/* A decoded picture in its native mode, as Pillow would hold it: the resampling runs on these
 * channels. Invariant: pixels has stride_bytes * height_px + WI_IMAGE_SLACK readable bytes, all
 * initialised, and stride_bytes == width_px * channels. */
#ifndef WI_IMAGE_IMAGE_H
#define WI_IMAGE_IMAGE_H

#include <whatsit/image.h>

typedef enum wi_pixel_mode {
    WI_MODE_BILEVEL, /* Pillow "1": one byte, 0 or 255, resized by nearest neighbour */
    WI_MODE_L,
    WI_MODE_LA,
    WI_MODE_PALETTE, /* Pillow "P": one index byte, resized by nearest neighbour */
    WI_MODE_RGB,
    WI_MODE_RGBA,
    WI_MODE_CMYK /* 0 is no ink */
} wi_pixel_mode;

enum {
    WI_IMAGE_SLACK = 64,        /* vector loads may run this far past the last pixel */
    WI_IMAGE_MAX_SIDE = 1 << 30 /* px; keeps every coordinate within int32 */
};

struct wi_image {
    wi_pixel_mode mode;
    uint32_t width_px, height_px; /* of pixels */
    uint32_t file_width_px, file_height_px;
    double box_x, box_y, box_width,
        box_height; /* what the file's picture covers of pixels: all, but after
                       scaled decoding the last row or column may be a part */
    size_t stride_bytes;
    uint8_t *pixels;
    const char *format;
    uint8_t palette[256][3];
    uint8_t *rgb; /* made by wi_image_to_rgb when mode is another one; else NULL */
};

uint32_t wi_image_channels(wi_pixel_mode mode);

/* A picture with zeroed slack, grey-ramp palette and undefined pixels.
 * Errors: WI_ERR_FORMAT for a zero side, WI_ERR_LIMIT past WI_IMAGE_MAX_SIDE, WI_ERR_NOMEM. */
wi_status wi_image_new(wi_pixel_mode mode, uint32_t width_px, uint32_t height_px,
                       const char *format, wi_image **out, wi_error *error);
void wi_image_free(wi_image *image);

/* Turns the picture upright; orientation is EXIF's 1..8, anything else changes nothing. */
wi_status wi_image_orient(wi_image *image, int orientation, wi_error *error);

/* n_px pixels of image's mode at native[] become RGB, as Pillow's convert("RGB") does: alpha is
 * dropped. */
void wi_image_row_to_rgb(const wi_image *image, const uint8_t *native, size_t n_px, uint8_t *rgb);

/* The pixels as RGB; the pointer belongs to the image. */
wi_status wi_image_to_rgb(wi_image *image, const uint8_t **rgb, wi_error *error);

#endif
