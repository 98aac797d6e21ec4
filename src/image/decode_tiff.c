/* TIFF through libtiff: the first page that is no thumbnail, in bands of whole strips or tiles, so that
 * beside the picture little is held at once. RAW photos, which are TIFF files too, are not its own
 * (kinds.h). */
#include "image/decode.h"

#include "base/error.h"
#include "image/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

enum {
    MAX_PAGES = 16,          /* that are looked at for one that is no thumbnail */
    BAND_PIXELS = 1 << 20,   /* as many strips together as fit, one at least */
    MESSAGE_BYTES = 1024,    /* as libtiff's own calls want it */
    MEMORY_SLACK = 64 << 20, /* of one allocation within libtiff, beyond the pixels */
};

/* What libtiff reads from, and the first thing that it complained of. */
typedef struct tiff_source {
    const wi_encoded *in;
    uint64_t at;
    char message[128];
} tiff_source;

/* ---- libtiff's file ---- */

static tmsize_t read_bytes(thandle_t handle, void *out, tmsize_t n)
{
    tiff_source *source = (tiff_source *)handle;
    size_t left = source->at < source->in->n_bytes ? source->in->n_bytes - (size_t)source->at : 0;
    size_t taken = n < 0 ? 0 : (size_t)n < left ? (size_t)n : left;
    memcpy(out, source->in->bytes + (taken ? source->at : 0), taken);
    source->at += taken;
    return (tmsize_t)taken;
}

static tmsize_t write_nothing(thandle_t handle, void *bytes, tmsize_t n)
{
    (void)handle;
    (void)bytes;
    (void)n;
    return -1;
}

static toff_t seek_to(thandle_t handle, toff_t offset, int whence)
{
    tiff_source *source = (tiff_source *)handle;
    source->at = whence == SEEK_SET   ? offset
                 : whence == SEEK_CUR ? source->at + offset
                                      : source->in->n_bytes + offset;
    return source->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    return ((tiff_source *)handle)->in->n_bytes;
}

/* libtiff writes into no mapping: its own are for reading only. Without one, libtiff 4.5.0 refuses tiles
 * that are not packed, by a rounded size. */
static int map_bytes(thandle_t handle, void **base, toff_t *n)
{
    const wi_encoded *in = ((tiff_source *)handle)->in;
    *base = (void *)(uintptr_t)in->bytes;
    *n = in->n_bytes;
    return 1;
}

static void unmap_nothing(thandle_t handle, void *base, toff_t n)
{
    (void)handle;
    (void)base;
    (void)n;
}

static int keep_message(TIFF *tiff, void *context, const char *module, const char *format,
                        va_list arguments)
{
    tiff_source *source = context;
    (void)tiff;
    (void)module;
    if (!source->message[0])
        vsnprintf(source->message, sizeof source->message, format, arguments);
    return 1; /* said: nothing goes to standard error */
}

static int drop_message(TIFF *tiff, void *context, const char *module, const char *format,
                        va_list arguments)
{
    (void)tiff;
    (void)context;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

static TIFF *open_tiff(tiff_source *source)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    uint64_t most = source->in->max_pixels * 8 + MEMORY_SLACK;
    TIFFOpenOptionsSetMaxSingleMemAlloc(
        options, most < (uint64_t)INTPTR_MAX ? (tmsize_t)most : (tmsize_t)INTPTR_MAX);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, source);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_message, NULL);
    TIFF *tiff = TIFFClientOpenExt("picture", "r", source, read_bytes, write_nothing, seek_to,
                                   close_nothing, size_of, map_bytes, unmap_nothing, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* ---- what is in it ---- */

/* One line, without what would break it. */
static const char *reason(const tiff_source *source, char *text)
{
    if (source->message[0])
        snprintf(text, MESSAGE_BYTES, "%s", source->message);
    for (char *c = text; *c; c++)
        *c = (unsigned char)*c < 0x20 || *c == 0x7F ? ' ' : *c;
    return text;
}

/* Does the file end before the pixels do? */
static bool is_cut(TIFF *tiff, const wi_encoded *in)
{
    uint32_t n = TIFFIsTiled(tiff) ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = TIFFGetStrileOffset(tiff, i), size = TIFFGetStrileByteCount(tiff, i);
        if (at > in->n_bytes || size > in->n_bytes - at)
            return true;
    }
    return false;
}

