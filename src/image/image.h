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

/* Values of a colour space -> sRGB, for rows that are resized already. The core of the room knows no
 * library of colours: whoever makes one fills this. */
typedef struct wi_color wi_color;
struct wi_color {
    void (*to_srgb)(const wi_color *color, const uint8_t *in, size_t n_px, uint8_t *rgb);
    void (*free)(wi_color *color);
    bool takes_native; /* in: the image's mode (grey, CMYK); else RGB */
};

/* What the file says of its colours. */
typedef struct wi_profile {
    uint8_t *icc; /* NULL: none */
    size_t n_icc;
    unsigned primaries, transfer; /* as ITU-T H.273 numbers them; 0: unsaid */
} wi_profile;

enum {
    WI_IMAGE_MAX_ICC_BYTES = 16 << 20,
    WI_IMAGE_MAX_WARNINGS = 4,
    WI_IMAGE_WARNING_BYTES = 96,
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
    int orientation; /* EXIF's 1..8, or 0: what the file says of how to turn it */
    wi_profile profile;
    bool smooth;     /* indexed, but resized as RGB */
    wi_color *color; /* NULL: sRGB, or not to be converted */
    size_t n_warnings;
    char warnings[WI_IMAGE_MAX_WARNINGS][WI_IMAGE_WARNING_BYTES];
    uint8_t *rgb; /* made by wi_image_to_rgb when mode is another one; else NULL */
};

uint32_t wi_image_channels(wi_pixel_mode mode);

/* A picture with zeroed slack, grey-ramp palette and undefined pixels.
 * Errors: WI_ERR_FORMAT for a zero side, WI_ERR_LIMIT past WI_IMAGE_MAX_SIDE, WI_ERR_NOMEM. */
wi_status wi_image_new(wi_pixel_mode mode, uint32_t width_px, uint32_t height_px,
                       const char *format, wi_image **out, wi_error *error);
void wi_image_free(wi_image *image);

/* Adds a warning; the same one is told once. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void wi_image_warn(wi_image *image, const char *format, ...);

/* Keeps a copy; a profile that is too large is none. Errors: WI_ERR_NOMEM */
wi_status wi_image_set_icc(wi_image *image, const void *icc, size_t n_bytes, wi_error *error);

/* Rows from this one on are missing: each becomes the row above it. */
void wi_image_repeat_rows(wi_image *image, uint32_t first_missing);

/* Turns the picture upright; orientation is EXIF's 1..8, anything else changes nothing. */
wi_status wi_image_orient(wi_image *image, int orientation, wi_error *error);

/* n_px pixels of image's mode at native[] become RGB, as Pillow's convert("RGB") does (alpha is
 * dropped), and sRGB where the image has a colour space. */
void wi_image_row_to_srgb(const wi_image *image, const uint8_t *native, size_t n_px, uint8_t *rgb);
/* n_px RGB pixels in the image's colour space become sRGB in place. */
void wi_image_rgb_to_srgb(const wi_image *image, uint8_t *rgb, size_t n_px);
/* The same without colour space. */
void wi_image_row_to_rgb(const wi_image *image, const uint8_t *native, size_t n_px, uint8_t *rgb);

/* The pixels as RGB; the pointer belongs to the image. */
wi_status wi_image_to_rgb(wi_image *image, const uint8_t **rgb, wi_error *error);

#endif
