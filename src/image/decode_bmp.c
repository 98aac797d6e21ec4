/* Windows bitmaps by our own small parser: 1, 4, 8, 16, 24 and 32 bits, bottom-up or top-down, bit
 * fields, run-length compression of 4 and 8 bits. */
#include "image/decode.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

enum { FILE_HEADER_BYTES = 14, RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

typedef struct bmp_header {
    uint32_t header_bytes, data_offset, bits, compression, n_colors;
    uint32_t width, height;
    bool top_down;
    uint32_t masks[4]; /* red, green, blue, alpha */
} bmp_header;

static uint32_t u16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const uint8_t *at)
{
    return u16(at) | u16(at + 2) << 16;
}

static wi_status fail_truncated(wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "bmp: the file is truncated");
}

/* Masks follow a 40-byte header, or lie within a longer one, at the same place; alpha only in the
 * longer. */
static wi_status read_masks(const wi_encoded *in, bmp_header *h, wi_error *error)
{
    static const uint32_t masks_16[4] = {0x7C00, 0x3E0, 0x1F, 0};
    static const uint32_t masks_32[4] = {0xFF0000, 0xFF00, 0xFF, 0};
    memcpy(h->masks, h->bits == 16 ? masks_16 : masks_32, sizeof h->masks);
    if (h->compression == RAW)
        return WI_OK;
    size_t n = h->header_bytes >= 56 || h->compression == ALPHA_BITFIELDS ? 4 : 3;
    if (!wi_size_within(FILE_HEADER_BYTES + 40, 4 * n, in->n_bytes))
        return fail_truncated(error);
    uint32_t any = 0, masks[4] = {0};
    for (size_t i = 0; i < n; i++)
        any |= masks[i] = u32(in->bytes + FILE_HEADER_BYTES + 40 + 4 * i);
    if (any)
        memcpy(h->masks, masks, sizeof masks);
    return WI_OK;
}

static wi_status read_header(const wi_encoded *in, bmp_header *h, wi_error *error)
{
    const uint8_t *at = in->bytes + FILE_HEADER_BYTES;
    if (in->n_bytes < FILE_HEADER_BYTES + 12)
        return fail_truncated(error);
    *h = (bmp_header){.data_offset = u32(in->bytes + 10), .header_bytes = u32(at)};
    bool old = h->header_bytes == 12;
    if (!old && (h->header_bytes < 40 || h->header_bytes > 124))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "bmp: a header of %u bytes", h->header_bytes);
    if (in->n_bytes < FILE_HEADER_BYTES + h->header_bytes)
        return fail_truncated(error);
    if (old) {
        h->width = u16(at + 4);
        h->height = u16(at + 6);
        h->bits = u16(at + 10);
    } else {
        h->width = u32(at + 4);
        h->height = u32(at + 8);
        h->top_down = h->height >> 31;
        if (h->top_down)
            h->height = 0u - h->height;
        h->bits = u16(at + 14);
        h->compression = u32(at + 16);
        h->n_colors = u32(at + 32);
    }
    bool depth_known = h->bits == 1 || h->bits == 4 || h->bits == 8 || h->bits == 16 ||
                       h->bits == 24 || h->bits == 32;
    bool fields = h->compression == BITFIELDS || h->compression == ALPHA_BITFIELDS;
    bool runs =
        ((h->compression == RLE8 && h->bits == 8) || (h->compression == RLE4 && h->bits == 4)) &&
        !h->top_down;
    if (!depth_known || (h->compression != RAW && !runs && !(fields && h->bits >= 16)))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "bmp: %u bits with compression %u", h->bits,
                       h->compression);
    if (h->n_colors == 0 && h->bits <= 8)
        h->n_colors = 1u << h->bits;
    return h->bits >= 16 ? read_masks(in, h, error) : WI_OK;
}

typedef struct bmp_palette {
    uint8_t colors[256][3];
    uint32_t n;
    size_t end; /* offset after it */
} bmp_palette;

static wi_status read_palette(const wi_encoded *in, const bmp_header *h, bmp_palette *palette,
                              wi_error *error)
{
    size_t entry = h->header_bytes == 12 ? 3 : 4;
    size_t at = FILE_HEADER_BYTES + h->header_bytes;
    palette->n = h->n_colors < 256 ? h->n_colors : 256;
    if (!wi_size_within(at, entry * palette->n, in->n_bytes))
        return fail_truncated(error);
    for (uint32_t i = 0; i < palette->n; i++)
        for (size_t c = 0; c < 3; c++)
            palette->colors[i][c] = in->bytes[at + entry * i + 2 - c];
    palette->end = at + entry * (size_t)h->n_colors;
    return WI_OK;
}

