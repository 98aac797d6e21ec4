/* GIF through giflib: the first frame on its canvas, as Pillow composes it. Where transparent places
 * are to be seen against a ground, frames are laid over each other as browsers do it until one shows
 * something. */
#include "image/decode.h"

#include "base/error.h"
#include "image/exif.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

enum {
    SHOWS_ONE_OF = 64, /* a frame that covers less of the canvas shows nothing yet */
    MAX_FRAMES = 1000,
};

typedef struct byte_source {
    const uint8_t *bytes;
    size_t left;
} byte_source;

static int read_bytes(GifFileType *gif, GifByteType *out, int n)
{
    byte_source *source = gif->UserData;
    size_t take = n < 0 ? 0 : (size_t)n;
    take = take < source->left ? take : source->left;
    if (take)
        memcpy(out, source->bytes, take);
    source->bytes += take;
    source->left -= take;
    return (int)take;
}

static wi_status fail_gif(int code, wi_error *error)
{
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM)
        return wi_fail(error, WI_ERR_NOMEM, "gif: out of memory");
    if (code == D_GIF_ERR_READ_FAILED || code == D_GIF_ERR_EOF_TOO_SOON)
        return wi_fail(error, WI_ERR_FORMAT, "gif: the file is truncated");
    const char *message = GifErrorString(code);
    return wi_fail(error, WI_ERR_FORMAT, "gif: %s", message ? message : "the file is damaged");
}

/* What a graphic control extension says of the next frame. */
typedef struct control {
    int transparent; /* colour; -1: none */
    int disposal;
} control;

static void read_control(const GifByteType *block, control *out)
{
    if (block[0] < 4)
        return;
    out->disposal = block[1] >> 2 & 7;
    if (block[1] & 1)
        out->transparent = block[4];
}

/* Skips to the next picture; the last graphic control before it counts. *found: false at the end of
 * the file's pictures. */
static wi_status find_picture(GifFileType *gif, control *how, bool *found, wi_error *error)
{
    GifRecordType record;
    for (;;) {
        if (DGifGetRecordType(gif, &record) == GIF_ERROR)
            return fail_gif(gif->Error, error);
        *found = record == IMAGE_DESC_RECORD_TYPE;
        if (record != EXTENSION_RECORD_TYPE)
            break;
        int kind = 0;
        GifByteType *block = NULL;
        int code = DGifGetExtension(gif, &kind, &block);
        if (code != GIF_ERROR && block && kind == GRAPHICS_EXT_FUNC_CODE)
            read_control(block, how);
        while (code != GIF_ERROR && block)
            code = DGifGetExtensionNext(gif, &block);
        if (code == GIF_ERROR)
            return fail_gif(gif->Error, error);
    }
    return *found && DGifGetImageDesc(gif) == GIF_ERROR ? fail_gif(gif->Error, error) : WI_OK;
}

/* Pillow opens a picture whose palette is the plain grey ramp as grey, and then resizes it
 * smoothly. */
static bool is_grey_ramp(const ColorMapObject *map)
{
    for (int i = 0; map && i < map->ColorCount; i++)
        if (map->Colors[i].Red != i || map->Colors[i].Green != i || map->Colors[i].Blue != i)
            return false;
    return true;
}

static void set_palette(wi_image *image, const ColorMapObject *map)
{
    for (int i = 0; i < map->ColorCount && i < 256; i++) {
        image->palette[i][0] = map->Colors[i].Red;
        image->palette[i][1] = map->Colors[i].Green;
        image->palette[i][2] = map->Colors[i].Blue;
    }
}

/* Rows that an interlaced frame lacks become the ones above them. */
static void repeat_rows(uint8_t *first, size_t stride, size_t n_bytes, const bool *came, int n_rows)
{
    for (int y = 1; y < n_rows; y++)
        if (!came[y])
            memcpy(first + (size_t)y * stride, first + (size_t)(y - 1) * stride, n_bytes);
}

