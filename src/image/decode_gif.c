/* GIF through giflib: the first frame on its canvas, as Pillow composes it. */
#include "image/decode.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

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

/* Skips to the first picture; the last graphic control before it names the transparent colour (-1:
 * none). */
static wi_status find_picture(GifFileType *gif, int *transparent, wi_error *error)
{
    GifRecordType record;
    for (;;) {
        if (DGifGetRecordType(gif, &record) == GIF_ERROR)
            return fail_gif(gif->Error, error);
        if (record == IMAGE_DESC_RECORD_TYPE)
            break;
        if (record != EXTENSION_RECORD_TYPE)
            return wi_fail(error, WI_ERR_FORMAT, "gif: there is no picture in it");
        int kind = 0;
        GifByteType *block = NULL;
        int code = DGifGetExtension(gif, &kind, &block);
        if (code != GIF_ERROR && block && kind == GRAPHICS_EXT_FUNC_CODE && block[0] >= 4 &&
            (block[1] & 1))
            *transparent = block[4];
        while (code != GIF_ERROR && block)
            code = DGifGetExtensionNext(gif, &block);
        if (code == GIF_ERROR)
            return fail_gif(gif->Error, error);
    }
    return DGifGetImageDesc(gif) == GIF_ERROR ? fail_gif(gif->Error, error) : WI_OK;
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

static wi_status read_lines(GifFileType *gif, wi_image *image, wi_error *error)
{
    static const uint8_t pass_first[4] = {0, 4, 2, 1}, pass_step[4] = {8, 8, 4, 2};
    const GifImageDesc *frame = &gif->Image;
    for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++) {
        int step = frame->Interlace ? pass_step[pass] : 1;
        for (int y = frame->Interlace ? pass_first[pass] : 0; y < frame->Height; y += step) {
            uint8_t *row = image->pixels + (size_t)(frame->Top + y) * image->stride_bytes;
            if (DGifGetLine(gif, row + frame->Left, frame->Width) == GIF_ERROR)
                return fail_gif(gif->Error, error);
        }
    }
    return WI_OK;
}

static wi_status read_picture(GifFileType *gif, const wi_encoded *in, wi_image **out,
                              wi_error *error)
{
    int transparent = -1;
    wi_status status = find_picture(gif, &transparent, error);
    if (status != WI_OK)
        return status;
    const GifImageDesc *frame = &gif->Image;
    if (frame->Left < 0 || frame->Top < 0 || frame->Width <= 0 || frame->Height <= 0)
        return wi_fail(error, WI_ERR_FORMAT, "gif: the first frame has no pixels");
    int right = frame->Left + frame->Width, bottom = frame->Top + frame->Height; /* 16-bit fields */
    uint64_t width = (uint64_t)(right > gif->SWidth ? right : gif->SWidth);
    uint64_t height = (uint64_t)(bottom > gif->SHeight ? bottom : gif->SHeight);
    status = wi_decode_check_size(in, "gif", width, height, error);
    if (status != WI_OK)
        return status;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
    status = wi_image_new(is_grey_ramp(map) ? WI_MODE_L : WI_MODE_PALETTE, (uint32_t)width,
                          (uint32_t)height, "gif", out, error);
    if (status != WI_OK)
        return status;
    if (map)
        set_palette(*out, map);
    memset((*out)->pixels, transparent < 0 ? 0 : transparent, (size_t)(width * height));
    return read_lines(gif, *out, error);
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    byte_source source = {in->bytes, in->n_bytes};
    int code = 0;
    GifFileType *gif = DGifOpen(&source, read_bytes, &code);
    if (!gif)
        return fail_gif(code, error);
    wi_image *image = NULL;
    wi_status status = read_picture(gif, in, &image, error);
    DGifCloseFile(gif, &code);
    if (status != WI_OK)
        wi_image_free(image);
    else
        *out = image;
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

const wi_decoder wi_decoder_gif = {"gif", probe, decode, NULL};