/* Pillow's rule: black and white is bilevel, a plain ramp is grey, anything else a palette. */
static wi_pixel_mode mode_of(const bmp_header *h, const bmp_palette *palette)
{
    static const uint8_t black_white[2][3] = {{0, 0, 0}, {255, 255, 255}};
    if (h->bits > 8)
        return h->bits == 32 && h->masks[3] ? WI_MODE_RGBA : WI_MODE_RGB;
    if (h->bits == 1 && palette->n == 2 && memcmp(palette->colors, black_white, 6) == 0)
        return WI_MODE_BILEVEL;
    for (uint32_t i = 0; i < palette->n; i++)
        for (int c = 0; c < 3; c++)
            if (palette->colors[i][c] != i)
                return WI_MODE_PALETTE;
    return WI_MODE_L;
}

static uint8_t field(uint32_t value, uint32_t mask)
{
    if (!mask)
        return 0;
    int shift = __builtin_ctz(mask);
    return (uint8_t)((uint64_t)(value & mask) * 255 / ((uint64_t)(mask >> shift) << shift));
}

static void unpack_row(const bmp_header *h, const uint8_t *in, const wi_image *image, uint8_t *out)
{
    uint32_t channels = wi_image_channels(image->mode);
    unsigned stretch = image->mode == WI_MODE_BILEVEL ? 255 : 1;
    for (size_t x = 0; x < image->width_px; x++) {
        if (h->bits <= 8) {
            size_t bit = x * h->bits;
            unsigned byte = in[bit / 8], top = (1u << h->bits) - 1;
            unsigned index = byte >> (8 - h->bits - bit % 8) & top;
            out[x] = (uint8_t)(index * stretch);
        } else if (h->bits == 24) {
            for (size_t c = 0; c < 3; c++)
                out[3 * x + c] = in[3 * x + 2 - c];
        } else {
            uint32_t value = h->bits == 16 ? u16(in + 2 * x) : u32(in + 4 * x);
            for (uint32_t c = 0; c < channels; c++)
                out[channels * x + c] = field(value, h->masks[c]);
        }
    }
}

/* An alpha mask that no pixel uses is there in name only: everybody shows such files as opaque. */
static void drop_empty_alpha(wi_image *image)
{
    size_t n_px = (size_t)image->width_px * image->height_px;
    for (size_t i = 0; i < n_px; i++)
        if (image->pixels[4 * i + 3])
            return;
    for (size_t i = 0; i < n_px; i++)
        memmove(image->pixels + 3 * i, image->pixels + 4 * i, 3);
    image->mode = WI_MODE_RGB;
    image->stride_bytes = (size_t)image->width_px * 3;
}

/* Runs of pixels, from the bottom row up. Invariant: x <= width, y <= height. */
typedef struct runs {
    const uint8_t *bytes;
    size_t n_bytes, at;
    uint32_t x, y;
    bool nibbles; /* two pixels a byte */
} runs;

/* Pixel i of n bytes at values: repeated for a run, one after the other where they are written out. */
static void put_runs(runs *r, wi_image *image, const uint8_t *values, unsigned n, bool repeat)
{
    for (unsigned i = 0; i < n && r->x < image->width_px; i++, r->x++) {
        unsigned k = repeat ? i % 2 : i;
        uint8_t byte = values[r->nibbles ? k / 2 : repeat ? 0 : k];
        uint8_t *row = image->pixels + (image->height_px - 1 - r->y) * image->stride_bytes;
        row[r->x] = !r->nibbles ? byte : k % 2 ? byte & 15 : byte >> 4;
    }
}