/* The frame's indices, row by row at first. A frame that ends early is told of by *n_read. */
static wi_status read_lines(GifFileType *gif, uint8_t *first, size_t stride, int *n_read,
                            wi_error *error)
{
    static const uint8_t pass_first[4] = {0, 4, 2, 1}, pass_step[4] = {8, 8, 4, 2};
    const GifImageDesc *frame = &gif->Image;
    bool *came = calloc((size_t)frame->Height, sizeof *came);
    if (!came)
        return wi_fail_nomem(error, (size_t)frame->Height, "gif rows");
    bool good = true;
    *n_read = 0;
    for (int pass = 0; good && pass < (frame->Interlace ? 4 : 1); pass++) {
        int step = frame->Interlace ? pass_step[pass] : 1;
        for (int y = frame->Interlace ? pass_first[pass] : 0; good && y < frame->Height;
             y += step) {
            good = DGifGetLine(gif, first + (size_t)y * stride, frame->Width) != GIF_ERROR;
            came[y] = good;
            *n_read += good;
        }
    }
    repeat_rows(first, stride, (size_t)frame->Width, came, frame->Height);
    free(came);
    return good || gif->Error != D_GIF_ERR_NOT_ENOUGH_MEM ? WI_OK : fail_gif(gif->Error, error);
}

static wi_status check_frame(const GifFileType *gif, const wi_encoded *in, uint64_t *width,
                             uint64_t *height, wi_error *error)
{
    const GifImageDesc *frame = &gif->Image;
    if (frame->Left < 0 || frame->Top < 0 || frame->Width <= 0 || frame->Height <= 0)
        return wi_fail(error, WI_ERR_FORMAT, "gif: the first frame has no pixels");
    int right = frame->Left + frame->Width, bottom = frame->Top + frame->Height; /* 16-bit fields */
    *width = (uint64_t)(right > gif->SWidth ? right : gif->SWidth);
    *height = (uint64_t)(bottom > gif->SHeight ? bottom : gif->SHeight);
    return wi_decode_check_size(in, "gif", *width, *height, error);
}

/* Warns, or fails, when the frame lacks rows or nothing of the file is behind it. */
static wi_status judge(const GifFileType *gif, wi_image *image, int n_read, wi_error *error)
{
    const byte_source *source = gif->UserData;
    int n_rows = gif->Image.Height;
    if (n_read < n_rows)
        return wi_decode_truncated(image, "gif", (uint64_t)n_read, (uint64_t)n_rows, error);
    if (!source->left || !memchr(source->bytes, ';', source->left))
        return wi_decode_truncated(image, "gif", 1, 1, error);
    return WI_OK;
}

/* The first frame alone, in its palette. */
static wi_status read_first(GifFileType *gif, const wi_encoded *in, wi_image **out, wi_error *error)
{
    control how = {.transparent = -1};
    bool found = false;
    uint64_t width = 0, height = 0;
    wi_status status = find_picture(gif, &how, &found, error);
    if (status == WI_OK && !found)
        status = wi_fail(error, WI_ERR_FORMAT, "gif: there is no picture in it");
    if (status == WI_OK)
        status = check_frame(gif, in, &width, &height, error);
    if (status != WI_OK)
        return status;
    const GifImageDesc *frame = &gif->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
    status = wi_image_new(is_grey_ramp(map) ? WI_MODE_L : WI_MODE_PALETTE, (uint32_t)width,
                          (uint32_t)height, "gif", out, error);
    if (status != WI_OK)
        return status;
    wi_image *image = *out;
    int n_read = 0;
    if (map)
        set_palette(image, map);
    memset(image->pixels, how.transparent < 0 ? 0 : how.transparent, (size_t)(width * height));
    uint8_t *first = image->pixels + (size_t)frame->Top * image->stride_bytes + frame->Left;
    status = read_lines(gif, first, image->stride_bytes, &n_read, error);
    return status == WI_OK ? judge(gif, image, n_read, error) : status;
}

/* ---- frames over frames ---- */

/* RGBA: what is seen, what was seen before the frame (for DISPOSE_PREVIOUS), and the fullest so far
 * that showed too little. The last two wait until they are needed. */
