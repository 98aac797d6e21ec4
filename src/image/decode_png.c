/* PNG through libspng, every colour type and depth, interlaced or not. 16-bit samples keep their
 * high byte; tRNS is applied for a ground only, as Pillow's convert("RGB") drops it. A file that
 * libspng refuses is tried once more with the chunks that make the picture, and row by row. */
#include "image/decode.h"

#include "base/error.h"
#include "base/size.h"
#include "image/exif.h"
#include "image/ground.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>

enum {
    MAX_CHUNK_BYTES = 64 << 20,
    MAX_CACHE_BYTES = 128 << 20,
    SIGNATURE_BYTES = 8,
    CHUNK_BYTES = 12, /* length, kind and checksum */
    LAST_PASS = 6     /* of an interlaced picture: every second row */
};

/* One try at a file. */
typedef struct png_reader {
    const wi_encoded *in;
    const uint8_t *bytes; /* the file's, or those put together anew */
    size_t n_bytes;
    bool again; /* the second try: checksums do not count, and rows are taken as far as they come */
    spng_ctx *codec;
    struct spng_ihdr header;
    struct spng_trns key; /* the colour that is transparent, where keyed */
    bool keyed;
    int failed; /* libspng's code */
    wi_image *image;
} png_reader;

/* libspng's allocator takes no context, and calls zlib's lack of memory a damaged stream: so
 * remember it. */
static _Thread_local bool memory_ran_out;

static void *remember(void *pointer)
{
    if (!pointer)
        memory_ran_out = true;
    return pointer;
}

static void *png_malloc(size_t n_bytes)
{
    return remember(malloc(n_bytes));
}

static void *png_realloc(void *pointer, size_t n_bytes)
{
    return remember(realloc(pointer, n_bytes));
}

static void *png_calloc(size_t n, size_t n_bytes)
{
    return remember(calloc(n, n_bytes));
}

static wi_status fail_spng(png_reader *reader, int code, wi_error *error)
{
    reader->failed = code;
    if (code == SPNG_EMEM || memory_ran_out)
        return wi_fail(error, WI_ERR_NOMEM, "png: out of memory");
    if (code == SPNG_IO_EOF || code == SPNG_EIDAT_TOO_SHORT)
        return wi_fail(error, WI_ERR_FORMAT, "png: the file is truncated");
    wi_status status = code == SPNG_ECHUNK_LIMITS ? WI_ERR_LIMIT : WI_ERR_FORMAT;
    return wi_fail(error, status, "png: %s", spng_strerror(code));
}

static wi_pixel_mode mode_of(const png_reader *reader)
{
    const struct spng_ihdr *header = &reader->header;
    switch (header->color_type) {
    case SPNG_COLOR_TYPE_TRUECOLOR:
        return reader->keyed ? WI_MODE_RGBA : WI_MODE_RGB;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return WI_MODE_RGBA;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return WI_MODE_LA;
    case SPNG_COLOR_TYPE_INDEXED:
        return WI_MODE_PALETTE;
    default:
        return reader->keyed ? WI_MODE_LA : header->bit_depth == 1 ? WI_MODE_BILEVEL : WI_MODE_L;
    }
}

/* One row of the file's samples (8 bits: copied; 16: big-endian high byte; fewer: unpacked, grey
 * stretched to 0..255). */
static void unpack_row(const struct spng_ihdr *header, const uint8_t *in, size_t n_samples,
                       uint8_t *out)
{
    unsigned depth = header->bit_depth;
    if (depth == 8) {
        memcpy(out, in, n_samples);
    } else if (depth == 16) {
        for (size_t i = 0; i < n_samples; i++)
            out[i] = in[2 * i];
    } else {
        unsigned top = (1u << depth) - 1;
        unsigned stretch = header->color_type == SPNG_COLOR_TYPE_GRAYSCALE ? 255 / top : 1;
        for (size_t i = 0; i < n_samples; i++) {
            size_t bit = i * depth;
            unsigned sample = (unsigned)in[bit / 8] >> (8 - depth - bit % 8) & top;
            out[i] = (uint8_t)(sample * stretch);
        }
    }
}

/* The sample's full value at any depth. */
static unsigned sample_at(const uint8_t *row, unsigned depth, size_t i)
{
    if (depth == 16)
        return (unsigned)row[2 * i] << 8 | row[2 * i + 1];
    size_t bit = i * depth;
    return (unsigned)row[bit / 8] >> (8 - depth - bit % 8) & ((1u << depth) - 1);
}