/* One of the codes behind a zero byte. false at the end. */
static bool take_escape(runs *r, wi_image *image, uint8_t code)
{
    if (code == 0) { /* the row ends */
        r->x = 0;
        r->y++;
        return true;
    }
    if (code == 1)
        return false;
    size_t n_bytes = code == 2 ? 2 : r->nibbles ? (code + 1u) / 2 : code;
    if (!wi_size_within(r->at, n_bytes, r->n_bytes)) {
        r->at = r->n_bytes;
        return true;
    }
    const uint8_t *values = r->bytes + r->at;
    if (code == 2) { /* a step right and up; what is passed over keeps the first colour */
        uint32_t right = image->width_px - r->x, up = image->height_px - r->y;
        r->x += values[0] < right ? values[0] : right;
        r->y += values[1] < up ? values[1] : up;
    } else {
        put_runs(r, image, values, code, false);
    }
    r->at += n_bytes + (code == 2 ? 0 : n_bytes % 2);
    return true;
}

static wi_status read_runs(const wi_encoded *in, const bmp_header *h, size_t start, wi_image *image,
                           wi_error *error)
{
    runs r = {.bytes = in->bytes, .n_bytes = in->n_bytes, .at = start};
    r.nibbles = h->compression == RLE4;
    memset(image->pixels, 0, image->stride_bytes * image->height_px);
    bool more = true;
    while (more && r.y < image->height_px && wi_size_within(r.at, 2, r.n_bytes)) {
        const uint8_t *pair = r.bytes + r.at;
        r.at += 2;
        if (pair[0] > 0)
            put_runs(&r, image, pair + 1, pair[0], true);
        else
            more = take_escape(&r, image, pair[1]);
    }
    /* A file may leave out the end's code, and rows at the top that are all of the first colour. */
    bool whole =
        !more || r.y >= image->height_px || (r.y + 1 == image->height_px && r.x == image->width_px);
    wi_status status =
        whole ? WI_OK : wi_decode_truncated(image, "bmp", r.y, image->height_px, error);
    if (whole || status != WI_OK)
        return status;
    const uint8_t *last = image->pixels + (image->height_px - r.y) * image->stride_bytes;
    for (uint32_t y = 0; y < image->height_px - r.y; y++)
        memcpy(image->pixels + y * image->stride_bytes, last, image->stride_bytes);
    return WI_OK;
}

/* The rows that are there; those that are missing become the nearest ones. */
static wi_status read_rows(const wi_encoded *in, const bmp_header *h, uint64_t start,
                           wi_image *image, wi_error *error)
{
    uint64_t stride = ((uint64_t)h->width * h->bits + 31) / 32 * 4, n_rows = h->height;
    uint64_t there = start < in->n_bytes ? (in->n_bytes - start) / stride : 0;
    if (there < n_rows) {
        wi_status status = wi_decode_truncated(image, "bmp", there, n_rows, error);
        if (status != WI_OK)
            return status;
    }
    for (uint64_t y = 0; y < n_rows; y++) {
        uint64_t from = h->top_down ? y : n_rows - 1 - y;
        from = from < there ? from : there - 1;
        unpack_row(h, in->bytes + start + from * stride, image,
                   image->pixels + y * image->stride_bytes);
    }
    if (image->mode == WI_MODE_RGBA && !in->exact)
        drop_empty_alpha(image);
    return WI_OK;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    bmp_header h = {0};
    bmp_palette palette = {.n = 0};
    wi_status status = read_header(in, &h, error);
    if (status == WI_OK)
        status = wi_decode_check_size(in, "bmp", h.width, h.height, error);
    if (status == WI_OK && h.bits <= 8)
        status = read_palette(in, &h, &palette, error);
    if (status != WI_OK)
        return status;

    uint64_t start = h.data_offset;
    uint64_t headers_end = FILE_HEADER_BYTES + h.header_bytes;
    if (h.bits <= 8 && start <= headers_end)
        start = palette.end;
    else if (start < headers_end)
        start = headers_end;
    if (start >= in->n_bytes)
        return fail_truncated(error);
    wi_image *image = NULL;
    status = wi_image_new(mode_of(&h, &palette), h.width, h.height, "bmp", &image, error);
    if (status != WI_OK)
        return status;
    memcpy(image->palette, palette.colors, (size_t)palette.n * 3);
    bool packed = h.compression == RLE8 || h.compression == RLE4;
    status = packed ? read_runs(in, &h, (size_t)start, image, error)
                    : read_rows(in, &h, start, image, error);
    if (status != WI_OK)
        wi_image_free(image);
    else
        *out = image;
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 2 && bytes[0] == 'B' && bytes[1] == 'M';
}

const wi_decoder wi_decoder_bmp = {"bmp", probe, decode};