typedef struct canvas {
    wi_image *image, *before, *best;
    uint64_t coverage, best_coverage;
    uint8_t *indices; /* of the frame */
} canvas;

static wi_status new_canvas(uint64_t width, uint64_t height, wi_image **out, wi_error *error)
{
    wi_status status =
        wi_image_new(WI_MODE_RGBA, (uint32_t)width, (uint32_t)height, "gif", out, error);
    if (status == WI_OK)
        memset((*out)->pixels, 0, (*out)->stride_bytes * (*out)->height_px);
    return status;
}

static wi_status keep(const wi_image *image, wi_image **out, wi_error *error)
{
    wi_status status = *out ? WI_OK : new_canvas(image->width_px, image->height_px, out, error);
    if (status != WI_OK)
        return status;
    memcpy((*out)->pixels, image->pixels, image->stride_bytes * image->height_px);
    memcpy((*out)->warnings, image->warnings, sizeof image->warnings);
    (*out)->n_warnings = image->n_warnings;
    return WI_OK;
}

/* Lays the frame on the canvas. */
static void lay(const GifFileType *gif, const control *how, const canvas *c)
{
    const GifImageDesc *frame = &gif->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
    const wi_image *image = c->image;
    for (int y = 0; y < frame->Height && (uint32_t)(frame->Top + y) < image->height_px; y++) {
        const uint8_t *in = c->indices + (size_t)y * (size_t)frame->Width;
        uint8_t *out = image->pixels + (size_t)(frame->Top + y) * image->stride_bytes +
                       (size_t)frame->Left * 4;
        for (int x = 0; x < frame->Width && (uint32_t)(frame->Left + x) < image->width_px; x++) {
            uint8_t *at = out + 4 * (size_t)x;
            if (in[x] == how->transparent)
                continue;
            memset(at, in[x], 3);
            if (map && in[x] < map->ColorCount) {
                at[0] = map->Colors[in[x]].Red;
                at[1] = map->Colors[in[x]].Green;
                at[2] = map->Colors[in[x]].Blue;
            }
            at[3] = 255;
        }
    }
}

static void dispose(const GifFileType *gif, const control *how, const canvas *c)
{
    const GifImageDesc *frame = &gif->Image;
    const wi_image *image = c->image;
    if (how->disposal == DISPOSE_PREVIOUS)
        memcpy(image->pixels, c->before->pixels, image->stride_bytes * image->height_px);
    if (how->disposal != DISPOSE_BACKGROUND)
        return;
    for (int y = 0; y < frame->Height && (uint32_t)(frame->Top + y) < image->height_px; y++)
        for (int x = 0; x < frame->Width && (uint32_t)(frame->Left + x) < image->width_px; x++)
            memset(image->pixels + (size_t)(frame->Top + y) * image->stride_bytes +
                       (size_t)(frame->Left + x) * 4,
                   0, 4);
}

static uint64_t coverage_of(const wi_image *image)
{
    uint64_t n = 0;
    for (size_t i = 0; i < (size_t)image->width_px * image->height_px; i++)
        n += image->pixels[4 * i + 3] != 0;
    return n;
}

/* The frame's indices are read and laid on the canvas. */
static wi_status read_frame(GifFileType *gif, const control *how, canvas *c, wi_error *error)
{
    const GifImageDesc *frame = &gif->Image;
    int n_read = 0;
    free(c->indices);
    c->indices = calloc((size_t)frame->Width, (size_t)frame->Height);
    if (!c->indices)
        return wi_fail_nomem(error, (size_t)frame->Width * (size_t)frame->Height, "a gif frame");
    wi_status status = read_lines(gif, c->indices, (size_t)frame->Width, &n_read, error);
    if (status == WI_OK)
        status = judge(gif, c->image, n_read, error);
    if (status == WI_OK && how->disposal == DISPOSE_PREVIOUS)
        status = keep(c->image, &c->before, error);
    if (status != WI_OK)
        return status;
    lay(gif, how, c);
    c->coverage = coverage_of(c->image);
    return WI_OK;
}

