/* Pictures by Windows' own decoders (Windows Imaging Component): whatever that Windows can read of what the project
 * reads. Pixels come as the file has them and are brought to the project's modes here; how to turn them and their
 * colours is told by the room's own readers, as elsewhere. What Pillow would have made of a file is not known here, so
 * that exact reading is refused. */
#define COBJMACROS
#define INITGUID
#include "image/decode.h"

#include "base/error.h"
#include "base/mem.h"
#include "image/exif.h"
#include "image/kinds.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <wincodec.h>

enum { ROWS_AT_ONCE = 16 };

typedef struct wic {
    const wi_encoded *in;
    const char *format;
    bool initialised;
    IWICImagingFactory *factory;
    IWICStream *stream;
    IWICBitmapDecoder *decoder;
    IWICBitmapFrameDecode *frame;
    IWICBitmapSource *source; /* the frame, or what converts it */
    wi_image *image;
} wic;

/* What a pixel is before it is one of ours. */
typedef struct layout {
    const GUID *name;
    wi_pixel_mode mode;
    unsigned bytes; /* of a pixel */
    unsigned first; /* byte of the first channel */
    unsigned step;  /* bytes from one channel to the next; 2: the high one of each counts */
    bool swapped;   /* blue first */
} layout;

static const layout layouts[] = {
    {&GUID_WICPixelFormat8bppGray, WI_MODE_L, 1, 0, 1, false},
    {&GUID_WICPixelFormat16bppGray, WI_MODE_L, 2, 1, 2, false},
    {&GUID_WICPixelFormat24bppBGR, WI_MODE_RGB, 3, 0, 1, true},
    {&GUID_WICPixelFormat24bppRGB, WI_MODE_RGB, 3, 0, 1, false},
    {&GUID_WICPixelFormat32bppBGRA, WI_MODE_RGBA, 4, 0, 1, true},
    {&GUID_WICPixelFormat32bppRGBA, WI_MODE_RGBA, 4, 0, 1, false},
    {&GUID_WICPixelFormat32bppBGR, WI_MODE_RGB, 4, 0, 1, true},
    {&GUID_WICPixelFormat48bppRGB, WI_MODE_RGB, 6, 1, 2, false},
    {&GUID_WICPixelFormat64bppRGBA, WI_MODE_RGBA, 8, 1, 2, false},
    {&GUID_WICPixelFormat32bppCMYK, WI_MODE_CMYK, 4, 0, 1, false},
};

static const layout *layout_of(const GUID *name)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (IsEqualGUID(layouts[i].name, name))
            return &layouts[i];
    return NULL;
}

/* ---- opening ---- */

/* Those that come with Windows; the others are extensions of its store. */
static bool is_always_there(const char *format)
{
    return strcmp(format, "jpeg") == 0 || strcmp(format, "png") == 0 ||
           strcmp(format, "gif") == 0 || strcmp(format, "tiff") == 0;
}

static wi_status fail_wic(const wic *w, HRESULT code, wi_error *error)
{
    const bool unknown =
        code == WINCODEC_ERR_COMPONENTNOTFOUND || code == WINCODEC_ERR_UNKNOWNIMAGEFORMAT;
    if (code == E_OUTOFMEMORY)
        return wi_fail(error, WI_ERR_NOMEM, "%s: out of memory", w->format);
    if (code == WINCODEC_ERR_STREAMREAD)
        return wi_fail(error, WI_ERR_FORMAT, "%s: the file is truncated", w->format);
    if (unknown && !is_always_there(w->format))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: this Windows has no decoder for it: its store has one, or save the "
                       "picture as JPEG or PNG",
                       w->format);
    return wi_fail(error, WI_ERR_FORMAT, "%s: the file is damaged (0x%08lx)", w->format,
                   (unsigned long)code);
}

static HRESULT open_frame(wic *w)
{
    /* A thread that is another kind of apartment already serves as well. */
    w->initialised = SUCCEEDED(CoInitializeEx(NULL, COINIT_MULTITHREADED));
    HRESULT code = CoCreateInstance(&CLSID_WICImagingFactory, NULL, CLSCTX_INPROC_SERVER,
                                    &IID_IWICImagingFactory, (void **)&w->factory);
    if (SUCCEEDED(code))
        code = IWICImagingFactory_CreateStream(w->factory, &w->stream);
    if (SUCCEEDED(code)) /* which only reads them */
        code = IWICStream_InitializeFromMemory(w->stream, (BYTE *)(uintptr_t)w->in->bytes,
                                               (DWORD)w->in->n_bytes);
    if (SUCCEEDED(code))
        code = IWICImagingFactory_CreateDecoderFromStream(
            w->factory, (IStream *)w->stream, NULL, WICDecodeMetadataCacheOnDemand, &w->decoder);
    if (SUCCEEDED(code))
        code = IWICBitmapDecoder_GetFrame(w->decoder, 0, &w->frame);
    return code;
}