/* The same for a picture in which one colour is transparent: an alpha channel comes behind. */
static void unpack_keyed_row(const png_reader *reader, const uint8_t *in, uint8_t *plain,
                             uint8_t *out)
{
    const struct spng_ihdr *header = &reader->header;
    size_t n = header->color_type == SPNG_COLOR_TYPE_TRUECOLOR ? 3 : 1;
    const unsigned key[3] = {n == 3 ? reader->key.red : reader->key.gray, reader->key.green,
                             reader->key.blue};
    unpack_row(header, in, header->width * n, plain);
    for (size_t x = 0; x < header->width; x++, out += n + 1, plain += n) {
        bool same = true;
        for (size_t c = 0; c < n; c++)
            same = same && sample_at(in, header->bit_depth, x * n + c) == key[c];
        memcpy(out, plain, n);
        out[n] = same ? 0 : 255;
    }
}

static wi_status unpack(const png_reader *reader, const uint8_t *raw, size_t raw_stride,
                        wi_error *error)
{
    wi_image *image = reader->image;
    uint8_t *plain = reader->keyed ? malloc(image->stride_bytes) : NULL;
    if (reader->keyed && !plain)
        return wi_fail_nomem(error, image->stride_bytes, "png samples");
    for (uint32_t y = 0; y < image->height_px; y++) {
        uint8_t *out = image->pixels + y * image->stride_bytes;
        if (reader->keyed)
            unpack_keyed_row(reader, raw + y * raw_stride, plain, out);
        else
            unpack_row(&reader->header, raw + y * raw_stride, image->stride_bytes, out);
    }
    free(plain);
    return WI_OK;
}

static void read_palette(png_reader *reader)
{
    struct spng_plte palette;
    struct spng_trns trns;
    uint8_t alpha[256];
    wi_image *image = reader->image;
    if (spng_get_plte(reader->codec, &palette) != 0)
        return; /* the grey ramp stays; libspng refuses an indexed picture without palette */
    for (uint32_t i = 0; i < palette.n_entries && i < 256; i++) {
        image->palette[i][0] = palette.entries[i].red;
        image->palette[i][1] = palette.entries[i].green;
        image->palette[i][2] = palette.entries[i].blue;
    }
    if (!reader->in->ground || spng_get_trns(reader->codec, &trns) != 0)
        return;
    memset(alpha, 255, sizeof alpha);
    for (uint32_t i = 0; i < trns.n_type3_entries && i < 256; i++)
        alpha[i] = trns.type3_alpha[i];
    wi_ground_palette(image, alpha);
}

/* As many rows as come, into raw. */
static int decode_rows(png_reader *reader, uint8_t *raw, size_t raw_stride, uint64_t *n_rows)
{
    struct spng_row_info row = {0};
    uint32_t height = reader->header.height;
    int code = spng_decode_image(reader->codec, NULL, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE);
    bool woven = reader->header.interlace_method != 0;
    while (!code && !(code = spng_get_row_info(reader->codec, &row))) {
        code = spng_decode_row(reader->codec, raw + row.row_num * raw_stride, raw_stride);
        if (code && code != SPNG_EOI)
            break;
        /* Before the last pass an interlaced picture has less than half of its pixels. */
        *n_rows = !woven                 ? row.row_num + 1u
                  : row.pass < LAST_PASS ? 0
                                         : height / 2 + row.row_num / 2;
    }
    if (code == SPNG_EOI) {
        *n_rows = height;
        return 0;
    }
    if (woven && row.pass == LAST_PASS) /* the rest of its rows: as those above */
        for (uint32_t y = row.row_num | 1; y < height; y += 2)
            memcpy(raw + y * raw_stride, raw + (y - 1) * raw_stride, raw_stride);
    return code;
}

/* Interlaced files and odd depths need the whole raw picture first; plain 8-bit rows are read in
 * place. */
