/* From a file's bytes to a picture: a table of formats, one file behind each. */
#ifndef WI_IMAGE_DECODE_H
#define WI_IMAGE_DECODE_H

#include "image/image.h"

enum { WI_IMAGE_DEFAULT_MAX_PIXELS = 200 * 1000 * 1000 };

/* Untrusted bytes and what the caller allows. */
typedef struct wi_encoded {
    const uint8_t *bytes;
    size_t n_bytes;
    uint64_t max_pixels;
    uint32_t target_px; /* 0: no scaled decoding */
    bool exact;         /* the pixels that Pillow has, whatever they show */
    bool ground;        /* transparent places are to be seen against a ground */
} wi_encoded;

/* A decoder answers with what a broken file still holds, and warns, as long as more than half of the
 * rows are there. It sets the image's orientation where the file tells of one that its library does
 * not apply. */
typedef struct wi_decoder {
    const char *format;
    bool (*probe)(const uint8_t *bytes, size_t n_bytes);
    wi_status (*decode)(const wi_encoded *in, wi_image **out, wi_error *error);
} wi_decoder;

extern const wi_decoder wi_decoder_jpeg, wi_decoder_png, wi_decoder_webp, wi_decoder_gif,
    wi_decoder_bmp, wi_decoder_heif, wi_decoder_tiff, wi_decoder_jxl, wi_decoder_raw;

/* Every decoder calls this between reading the size and allocating the pixels. */
wi_status wi_decode_check_size(const wi_encoded *in, const char *format, uint64_t width,
                               uint64_t height, wi_error *error);

/* Is there a decoder of this name in this build? */
bool wi_decode_has(const char *format);

/* The format by the first bytes; NULL when no decoder knows it. */
const char *wi_decode_probe(const void *bytes, size_t n_bytes);

/* For a file that ends early: warns in image when rows_read of its n_rows make a picture (rows_read
 * == n_rows: only the end is missing), else fails with the format's name. */
wi_status wi_decode_truncated(wi_image *image, const char *format, uint64_t rows_read,
                              uint64_t n_rows, wi_error *error);

/* options may be NULL. */
wi_status wi_image_decode(const void *bytes, size_t n_bytes, const wi_image_options *options,
                          wi_image **out, wi_error *error);

/* Reads the whole file first, so that a file that shrinks meanwhile is an error and no fault; but
 * only the beginning of one that is no picture. */
wi_status wi_image_decode_file(const char *path, const wi_image_options *options, wi_image **out,
                               wi_error *error);

#endif