static void close_frame(wic *w)
{
    if (w->source)
        IWICBitmapSource_Release(w->source);
    if (w->frame)
        IWICBitmapFrameDecode_Release(w->frame);
    if (w->decoder)
        IWICBitmapDecoder_Release(w->decoder);
    if (w->stream)
        IWICStream_Release(w->stream);
    if (w->factory)
        IWICImagingFactory_Release(w->factory);
    if (w->initialised)
        CoUninitialize();
}

/* ---- pixels ---- */

static bool has_alpha(const wic *w, const GUID *name)
{
    IWICComponentInfo *info = NULL;
    IWICPixelFormatInfo2 *more = NULL;
    BOOL alpha = FALSE;
    if (SUCCEEDED(IWICImagingFactory_CreateComponentInfo(w->factory, name, &info))) {
        if (SUCCEEDED(IWICComponentInfo_QueryInterface(info, &IID_IWICPixelFormatInfo2,
                                                       (void **)&more))) {
            IWICPixelFormatInfo2_SupportsTransparency(more, &alpha);
            IWICPixelFormatInfo2_Release(more);
        }
        IWICComponentInfo_Release(info);
    }
    return alpha;
}

/* An indexed picture may have a colour that is none. */
static bool has_clear_colour(const wic *w)
{
    IWICPalette *palette = NULL;
    BOOL alpha = FALSE;
    if (SUCCEEDED(IWICImagingFactory_CreatePalette(w->factory, &palette))) {
        if (SUCCEEDED(IWICBitmapFrameDecode_CopyPalette(w->frame, palette)))
            IWICPalette_HasAlpha(palette, &alpha);
        IWICPalette_Release(palette);
    }
    return alpha;
}

/* The layout of w->source: the frame's, or one that Windows brings it to. */
static HRESULT choose_layout(wic *w, const layout **out)
{
    GUID name;
    HRESULT code = IWICBitmapFrameDecode_GetPixelFormat(w->frame, &name);
    if (FAILED(code))
        return code;
    *out = layout_of(&name);
    if (*out) {
        w->source = (IWICBitmapSource *)w->frame;
        IWICBitmapSource_AddRef(w->source);
        return S_OK;
    }
    const bool clear = has_alpha(w, &name) || has_clear_colour(w);
    *out = layout_of(clear ? &GUID_WICPixelFormat32bppBGRA : &GUID_WICPixelFormat32bppBGR);
    return WICConvertBitmapSource(&GUID_WICPixelFormat32bppBGRA, (IWICBitmapSource *)w->frame,
                                  &w->source);
}

static void take_row(const layout *from, const uint8_t *in, size_t n_px, uint8_t *out)
{
    const unsigned channels = wi_image_channels(from->mode);
    for (size_t x = 0; x < n_px; x++, in += from->bytes, out += channels)
        for (unsigned c = 0; c < channels; c++) {
            const unsigned source = from->swapped && c < 3 ? 2 - c : c;
            out[c] = in[from->first + source * from->step];
        }
}

/* Row by row groups, so that a file that ends early gives those that are there. */
static wi_status read_pixels(wic *w, const layout *from, wi_error *error)
{
    wi_image *image = w->image;
    const uint32_t width = image->width_px, height = image->height_px;
    size_t stride, bytes;
    if (!wi_size_mul(width, from->bytes, &stride) || !wi_size_mul(stride, ROWS_AT_ONCE, &bytes) ||
        bytes > INT32_MAX)
        return wi_fail(error, WI_ERR_LIMIT, "%s: the rows are too long", w->format);
    uint8_t *rows = malloc(bytes);
    if (!rows)
        return wi_fail_nomem(error, bytes, "rows of a picture");
    uint32_t y = 0;
    HRESULT code = S_OK;
    while (y < height && SUCCEEDED(code)) {
        const uint32_t n = height - y < ROWS_AT_ONCE ? height - y : ROWS_AT_ONCE;
        const WICRect part = {0, (INT)y, (INT)width, (INT)n};
        code = IWICBitmapSource_CopyPixels(w->source, &part, (UINT)stride, (UINT)bytes, rows);
        for (uint32_t i = 0; i < n && SUCCEEDED(code); i++)
            take_row(from, rows + i * stride, width,
                     image->pixels + (size_t)(y + i) * image->stride_bytes);
        y += SUCCEEDED(code) ? n : 0;
    }
    free(rows);
    if (y == height)
        return WI_OK;
    if (y == 0)
        return fail_wic(w, code, error);
    wi_status status = wi_decode_truncated(image, w->format, y, height, error);
    if (status == WI_OK)
        wi_image_repeat_rows(image, y);
    return status;
}

