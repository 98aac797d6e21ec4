#include "image/image.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORIENT_ROWS = 16 };

uint32_t wi_image_channels(wi_pixel_mode mode)
{
    switch (mode) {
    case WI_MODE_LA:
        return 2;
    case WI_MODE_RGB:
        return 3;
    case WI_MODE_RGBA:
    case WI_MODE_CMYK:
        return 4;
    default:
        return 1;
    }
}

/* Padded, with the slack zeroed. NULL: out of memory or too large. */
static uint8_t *pixels_alloc(size_t width, size_t height, size_t channels)
{
    size_t bytes, padded;
    if (!wi_size_mul3(width, height, channels, &bytes) ||
        !wi_size_add(bytes, WI_IMAGE_SLACK, &padded))
        return NULL;
    uint8_t *pixels = wi_aligned_alloc(padded);
    if (pixels)
        memset(pixels + bytes, 0, WI_IMAGE_SLACK);
    return pixels;
}

wi_status wi_image_new(wi_pixel_mode mode, uint32_t width_px, uint32_t height_px,
                       const char *format, wi_image **out, wi_error *error)
{
    if (width_px == 0 || height_px == 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: the picture has no pixels", format);
    if (width_px > WI_IMAGE_MAX_SIDE || height_px > WI_IMAGE_MAX_SIDE)
        return wi_fail(error, WI_ERR_LIMIT, "%s: %u x %u px is too long a side", format, width_px,
                       height_px);
    wi_image *image = calloc(1, sizeof *image);
    if (!image)
        return wi_fail_nomem(error, sizeof *image, "a picture");
    image->mode = mode;
    image->width_px = image->file_width_px = width_px;
    image->height_px = image->file_height_px = height_px;
    image->box_width = width_px;
    image->box_height = height_px;
    image->format = format;
    image->stride_bytes = (size_t)width_px * wi_image_channels(mode);
    image->pixels = pixels_alloc(width_px, height_px, wi_image_channels(mode));
    if (!image->pixels) {
        free(image);
        return wi_fail_nomem(error, (size_t)width_px * height_px, "the pixels");
    }
    for (unsigned i = 0; i < 256; i++)
        memset(image->palette[i], (int)i, 3);
    *out = image;
    return WI_OK;
}

void wi_image_free(wi_image *image)
{
    if (!image)
        return;
    wi_aligned_free(image->pixels);
    wi_aligned_free(image->rgb);
    if (image->color)
        image->color->free(image->color);
    free(image->profile.icc);
    free(image);
}

wi_status wi_image_set_icc(wi_image *image, const void *icc, size_t n_bytes, wi_error *error)
{
    if (!icc || n_bytes == 0 || n_bytes > WI_IMAGE_MAX_ICC_BYTES || image->profile.icc)
        return WI_OK;
    image->profile.icc = malloc(n_bytes);
    if (!image->profile.icc)
        return wi_fail_nomem(error, n_bytes, "a colour profile");
    memcpy(image->profile.icc, icc, n_bytes);
    image->profile.n_icc = n_bytes;
    return WI_OK;
}

void wi_image_repeat_rows(wi_image *image, uint32_t first_missing)
{
    size_t stride = image->stride_bytes;
    for (uint32_t y = first_missing; y > 0 && y < image->height_px; y++)
        memcpy(image->pixels + y * stride, image->pixels + (y - 1) * stride, stride);
}

void wi_image_warn(wi_image *image, const char *format, ...)
{
    char text[WI_IMAGE_WARNING_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < image->n_warnings; i++)
        if (strcmp(image->warnings[i], text) == 0)
            return;
    if (image->n_warnings < WI_IMAGE_MAX_WARNINGS)
        memcpy(image->warnings[image->n_warnings++], text, sizeof text);
}

/* A walk over the source: one output pixel to the right is `across` bytes on, one down is `down`
 * bytes. */
typedef struct walk {
    const uint8_t *corner;
    ptrdiff_t across, down;
} walk;

/* Output rows [first, first + n_rows). Column by column: when the axes swap, the pixels of a column
 * lie side by side in the source, so that few rows at a time keep to few cache lines on both sides.
 */
static void orient_rows(const walk *source, uint32_t first, uint32_t n_rows, uint32_t width,
                        size_t channels, uint8_t *out)
{
    size_t stride = width * channels;
    for (uint32_t x = 0; x < width; x++) {
        const uint8_t *from =
            source->corner + (ptrdiff_t)x * source->across + (ptrdiff_t)first * source->down;
        uint8_t *to = out + first * stride + x * channels;
        if (channels == 3) {
            for (uint32_t y = 0; y < n_rows; y++, from += source->down, to += stride) {
                to[0] = from[0];
                to[1] = from[1];
                to[2] = from[2];
            }
        } else {
            for (uint32_t y = 0; y < n_rows; y++, from += source->down, to += stride)
                for (size_t c = 0; c < channels; c++)
                    to[c] = from[c];
        }
    }
}

static void orient_box(wi_image *image, bool swap, bool from_right, bool from_bottom)
{
    double x = from_right ? image->width_px - image->box_x - image->box_width : image->box_x;
    double y = from_bottom ? image->height_px - image->box_y - image->box_height : image->box_y;
    double width = image->box_width, height = image->box_height;
    uint32_t file_width = image->file_width_px, file_height = image->file_height_px;
    image->box_x = swap ? y : x;
    image->box_y = swap ? x : y;
    image->box_width = swap ? height : width;
    image->box_height = swap ? width : height;
    image->file_width_px = swap ? file_height : file_width;
    image->file_height_px = swap ? file_width : file_height;
}

wi_status wi_image_orient(wi_image *image, int orientation, wi_error *error)
{
    if (orientation < 2 || orientation > 8)
        return WI_OK;
    /* As bits: EXIF 5..8 swap the axes; then the source is read from its right and / or bottom end.
     */
    bool swap = orientation >= 5;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    uint32_t width = swap ? image->height_px : image->width_px;
    uint32_t height = swap ? image->width_px : image->height_px;
    size_t channels = wi_image_channels(image->mode);
    uint8_t *pixels = pixels_alloc(width, height, channels);
    if (!pixels)
        return wi_fail_nomem(error, image->stride_bytes * image->height_px, "the turned picture");

    size_t stride = image->stride_bytes;
    const uint8_t *corner = image->pixels + (from_bottom ? (image->height_px - 1) * stride : 0) +
                            (from_right ? (image->width_px - 1) * channels : 0);
    ptrdiff_t right = from_right ? -(ptrdiff_t)channels : (ptrdiff_t)channels;
    ptrdiff_t below = from_bottom ? -(ptrdiff_t)stride : (ptrdiff_t)stride;
    walk source = {corner, swap ? below : right, swap ? right : below};
    uint32_t step = swap ? ORIENT_ROWS : 1;
    for (uint32_t y = 0; y < height; y += step)
        orient_rows(&source, y, height - y < step ? height - y : step, width, channels, pixels);

    wi_aligned_free(image->pixels);
    image->pixels = pixels;
    orient_box(image, swap, from_right, from_bottom);
    image->width_px = width;
    image->height_px = height;
    image->stride_bytes = (size_t)width * channels;
    return WI_OK;
}

/* Pillow's MULDIV255. */
static unsigned mul_div_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

static void cmyk_to_rgb(const uint8_t *cmyk, size_t n_px, uint8_t *rgb)
{
    for (size_t i = 0; i < n_px; i++, cmyk += 4, rgb += 3) {
        unsigned light = 255u - cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned ink = mul_div_255(cmyk[c], light);
            rgb[c] = (uint8_t)(light > ink ? light - ink : 0);
        }
    }
}