static wi_status read_pixels(png_reader *reader, wi_error *error)
{
    wi_image *image = reader->image;
    size_t raw_bytes = 0;
    int code = spng_decoded_image_size(reader->codec, SPNG_FMT_RAW, &raw_bytes);
    if (code)
        return fail_spng(reader, code, error);
    if (reader->header.bit_depth == 8 && !reader->keyed && !reader->again) {
        code = spng_decode_image(reader->codec, image->pixels,
                                 image->stride_bytes * image->height_px, SPNG_FMT_RAW, 0);
        return code ? fail_spng(reader, code, error) : WI_OK;
    }
    /* Zeroed: libspng 0.7.3 ORs the bits of an interlaced picture of less than 8 bits into what is
     * there. */
    uint8_t *raw = calloc(raw_bytes ? raw_bytes : 1, 1);
    if (!raw)
        return wi_fail_nomem(error, raw_bytes, "png samples");
    size_t raw_stride = raw_bytes / image->height_px;
    uint64_t n_rows = image->height_px;
    if (reader->again)
        code = decode_rows(reader, raw, raw_stride, &n_rows);
    else
        code = spng_decode_image(reader->codec, raw, raw_bytes, SPNG_FMT_RAW, 0);
    wi_status status = WI_OK;
    if (code && (!reader->again || memory_ran_out))
        status = fail_spng(reader, code, error);
    else if (code)
        status = wi_decode_truncated(image, "png", n_rows, image->height_px, error);
    if (status == WI_OK)
        status = unpack(reader, raw, raw_stride, error);
    free(raw);
    if (status == WI_OK && reader->header.interlace_method == 0)
        wi_image_repeat_rows(image, (uint32_t)n_rows);
    return status;
}