static wi_status read_profile(wic *w, wi_error *error)
{
    IWICColorContext *context = NULL;
    UINT n = 0, n_bytes = 0;
    WICColorContextType type;
    wi_status status = WI_OK;
    if (FAILED(IWICImagingFactory_CreateColorContext(w->factory, &context)))
        return WI_OK;
    if (SUCCEEDED(IWICBitmapFrameDecode_GetColorContexts(w->frame, 1, &context, &n)) && n > 0 &&
        SUCCEEDED(IWICColorContext_GetType(context, &type)) && type == WICColorContextProfile &&
        SUCCEEDED(IWICColorContext_GetProfileBytes(context, 0, NULL, &n_bytes)) &&
        n_bytes <= WI_IMAGE_MAX_ICC_BYTES) {
        uint8_t *bytes = malloc(n_bytes ? n_bytes : 1);
        if (!bytes)
            status = wi_fail_nomem(error, n_bytes, "a colour profile");
        else if (SUCCEEDED(IWICColorContext_GetProfileBytes(context, n_bytes, bytes, &n_bytes)))
            status = wi_image_set_icc(w->image, bytes, n_bytes, error);
        free(bytes);
    }
    IWICColorContext_Release(context);
    return status;
}

static wi_status read_frame(wic *w, wi_error *error)
{
    UINT width = 0, height = 0;
    const layout *from = NULL;
    HRESULT code = open_frame(w);
    if (SUCCEEDED(code))
        code = IWICBitmapFrameDecode_GetSize(w->frame, &width, &height);
    if (FAILED(code))
        return fail_wic(w, code, error);
    wi_status status = wi_decode_check_size(w->in, w->format, width, height, error);
    if (status != WI_OK)
        return status;
    code = choose_layout(w, &from);
    if (FAILED(code))
        return fail_wic(w, code, error);
    status = wi_image_new(from->mode, width, height, w->format, &w->image, error);
    if (status == WI_OK)
        status = read_pixels(w, from, error);
    return status == WI_OK ? read_profile(w, error) : status;
}

static wi_status decode(const char *format, int (*orientation)(const uint8_t *, size_t),
                        const wi_encoded *in, wi_image **out, wi_error *error)
{
    if (in->exact)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: exact reading is not in the build for Windows, but for BMP", format);
    wic w = {.in = in, .format = format};
    wi_status status = read_frame(&w, error);
    close_frame(&w);
    if (status == WI_OK) {
        w.image->orientation = orientation ? orientation(in->bytes, in->n_bytes) : 0;
        *out = w.image;
    } else {
        wi_image_free(w.image);
    }
    return status;
}

/* ---- the formats ---- */

static bool begins(const uint8_t *bytes, size_t n_bytes, size_t at, const char *with)
{
    const size_t n = strlen(with);
    return n_bytes >= at + n && memcmp(bytes + at, with, n) == 0;
}

static bool probe_jpeg(const uint8_t *bytes, size_t n_bytes)
{
    return begins(bytes, n_bytes, 0, "\xff\xd8\xff");
}

static bool probe_png(const uint8_t *bytes, size_t n_bytes)
{
    return begins(bytes, n_bytes, 0, "\x89PNG\r\n\x1a\n");
}

static bool probe_webp(const uint8_t *bytes, size_t n_bytes)
{
    return begins(bytes, n_bytes, 0, "RIFF") && begins(bytes, n_bytes, 8, "WEBP");
}

static bool probe_gif(const uint8_t *bytes, size_t n_bytes)
{
    return begins(bytes, n_bytes, 0, "GIF87a") || begins(bytes, n_bytes, 0, "GIF89a");
}

static bool probe_heif(const uint8_t *bytes, size_t n_bytes)
{
    static const char *const brands[] = {"heic", "heix", "heim", "heis", "hevc", "hevx",
                                         "mif1", "msf1", "mif2", "avif", "avis"};
    for (size_t i = 0; i < sizeof brands / sizeof brands[0]; i++)
        if (begins(bytes, n_bytes, 4, "ftyp") && begins(bytes, n_bytes, 8, brands[i]))
            return true;
    return false;
}

static bool is_of_family(const uint8_t *bytes, size_t n_bytes, wi_family family)
{
    const wi_kind *kind = wi_kind_of(bytes, n_bytes);
    return kind && kind->family == family;
}

static bool probe_tiff(const uint8_t *bytes, size_t n_bytes)
{
    return is_of_family(bytes, n_bytes, WI_FAMILY_TIFF);
}

static bool probe_jxl(const uint8_t *bytes, size_t n_bytes)
{
    return is_of_family(bytes, n_bytes, WI_FAMILY_JXL);
}

/* HEIC, AVIF and JPEG XL are turned by their decoders. */
#define FORMAT(name, orientation)                                                                  \
    static wi_status decode_##name(const wi_encoded *in, wi_image **out, wi_error *error)          \
    {                                                                                              \
        return decode(#name, orientation, in, out, error);                                         \
    }                                                                                              \
    const wi_decoder wi_decoder_##name = {#name, probe_##name, decode_##name}

FORMAT(jpeg, wi_exif_orientation_jpeg);
FORMAT(png, wi_exif_orientation_png);
FORMAT(webp, wi_exif_orientation_webp);
FORMAT(gif, wi_exif_orientation_gif);
FORMAT(tiff, wi_exif_orientation_tiff);
FORMAT(heif, NULL);
FORMAT(jxl, NULL);