void wi_image_row_to_rgb(const wi_image *image, const uint8_t *native, size_t n_px, uint8_t *rgb)
{
    switch (image->mode) {
    case WI_MODE_RGB:
        memcpy(rgb, native, n_px * 3);
        break;
    case WI_MODE_RGBA:
        for (size_t i = 0; i < n_px; i++)
            memcpy(rgb + 3 * i, native + 4 * i, 3);
        break;
    case WI_MODE_CMYK:
        cmyk_to_rgb(native, n_px, rgb);
        break;
    case WI_MODE_PALETTE:
        for (size_t i = 0; i < n_px; i++)
            memcpy(rgb + 3 * i, image->palette[native[i]], 3);
        break;
    case WI_MODE_LA:
        for (size_t i = 0; i < n_px; i++)
            memset(rgb + 3 * i, native[2 * i], 3);
        break;
    case WI_MODE_L:
    case WI_MODE_BILEVEL:
        for (size_t i = 0; i < n_px; i++)
            memset(rgb + 3 * i, native[i], 3);
        break;
    }
}

void wi_image_rgb_to_srgb(const wi_image *image, uint8_t *rgb, size_t n_px)
{
    if (image->color && !image->color->takes_native)
        image->color->to_srgb(image->color, rgb, n_px, rgb);
}

void wi_image_row_to_srgb(const wi_image *image, const uint8_t *native, size_t n_px, uint8_t *rgb)
{
    if (image->color && image->color->takes_native) {
        image->color->to_srgb(image->color, native, n_px, rgb);
        return;
    }
    wi_image_row_to_rgb(image, native, n_px, rgb);
    wi_image_rgb_to_srgb(image, rgb, n_px);
}

wi_status wi_image_to_rgb(wi_image *image, const uint8_t **rgb, wi_error *error)
{
    bool as_it_is = image->mode == WI_MODE_RGB && !image->color;
    if (!as_it_is && !image->rgb) {
        uint8_t *converted = pixels_alloc(image->width_px, image->height_px, 3);
        if (!converted)
            return wi_fail_nomem(error, (size_t)image->width_px * image->height_px, "RGB pixels");
        for (size_t y = 0; y < image->height_px; y++)
            wi_image_row_to_srgb(image, image->pixels + y * image->stride_bytes, image->width_px,
                                 converted + y * 3 * image->width_px);
        image->rgb = converted;
    }
    *rgb = as_it_is ? image->pixels : image->rgb;
    return WI_OK;
}