/* False when the first page is a thumbnail and what follows it cannot be read. */
static bool find_page(TIFF *tiff)
{
    bool good = true;
    for (int page = 0; page < MAX_PAGES && good; page++) {
        uint32_t kind = 0;
        if (!TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &kind) || !(kind & FILETYPE_REDUCEDIMAGE))
            return true;
        if (TIFFLastDirectory(tiff))
            break;
        good = TIFFReadDirectory(tiff) == 1;
    }
    TIFFSetDirectory(tiff, 0);
    return good;
}

/* Rows that libtiff reads at once: those of a strip or tile. */
static uint32_t strip_rows(TIFF *tiff, uint32_t height)
{
    uint32_t rows = 0;
    TIFFGetFieldDefaulted(tiff, TIFFIsTiled(tiff) ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP,
                          &rows);
    return rows == 0 || rows > height ? height : rows;
}

/* As many whole strips as make a band. */
static uint32_t band_rows(uint32_t strip, uint32_t width, uint32_t height)
{
    uint64_t strips = BAND_PIXELS / ((uint64_t)strip * width);
    uint64_t together = (strips ? strips : 1) * strip;
    return together < height ? (uint32_t)together : height;
}

static uint8_t plain(uint8_t value, uint8_t alpha)
{
    unsigned whole = alpha ? (value * 255u + alpha / 2u) / alpha : 0;
    return whole < 255 ? (uint8_t)whole : 255;
}

/* libtiff gives colours that are multiplied with alpha already. */
static void take_row(wi_pixel_mode mode, const uint32_t *from, uint32_t n_px, uint8_t *to)
{
    size_t channels = wi_image_channels(mode);
    for (uint32_t x = 0; x < n_px; x++, to += channels) {
        uint8_t r = (uint8_t)TIFFGetR(from[x]), g = (uint8_t)TIFFGetG(from[x]),
                b = (uint8_t)TIFFGetB(from[x]), a = (uint8_t)TIFFGetA(from[x]);
        to[0] = r;
        if (channels >= 3) {
            to[1] = g;
            to[2] = b;
        }
        if (channels == 4) {
            to[0] = plain(r, a);
            to[1] = plain(g, a);
            to[2] = plain(b, a);
            to[3] = a;
        }
    }
}

/* The number of rows that could be read. strip: so many at a time once a band has failed. */
static uint32_t read_rows(TIFFRGBAImage *reading, uint32_t *raster, uint32_t band, uint32_t strip,
                          wi_image *image)
{
    uint32_t y = 0;
    while (y < image->height_px) {
        uint32_t n = image->height_px - y < band ? image->height_px - y : band;
        reading->row_offset = (int)y;
        if (TIFFRGBAImageGet(reading, raster, image->width_px, n)) {
            for (uint32_t i = 0; i < n; i++)
                take_row(image->mode, raster + (size_t)i * image->width_px, image->width_px,
                         image->pixels + (size_t)(y + i) * image->stride_bytes);
            y += n;
        } else if (band > strip) {
            band = strip;
        } else {
            break;
        }
    }
    return y;
}

static wi_status read_pixels(TIFF *tiff, tiff_source *source, TIFFRGBAImage *reading,
                             wi_image *image, wi_error *error)
{
    uint32_t strip = strip_rows(tiff, image->height_px);
    uint32_t band = band_rows(strip, image->width_px, image->height_px);
    size_t n_raster = (size_t)band * image->width_px;
    char text[MESSAGE_BYTES] = "its pixels cannot be read";
    uint32_t *raster = calloc(n_raster, sizeof *raster);
    if (!raster)
        return wi_fail_nomem(error, n_raster * sizeof *raster, "rows of a TIFF picture");
    uint32_t n_read = read_rows(reading, raster, band, strip, image);
    free(raster);
    if (n_read == image->height_px)
        return WI_OK;
    wi_image_repeat_rows(image, n_read);
    if (is_cut(tiff, source->in))
        return wi_decode_truncated(image, "tiff", n_read, image->height_px, error);
    unsigned percent = (unsigned)((uint64_t)n_read * 100 / image->height_px);
    if (percent <= 50)
        return wi_fail(error, WI_ERR_FORMAT, "tiff: the file is damaged (%.100s)",
                       reason(source, text));
    wi_image_warn(image, "the file is damaged: %u %% of the rows are there", percent);
    return WI_OK;
}

