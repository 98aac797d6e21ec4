/* PNG files by Windows' own encoder. */
#define COBJMACROS
#define INITGUID
#include "png.h"
#include <stdlib.h>
#include <string.h>
#include <wincodec.h>
#include <windows.h>

static HRESULT write_pixels(IWICBitmapFrameEncode *frame, const uint8_t *rgb, uint32_t width_px,
                            uint32_t height_px)
{
    WICPixelFormatGUID format = GUID_WICPixelFormat24bppBGR;
    const UINT stride = 3 * width_px;
    uint8_t *row = malloc(stride);
    HRESULT code = row ? IWICBitmapFrameEncode_Initialize(frame, NULL) : E_OUTOFMEMORY;
    if (SUCCEEDED(code)) {
        code = IWICBitmapFrameEncode_SetSize(frame, width_px, height_px);
    }
    if (SUCCEEDED(code)) {
        code = IWICBitmapFrameEncode_SetPixelFormat(frame, &format);
    }
    if (SUCCEEDED(code) && !IsEqualGUID(&format, &GUID_WICPixelFormat24bppBGR)) {
        code = WINCODEC_ERR_UNSUPPORTEDPIXELFORMAT;
    }
    for (uint32_t y = 0; y < height_px && SUCCEEDED(code); y++, rgb += stride) {
        for (UINT i = 0; i < stride; i++) {
            row[i] = rgb[i + 2 - 2 * (i % 3)];
        }
        code = IWICBitmapFrameEncode_WritePixels(frame, 1, stride, stride, row);
    }
    free(row);
    return SUCCEEDED(code) ? IWICBitmapFrameEncode_Commit(frame) : code;
}

static HRESULT encode(IWICImagingFactory *factory, IStream *stream, const uint8_t *rgb,
                      uint32_t width_px, uint32_t height_px)
{
    IWICBitmapEncoder *encoder = NULL;
    IWICBitmapFrameEncode *frame = NULL;
    HRESULT code =
        IWICImagingFactory_CreateEncoder(factory, &GUID_ContainerFormatPng, NULL, &encoder);
    if (SUCCEEDED(code)) {
        code = IWICBitmapEncoder_Initialize(encoder, stream, WICBitmapEncoderNoCache);
    }
    if (SUCCEEDED(code)) {
        code = IWICBitmapEncoder_CreateNewFrame(encoder, &frame, NULL);
    }
    if (SUCCEEDED(code)) {
        code = write_pixels(frame, rgb, width_px, height_px);
    }
    if (SUCCEEDED(code)) {
        code = IWICBitmapEncoder_Commit(encoder);
    }
    if (frame) {
        IWICBitmapFrameEncode_Release(frame);
    }
    if (encoder) {
        IWICBitmapEncoder_Release(encoder);
    }
    return code;
}

static void *copy_stream(IStream *stream, size_t *n_bytes)
{
    STATSTG info;
    HGLOBAL memory = NULL;
    void *copy = NULL;
    if (SUCCEEDED(IStream_Stat(stream, &info, STATFLAG_NONAME)) &&
        SUCCEEDED(GetHGlobalFromStream(stream, &memory))) {
        *n_bytes = (size_t)info.cbSize.QuadPart;
        copy = malloc(*n_bytes);
        const void *bytes = copy ? GlobalLock(memory) : NULL;
        if (bytes) {
            memcpy(copy, bytes, *n_bytes);
            GlobalUnlock(memory);
        } else {
            free(copy);
            copy = NULL;
        }
    }
    return copy;
}

void *cli_png_encode(const uint8_t *rgb, uint32_t width_px, uint32_t height_px, size_t *n_bytes)
{
    IWICImagingFactory *factory = NULL;
    IStream *stream = NULL;
    void *bytes = NULL;
    const bool initialised = SUCCEEDED(CoInitializeEx(NULL, COINIT_MULTITHREADED));
    if (SUCCEEDED(CoCreateInstance(&CLSID_WICImagingFactory, NULL, CLSCTX_INPROC_SERVER,
                                   &IID_IWICImagingFactory, (void **)&factory)) &&
        SUCCEEDED(CreateStreamOnHGlobal(NULL, TRUE, &stream)) &&
        SUCCEEDED(encode(factory, stream, rgb, width_px, height_px))) {
        bytes = copy_stream(stream, n_bytes);
    }
    if (stream) {
        IStream_Release(stream);
    }
    if (factory) {
        IWICImagingFactory_Release(factory);
    }
    if (initialised) {
        CoUninitialize();
    }
    return bytes;
}
