#include "jpeg.h"
#include "../store/fail.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct writer {
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
} writer;

static void give_up(j_common_ptr codec)
{
    longjmp(((writer *)codec->client_data)->failed, 1);
}

/* *out is the codec's until it has finished. False: memory is out. */
static bool write_rows(writer *w, const uint8_t *rgb, uint32_t stride_px, unsigned char **out,
                       unsigned long *n_out)
{
    if (setjmp(w->failed)) {
        jpeg_destroy_compress(&w->codec);
        return false;
    }
    jpeg_mem_dest(&w->codec, out, n_out);
    jpeg_start_compress(&w->codec, TRUE);
    while (w->codec.next_scanline < w->codec.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)w->codec.next_scanline * stride_px * 3);
        jpeg_write_scanlines(&w->codec, &row, 1);
    }
    jpeg_finish_compress(&w->codec);
    jpeg_destroy_compress(&w->codec);
    return true;
}

static bool begin(writer *w, uint32_t width_px, uint32_t height_px, int quality)
{
    w->codec.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = give_up;
    w->codec.client_data = w;
    if (setjmp(w->failed)) {
        jpeg_destroy_compress(&w->codec);
        return false;
    }
    jpeg_create_compress(&w->codec);
    w->codec.image_width = width_px;
    w->codec.image_height = height_px;
    w->codec.input_components = 3;
    w->codec.in_color_space = JCS_RGB;
    jpeg_set_defaults(&w->codec);
    jpeg_set_quality(&w->codec, quality, TRUE);
    w->codec.optimize_coding = TRUE;
    return true;
}

wi_status srv_jpeg_write(const uint8_t *rgb, uint32_t width_px, uint32_t height_px,
                         uint32_t stride_px, int quality, uint8_t **out, size_t *n_out,
                         wi_error *error)
{
    writer w = {0};
    unsigned char *bytes = NULL;
    unsigned long n_bytes = 0;
    if (width_px == 0 || height_px == 0 || width_px > JPEG_MAX_DIMENSION ||
        height_px > JPEG_MAX_DIMENSION || stride_px < width_px) {
        return store_fail(error, WI_ERR_ARG, "a JPEG of %u x %u pixels", (unsigned)width_px,
                          (unsigned)height_px);
    }
    if (!begin(&w, width_px, height_px, quality) ||
        !write_rows(&w, rgb, stride_px, &bytes, &n_bytes)) {
        free(bytes);
        return store_fail(error, WI_ERR_NOMEM, "out of memory for a small picture");
    }
    *out = bytes;
    *n_out = n_bytes;
    return WI_OK;
}
