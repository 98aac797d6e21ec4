#include "image/preprocess.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* A resized side past this has no Pillow result to be equal to, and would only burn time. */
enum { MAX_RESIZED_PX = 1 << 26 };

/* Where one axis of the resized picture goes: n px from position skip, put at position pad of the
 * output. */
typedef struct placement {
    uint32_t resized, skip, pad, n;
} placement;

/* torchvision's center_crop and open_clip's CenterCropOrPad: pads with the smaller half first
 * (transformers' center_crop, of pictures that were not resized, with the larger), crops at Python's round((resized - size) / 2), which rounds half to even. */
static placement place(uint32_t resized, uint32_t size, const wi_preprocess *how)
{
    placement p = {.resized = resized, .n = resized};
    if (resized < size) {
        p.pad = (size - resized + (how->mode == WI_RESIZE_NONE)) / 2;
        return p;
    }
    uint32_t surplus = resized - size;
    p.skip = surplus / 2;
    if (surplus % 2 && p.skip % 2 && !how->crop_floor)
        p.skip++;
    p.n = size;
    return p;
}

/* open_clip ResizeKeepRatio(longest=1): Python's round(side / (longer / size)), at least 1. */
static uint64_t longest_side(uint32_t side, uint32_t longer, uint32_t size)
{
    double ratio = (double)longer / size;
    double resized = rint((double)side / ratio);
    return resized < 1 ? 1 : (uint64_t)resized;
}

/* The longer side after resizing: the crop then leaves size of it. Square roots and quotients of
 * doubles are the same everywhere. */
static uint64_t halfway_side(uint32_t longer, uint32_t shorter, uint32_t size)
{
    return (uint64_t)sqrt((double)size * (double)size * (double)longer / (double)shorter);
}

static void resized_size(const wi_image *image, const wi_preprocess *how, uint64_t *width,
                         uint64_t *height)
{
    uint32_t w = image->file_width_px, h = image->file_height_px;
    uint32_t n = how->size_px;
    switch (how->mode) {
    case WI_RESIZE_SQUASH:
        *width = *height = n;
        break;
    case WI_RESIZE_LONGEST:
        *width = longest_side(w, w > h ? w : h, n);
        *height = longest_side(h, w > h ? w : h, n);
        break;
    case WI_RESIZE_NONE:
        *width = w;
        *height = h;
        break;
    case WI_RESIZE_HALFWAY:
        *width = w <= h ? n : halfway_side(w, h, n);
        *height = h <= w ? n : halfway_side(h, w, n);
        break;
    case WI_RESIZE_CROP:
        n = how->resize_px ? how->resize_px : n;
        *width = w <= h ? n : (uint64_t)n * w / h;
        *height = w <= h ? (uint64_t)n * h / w : n;
        break;
    }
}

wi_input_area wi_preprocess_seen(const wi_preprocess *how, double width, double height)
{
    const double shorter = width < height ? width : height, between = sqrt(width * height);
    double side = shorter;
    switch (how->mode) {
    case WI_RESIZE_SQUASH:
        return (wi_input_area){0, 0, width, height};
    case WI_RESIZE_HALFWAY:
        return width > height ? (wi_input_area){(width - between) / 2, 0, between, height}
                              : (wi_input_area){0, (height - between) / 2, width, between};
    case WI_RESIZE_LONGEST:
        side = width + height - shorter;
        break;
    case WI_RESIZE_NONE:
        side = how->size_px;
        break;
    case WI_RESIZE_CROP:
        side = how->resize_px ? shorter * how->size_px / how->resize_px : shorter;
        break;
    }
    return (wi_input_area){(width - side) / 2, (height - side) / 2, side, side};
}

typedef struct canvas {
    const wi_image *image;
    bool rows_are_rgb;
    placement x, y;
    uint32_t size_px;
    uint8_t fill;
    uint8_t *out;
} canvas;

/* Pillow pads in the picture's own mode: a fill of 0 is black, but white in CMYK and the first
 * colour of a palette. */
static void fill_canvas(const canvas *c)
{
    uint8_t value = c->image->mode == WI_MODE_BILEVEL && c->fill ? 255 : c->fill;
    uint8_t native[4] = {value, value, value, value};
    uint8_t rgb[3] = {c->fill, c->fill, c->fill};
    if (!c->rows_are_rgb)
        wi_image_row_to_rgb(c->image, native, 1, rgb);
    for (size_t i = 0; i < (size_t)c->size_px * c->size_px; i++)
        memcpy(c->out + 3 * i, rgb, 3);
}

/* The padding waits for the first row, so that a failure leaves out untouched. */
static void put_row(void *context, uint32_t y, uint8_t *row)
{
    const canvas *c = context;
    if (y == 0 && (c->x.n < c->size_px || c->y.n < c->size_px))
        fill_canvas(c);
    uint8_t *at = c->out + ((size_t)(c->y.pad + y) * c->size_px + c->x.pad) * 3;
    if (c->rows_are_rgb) {
        memcpy(at, row, (size_t)c->x.n * 3);
        wi_image_rgb_to_srgb(c->image, at, c->x.n);
    } else {
        wi_image_row_to_srgb(c->image, row, c->x.n, at);
    }
}

static bool known_how(const wi_preprocess *how)
{
    return how->size_px > 0 && how->size_px <= WI_PREPROCESS_MAX_PX &&
           how->resize_px <= WI_PREPROCESS_MAX_PX &&
           (how->mode == WI_RESIZE_CROP || how->mode == WI_RESIZE_SQUASH ||
            how->mode == WI_RESIZE_LONGEST || how->mode == WI_RESIZE_NONE ||
            how->mode == WI_RESIZE_HALFWAY) &&
           (how->interpolation == WI_BICUBIC || how->interpolation == WI_BILINEAR);
}

wi_status wi_preprocess_run(const wi_image *image, const wi_preprocess *how, const wi_kern *kern,
                            uint8_t *out, wi_error *error)
{
    if (!known_how(how))
        return wi_fail(
            error, WI_ERR_ARG,
            "preprocessing to %u px (resize %u) in mode %d: size must be 1 to %d, mode and "
            "interpolation known",
            how->size_px, how->resize_px, (int)how->mode, WI_PREPROCESS_MAX_PX);
    uint64_t width = 0, height = 0;
    resized_size(image, how, &width, &height);
    if (width > MAX_RESIZED_PX || height > MAX_RESIZED_PX)
        return wi_fail(error, WI_ERR_LIMIT, "a picture of %u x %u px is too thin to resize",
                       image->file_width_px, image->file_height_px);
    canvas c = {.image = image, .size_px = how->size_px, .out = out};
    c.fill = how->mode == WI_RESIZE_LONGEST ? how->fill : 0;
    /* A colour space of the picture's own channels waits for them until they are resized. */
    bool native = image->color && image->color->takes_native;
    bool rgb_first = !native && (how->rgb_first || image->smooth);
    c.rows_are_rgb = rgb_first || image->mode == WI_MODE_RGB;
    c.x = place((uint32_t)width, how->size_px, how);
    c.y = place((uint32_t)height, how->size_px, how);
    wi_resize resize = {
        .x = {image->width_px, c.x.resized, c.x.skip, c.x.n, image->box_x, image->box_width},
        .y = {image->height_px, c.y.resized, c.y.skip, c.y.n, image->box_y, image->box_height},
        .interpolation = how->interpolation};
    return wi_resample(image, rgb_first, &resize, kern, put_row, &c, error);
}