static wi_pixel_mode mode_of(const TIFFRGBAImage *reading, const wi_encoded *in)
{
    bool grey = reading->photometric == PHOTOMETRIC_MINISBLACK ||
                reading->photometric == PHOTOMETRIC_MINISWHITE;
    if (reading->alpha)
        return WI_MODE_RGBA;
    if (grey && reading->bitspersample == 1 && in->exact)
        return WI_MODE_BILEVEL;
    return grey ? WI_MODE_L : WI_MODE_RGB;
}

static wi_status read_profile(TIFF *tiff, const TIFFRGBAImage *reading, wi_image *image,
                              wi_error *error)
{
    uint32_t n = 0;
    void *icc = NULL;
    /* Colours that libtiff has turned into RGB itself are no longer those of the profile. */
    bool native = reading->photometric == PHOTOMETRIC_RGB ||
                  reading->photometric == PHOTOMETRIC_PALETTE ||
                  reading->photometric == PHOTOMETRIC_YCBCR || image->mode == WI_MODE_L;
    return native && TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &n, &icc)
               ? wi_image_set_icc(image, icc, n, error)
               : WI_OK;
}

static wi_status read_page(TIFF *tiff, tiff_source *source, wi_image **out, wi_error *error)
{
    const wi_encoded *in = source->in;
    char text[MESSAGE_BYTES] = "";
    uint32_t width = 0, height = 0;
    uint16_t orientation = 0;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
    TIFFGetField(tiff, TIFFTAG_ORIENTATION, &orientation);
    wi_status status = wi_decode_check_size(in, "tiff", width, height, error);
    if (status != WI_OK)
        return status;
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); /* turned later, as all are */
    TIFFRGBAImage reading;
    if (!TIFFRGBAImageOK(tiff, text) || !TIFFRGBAImageBegin(&reading, tiff, 1, text))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "tiff: a kind of TIFF that libtiff does not show (%.120s)",
                       reason(source, text));
    reading.req_orientation = ORIENTATION_TOPLEFT;
    wi_image *image = NULL;
    status = wi_image_new(mode_of(&reading, in), width, height, "tiff", &image, error);
    if (status == WI_OK)
        status = read_pixels(tiff, source, &reading, image, error);
    if (status == WI_OK)
        status = read_profile(tiff, &reading, image, error);
    TIFFRGBAImageEnd(&reading);
    if (status == WI_OK) {
        image->orientation = orientation <= 8 ? orientation : 0;
        *out = image;
    } else {
        wi_image_free(image);
    }
    return status;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    tiff_source source = {.in = in};
    char text[MESSAGE_BYTES] = "its directory cannot be read";
    TIFF *tiff = open_tiff(&source);
    if (!tiff)
        return wi_fail(error, WI_ERR_FORMAT, "tiff: the file is damaged (%.100s)",
                       reason(&source, text));
    bool found = in->exact || find_page(tiff); /* Pillow shows the first */
    source.message[0] = '\0';
    wi_status status = read_page(tiff, &source, out, error);
    if (status == WI_OK && !found)
        wi_image_warn(*out, "the file is damaged: only a thumbnail can be read");
    TIFFClose(tiff);
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    const wi_kind *kind = wi_kind_of(bytes, n_bytes);
    return kind && kind->family == WI_FAMILY_TIFF;
}

const wi_decoder wi_decoder_tiff = {"tiff", probe, decode};