/* The next frame, with a canvas at first. *found: false at the end. */
static wi_status read_next(GifFileType *gif, const wi_encoded *in, control *how, canvas *c,
                           bool *found, wi_error *error)
{
    uint64_t width = 0, height = 0;
    wi_status status = find_picture(gif, how, found, error);
    if (status == WI_OK && !*found)
        return c->image ? WI_OK : wi_fail(error, WI_ERR_FORMAT, "gif: there is no picture in it");
    if (status == WI_OK)
        status = check_frame(gif, in, &width, &height, error);
    if (status == WI_OK && !c->image)
        status = new_canvas(width, height, &c->image, error);
    return status == WI_OK ? read_frame(gif, how, c, error) : status;
}

/* Frames until one shows something; else the one that shows most. */
static wi_status read_frames(GifFileType *gif, const wi_encoded *in, canvas *c, wi_error *error)
{
    uint64_t budget = in->max_pixels;
    for (int i = 0; i < MAX_FRAMES; i++) {
        control how = {.transparent = -1};
        bool found = false;
        wi_status status = read_next(gif, in, &how, c, &found, error);
        if (status != WI_OK) /* a later frame that is broken leaves those before it */
            return i > 0 && status != WI_ERR_NOMEM ? WI_OK : status;
        uint64_t n_px = (uint64_t)c->image->width_px * c->image->height_px;
        if (c->coverage * SHOWS_ONE_OF >= n_px)
            return WI_OK;
        if (!found || budget < n_px)
            break;
        budget -= n_px;
        if (c->coverage > c->best_coverage) {
            status = keep(c->image, &c->best, error);
            c->best_coverage = c->coverage;
        }
        if (status != WI_OK)
            return status;
        dispose(gif, &how, c);
    }
    return WI_OK;
}

static wi_status read_seen(GifFileType *gif, const wi_encoded *in, wi_image **out, wi_error *error)
{
    canvas c = {0};
    wi_status status = read_frames(gif, in, &c, error);
    bool best = c.best && c.best_coverage > c.coverage;
    *out = best ? c.best : c.image;
    free(c.indices);
    wi_image_free(c.before);
    wi_image_free(best ? c.image : c.best);
    return status;
}

static wi_status read_with(const wi_encoded *in,
                           wi_status (*read)(GifFileType *, const wi_encoded *, wi_image **,
                                             wi_error *),
                           wi_image **out, wi_error *error)
{
    byte_source source = {in->bytes, in->n_bytes};
    int code = 0;
    GifFileType *gif = DGifOpen(&source, read_bytes, &code);
    if (!gif)
        return fail_gif(code, error);
    wi_image *image = NULL;
    wi_status status = read(gif, in, &image, error);
    DGifCloseFile(gif, &code);
    if (status != WI_OK)
        wi_image_free(image);
    else
        *out = image;
    return status;
}

/* The common case needs no canvas: a first frame that covers the screen, without holes. */
static bool needs_canvas(const wi_encoded *in)
{
    byte_source source = {in->bytes, in->n_bytes};
    int code = 0;
    bool found = false;
    control how = {.transparent = -1};
    GifFileType *gif = DGifOpen(&source, read_bytes, &code);
    if (!gif)
        return false;
    wi_status status = find_picture(gif, &how, &found, NULL);
    const GifImageDesc *frame = &gif->Image;
    bool holes = how.transparent >= 0 || frame->Left > 0 || frame->Top > 0 ||
                 frame->Width < gif->SWidth || frame->Height < gif->SHeight;
    DGifCloseFile(gif, &code);
    return status == WI_OK && found && holes;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    bool frames = in->ground && needs_canvas(in);
    wi_status status = read_with(in, frames ? read_seen : read_first, out, error);
    if (status == WI_OK)
        (*out)->orientation = wi_exif_orientation_gif(in->bytes, in->n_bytes);
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

const wi_decoder wi_decoder_gif = {"gif", probe, decode};
