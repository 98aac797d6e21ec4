/* Makes the HEIC and AVIF files of this folder with libheif: the picture of lossless.webp (from
 * make.py), upright and turned by the container. Licence: Apache-2.0, as the repository. Build by
 * hand: cc make_heif.c $(pkg-config --cflags --libs libheif libwebp) && ./a.out */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libheif/heif.h>
#include <webp/decode.h>

static void check(struct heif_error error)
{
    if (error.code != heif_error_Ok) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
}

static void write_one(const uint8_t *rgb, int width, int height,
                      enum heif_compression_format format, enum heif_orientation orientation,
                      const char *name)
{
    struct heif_context *context = heif_context_alloc();
    struct heif_encoder *encoder;
    struct heif_image *image;
    check(heif_context_get_encoder_for_format(context, format, &encoder));
    check(heif_encoder_set_lossy_quality(encoder, 90));
    check(
        heif_image_create(width, height, heif_colorspace_RGB, heif_chroma_interleaved_RGB, &image));
    check(heif_image_add_plane(image, heif_channel_interleaved, width, height, 8));
    int stride;
    uint8_t *plane = heif_image_get_plane(image, heif_channel_interleaved, &stride);
    for (int y = 0; y < height; y++)
        memcpy(plane + y * stride, rgb + y * width * 3, (size_t)width * 3);
    struct heif_encoding_options *options = heif_encoding_options_alloc();
    options->image_orientation = orientation;
    struct heif_image_handle *handle;
    check(heif_context_encode_image(context, image, encoder, options, &handle));
    /* EXIF says the same turn as the container: a reader that applies both turns twice. */
    uint8_t exif[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                      3,   0,   0, 0,  1, 0, 0, 0, 0, 0, 0, 0,    0};
    exif[19] = (uint8_t)orientation;
    check(heif_context_add_exif_metadata(context, handle, exif, sizeof exif));
    check(heif_context_write_to_file(context, name));
    heif_encoding_options_free(options);
    heif_image_handle_release(handle);
    heif_image_release(image);
    heif_encoder_release(encoder);
    heif_context_free(context);
}

int main(void)
{
    static uint8_t file[1 << 16];
    FILE *stream = fopen("lossless.webp", "rb");
    size_t n = stream ? fread(file, 1, sizeof file, stream) : 0;
    int width, height;
    uint8_t *rgb = WebPDecodeRGB(file, n, &width, &height);
    if (!rgb)
        return 1;
    write_one(rgb, width, height, heif_compression_HEVC, heif_orientation_normal, "upright.heic");
    write_one(rgb, width, height, heif_compression_HEVC, heif_orientation_rotate_90_cw,
              "turned6.heic");
    write_one(rgb, width, height, heif_compression_AV1, heif_orientation_normal, "upright.avif");
    return 0;
}
