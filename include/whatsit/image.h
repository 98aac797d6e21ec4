/* Pictures: decoding any supported file and the Pillow-exact way to a model's input pixels.
 * Threads: different pictures at once. One picture may be read by several, but wi_image_rgb may convert it
 *     and is alone with it. */
#ifndef WHATSIT_IMAGE_H
#define WHATSIT_IMAGE_H

#include <whatsit/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_image wi_image;

/* What stands behind a picture that is transparent in places. */
typedef enum wi_alpha {
    WI_ALPHA_GROUND = 0, /* white, as viewers show it; black for a drawing that white would hide */
    WI_ALPHA_ORIGINAL    /* what the original networks' programs make of it: mostly black */
} wi_alpha;

/* How files are read. Zeroed: upright, on a ground, in sRGB, with what a broken file still holds. */
typedef struct wi_image_options {
    bool ignore_exif; /* true: leave EXIF orientation alone, as the original networks did */
    bool full_decode; /* true: never use a JPEG's scaled decoding */
    bool exact;       /* true: the original networks' own reading, to the bit: WI_ALPHA_ORIGINAL and
                         full_decode, colour profiles ignored, palettes resized as Pillow does, the
                         first frame whatever it shows */
    bool strict;      /* true: what would be a warning is an error */
    wi_alpha alpha;
    uint64_t
        max_pixels;     /* 0: 200 million; larger pictures fail with WI_ERR_LIMIT before decoding */
    uint32_t target_px; /* the shorter side wanted later, in px; 0: unknown. A hint that permits
                           scaled decoding of big JPEGs where the result stays within a mean
                           difference of 1/255 */
    uint64_t reserved[4];
} wi_image_options;

/* Decodes JPEG, PNG, WebP, GIF (first frame that shows something), BMP and, when built with
 * libheif, HEIC/AVIF.
 * Owns: the caller closes *out with wi_image_close. bytes are only read during the call.
 * Errors: WI_ERR_FORMAT (not a picture, truncated), WI_ERR_UNSUPPORTED, WI_ERR_LIMIT, WI_ERR_NOMEM;
 * from_file also WI_ERR_IO. options may be NULL. */
WI_API wi_status wi_image_from_memory(const void *bytes, size_t n_bytes,
                                      const wi_image_options *options, wi_image **out,
                                      wi_error *error);
WI_API wi_status wi_image_from_file(const char *path, const wi_image_options *options,
                                    wi_image **out, wi_error *error);
/* From ready pixels: rgb[height,width,3], row-major, copied. */
WI_API wi_status wi_image_from_rgb(const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                                   wi_image **out, wi_error *error);
/* The same with alpha, not premultiplied: rgba[height,width,4]; of the options, exact and alpha count.
 */
WI_API wi_status wi_image_from_rgba(const uint8_t *rgba, uint32_t width_px, uint32_t height_px,
                                    const wi_image_options *options, wi_image **out,
                                    wi_error *error);
WI_API void wi_image_close(wi_image **image);

/* What is wrong with a file that could be read all the same: "only 90 % of the rows are there". NULL
 * from the count of warnings on.
 * Owns: the text belongs to the image and lives as long. */
WI_API const char *wi_image_warning(const wi_image *image, size_t index);

/* Size after EXIF orientation, in px, of the file's picture (also when decoded at a smaller scale).
 */
WI_API uint32_t wi_image_width(const wi_image *image);
WI_API uint32_t wi_image_height(const wi_image *image);
/* The format by its first bytes, as wi_image_format names it; NULL when it is none that can be read. */
WI_API const char *wi_image_probe(const void *bytes, size_t n_bytes);
/* What the ending of a file's name says of it. */
typedef enum wi_name_kind {
    WI_NAME_OTHER = 0,
    WI_NAME_PICTURE,
    WI_NAME_RAW,    /* of a camera */
    WI_NAME_VIDEO,  /* also the film of a live photo */
    WI_NAME_SIDECAR /* notes and edits of a photo (.xmp, .AAE, ...) */
} wi_name_kind;
/* is_read (nullable): can this build read such pictures? Upper case is as lower case. */
WI_API wi_name_kind wi_image_name(const char *name, bool *is_read);
/* "jpeg", "png", "webp", "gif", "bmp", "heif", "tiff", "jxl", "camera-raw"; "raw": of ready pixels. */
WI_API const char *wi_image_format(const wi_image *image);

typedef enum wi_resize_mode {
    WI_RESIZE_CROP = 0, /* shorter side to size, then centre crop: OpenAI's transform */
    WI_RESIZE_SQUASH,   /* both sides to size */
    WI_RESIZE_LONGEST,  /* longer side to size, padded with fill */
    WI_RESIZE_NONE,     /* as it is: the centre, with black around what is too small */
    WI_RESIZE_HALFWAY /* between crop and squash: a picture of a : 1 (a > 1) loses its ends until it
                           is sqrt(a) : 1, and that much is squashed; nothing is padded */
} wi_resize_mode;

typedef enum wi_interpolation { WI_BICUBIC = 0, WI_BILINEAR } wi_interpolation;

typedef struct wi_preprocess {
    uint32_t size_px;   /* the square input of the network */
    uint32_t resize_px; /* crop mode: the shorter side after resizing; 0: size_px */
    wi_resize_mode mode;
    wi_interpolation interpolation;
    uint8_t fill;    /* longest mode: padding value */
    bool crop_floor; /* crop offset floor((size-n)/2) as Hugging Face; else rounded half to even */
    bool rgb_first;  /* convert to RGB before resizing, as Hugging Face; else after, as OpenAI */
    float mean[3], std[3]; /* of the model, on pixels / 255; applied inside the image tower */
    uint64_t reserved[4];
} wi_preprocess;

/* Resizes and crops to the network's input. engine: whose kernels do it; NULL: those of this
 * processor, chosen anew in each call.
 * Shapes: out[size_px,size_px,3] u8, row-major RGB
 * Exact:  bit-equal to Pillow's 8-bit resampling (two fixed-point passes, 8-bit between them)
 * Errors: WI_ERR_ARG, WI_ERR_NOMEM, WI_ERR_LIMIT
 * Source: Pillow src/libImaging/Resample.c; OpenAI CLIP clip._transform */
WI_API wi_status wi_image_preprocess(const wi_engine *engine, const wi_image *image,
                                     const wi_preprocess *how, uint8_t *out, wi_error *error);

/* Where the network's input lies on a picture, in its px; where it was padded, beyond the picture. */
typedef struct wi_input_area {
    double x, y, width, height;
} wi_input_area;
WI_API wi_input_area wi_preprocess_area(const wi_preprocess *how, double width_px,
                                        double height_px);

/* The full picture as rgb[height,width,3] at its decoded size (for pages and heat maps). Decoded
 * size is wi_image_width x wi_image_height unless scaled decoding was permitted; *width, *height
 * tell.
 * Owns: the pointer belongs to the image and lives as long. */
WI_API wi_status wi_image_rgb(wi_image *image, const uint8_t **rgb, uint32_t *width_px,
                              uint32_t *height_px, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