static size_t read_be32(const uint8_t *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* cICP: primaries, transfer, matrix, range. libspng does not know it. */
static void read_numbers(const wi_encoded *in, wi_profile *profile)
{
    size_t at = SIGNATURE_BYTES;
    while (wi_size_within(at, CHUNK_BYTES, in->n_bytes)) {
        size_t length = read_be32(in->bytes + at);
        const uint8_t *kind = in->bytes + at + 4;
        if (memcmp(kind, "IDAT", 4) == 0 || !wi_size_within(at + CHUNK_BYTES, length, in->n_bytes))
            return;
        if (memcmp(kind, "cICP", 4) == 0 && length >= 4) {
            profile->primaries = kind[4];
            profile->transfer = kind[5];
        }
        at += CHUNK_BYTES + length;
    }
}

/* Orientation and colours. The texts may lie behind the pixels. */
static wi_status read_words(png_reader *reader, wi_error *error)
{
    wi_image *image = reader->image;
    const wi_encoded *in = reader->in;
    struct spng_iccp icc;
    uint32_t n_texts = 0;
    image->orientation = wi_exif_orientation_png(in->bytes, in->n_bytes);
    int code = reader->again ? 0 : spng_decode_chunks(reader->codec);
    if (code == SPNG_EMEM || memory_ran_out)
        return fail_spng(reader, code, error);
    if (code)
        wi_image_warn(image, "the file is truncated: its end is missing, all rows are there");
    if (!image->orientation && spng_get_text(reader->codec, NULL, &n_texts) == 0 && n_texts) {
        struct spng_text *texts = calloc(n_texts, sizeof *texts);
        if (!texts)
            return wi_fail_nomem(error, n_texts * sizeof *texts, "png texts");
        if (spng_get_text(reader->codec, texts, &n_texts) == 0)
            for (uint32_t i = 0; i < n_texts && !image->orientation; i++)
                image->orientation =
                    wi_exif_orientation_text(texts[i].keyword, texts[i].text, texts[i].length);
        free(texts);
    }
    if (in->exact)
        return WI_OK;
    read_numbers(in, &image->profile);
    if (image->profile.transfer /* which stands above a profile */ ||
        spng_get_iccp(reader->codec, &icc) != 0)
        return WI_OK;
    return wi_image_set_icc(image, icc.profile, icc.profile_len, error);
}

static int set_up(png_reader *reader)
{
    spng_ctx *codec = reader->codec;
    int code = spng_set_image_limits(codec, WI_IMAGE_MAX_SIDE, WI_IMAGE_MAX_SIDE);
    if (!code)
        code = spng_set_chunk_limits(codec, MAX_CHUNK_BYTES, MAX_CACHE_BYTES);
    if (!code) /* a damaged ancillary chunk (a date, a profile) does not spoil the picture */
        code = spng_set_crc_action(codec, reader->again ? SPNG_CRC_USE : SPNG_CRC_ERROR,
                                   SPNG_CRC_DISCARD);
    if (!code)
        code = spng_set_png_buffer(codec, reader->bytes, reader->n_bytes);
    if (!code)
        code = spng_get_ihdr(codec, &reader->header);
    return code;
}

static wi_status read_picture(png_reader *reader, wi_error *error)
{
    int code = set_up(reader);
    const struct spng_ihdr *header = &reader->header;
    if (code == SPNG_EUSER_WIDTH || code == SPNG_EUSER_HEIGHT)
        return wi_fail(error, WI_ERR_LIMIT, "png: the picture is too large");
    if (code)
        return fail_spng(reader, code, error);
    code = spng_get_trns(reader->codec, &reader->key);
    if (code && code != SPNG_ECHUNKAVAIL)
        return fail_spng(reader, code, error);
    reader->keyed = !code && reader->in->ground && header->color_type != SPNG_COLOR_TYPE_INDEXED;
    wi_status status =
        wi_decode_check_size(reader->in, "png", header->width, header->height, error);
    if (status == WI_OK)
        status = wi_image_new(mode_of(reader), header->width, header->height, "png", &reader->image,
                              error);
    if (status == WI_OK)
        status = read_pixels(reader, error);
    if (status == WI_OK)
        status = read_words(reader, error);
    if (status == WI_OK && reader->image->mode == WI_MODE_PALETTE)
        read_palette(reader);
    return status;
}

/* Releases all but the picture of a try that succeeds. */
static wi_status try_to_read(png_reader *reader, wi_error *error)
{
    struct spng_alloc memory = {png_malloc, png_realloc, png_calloc, free};
    memory_ran_out = false;
    reader->codec = spng_ctx_new2(&memory, 0);
    if (!reader->codec)
        return wi_fail(error, WI_ERR_NOMEM, "png: out of memory");
    wi_status status = read_picture(reader, error);
    spng_ctx_free(reader->codec);
    if (status != WI_OK) {
        wi_image_free(reader->image);
        reader->image = NULL;
    }
    return status;
}

/* ---- the second try ---- */

static bool is_wanted(const uint8_t *kind)
{
    static const char *const wanted[] = {"IHDR", "PLTE", "IDAT", "tRNS", "iCCP"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (memcmp(kind, wanted[i], 4) == 0)
            return true;
    return false;
}

/* The chunks of the picture alone, the last one cut to what is there, and an end: no larger than
 * the file and two chunks' frames. The caller frees. */
static uint8_t *put_together(const wi_encoded *in, size_t *n_out)
{
    static const uint8_t end[CHUNK_BYTES] = {0,   0,   0,    0,    'I',  'E',
                                             'N', 'D', 0xAE, 0x42, 0x60, 0x82};
    uint8_t *out = malloc(in->n_bytes + (size_t)2 * CHUNK_BYTES);
    if (!out)
        return NULL;
    memcpy(out, in->bytes, SIGNATURE_BYTES);
    size_t n = SIGNATURE_BYTES, at = SIGNATURE_BYTES;
    while (wi_size_within(at, 8, in->n_bytes)) {
        size_t length = read_be32(in->bytes + at), there = in->n_bytes - at - 8;
        const uint8_t *kind = in->bytes + at + 4;
        bool cut = length > there;
        length = cut ? there : length;
        if (is_wanted(kind)) {
            for (int i = 0; i < 4; i++)
                out[n + (size_t)i] = (uint8_t)(length >> (24 - 8 * i));
            memcpy(out + n + 4, kind, 4 + length);
            size_t checksum = there - length < 4 ? there - length : 4;
            memset(out + n + 8 + length, 0, 4);
            memcpy(out + n + 8 + length, kind + 4 + length, checksum);
            n += CHUNK_BYTES + length;
        }
        if (cut || there - length < 4 || memcmp(kind, "IEND", 4) == 0)
            break;
        at += CHUNK_BYTES + length;
    }
    memcpy(out + n, end, sizeof end);
    *n_out = n + sizeof end;
    return out;
}

static wi_status try_again(const wi_encoded *in, int failed, wi_image **out, wi_error *error)
{
    png_reader reader = {.in = in, .again = true};
    uint8_t *bytes = put_together(in, &reader.n_bytes);
    if (!bytes)
        return wi_fail_nomem(error, in->n_bytes, "a damaged picture");
    reader.bytes = bytes;
    wi_status status = try_to_read(&reader, error);
    free(bytes);
    if (status != WI_OK)
        return status;
    if (failed == SPNG_ECHUNK_CRC)
        wi_image_warn(reader.image, "a checksum in the file is wrong: it may be damaged");
    *out = reader.image;
    return WI_OK;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    png_reader reader = {.in = in, .bytes = in->bytes, .n_bytes = in->n_bytes};
    wi_status status = try_to_read(&reader, error);
    if (status == WI_OK)
        *out = reader.image;
    else if (reader.failed && status != WI_ERR_NOMEM)
        status = try_again(in, reader.failed, out, error);
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A};
    return n_bytes >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

const wi_decoder wi_decoder_png = {"png", probe, decode};
