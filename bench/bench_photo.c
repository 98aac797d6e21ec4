/* From a JPEG file's bytes to the network's input, one thread, beside what the JPEG decoder takes by itself. One
 * JSON object a photo on standard output.
 *
 *     bench_photo [--size PX] [--runs N] PHOTO.jpg...
 *
 * `decoder` is libjpeg-turbo alone, all pixels to RGB; `exact` is what the command line does (full decoding,
 * Pillow's bicubic, crop); `scaled` lets the decoder shrink where the result stays within 1 of 255. Each round
 * takes the three in turn; medians, and the median of the ratios within a round.
 */
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/whatsit.h>

#include <jpeglib.h>

enum { MAX_RUNS = 101 };

static void die(const char *path, const char *what)
{
    fprintf(stderr, "bench_photo: %s: %s\n", path, what);
    exit(1);
}

static uint8_t *read_all(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path, "cannot be read");
    const long size = ftell(file);
    uint8_t *bytes = size > 0 ? malloc((size_t)size) : NULL;
    rewind(file);
    if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
        die(path, "cannot be read");
    fclose(file);
    *n = (size_t)size;
    return bytes;
}

/* Errors end the program: libjpeg's default handler. */
static double decoder_alone(const uint8_t *bytes, size_t n, double *megapixels)
{
    const double start = seconds_now();
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr errors;
    codec.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&codec);
    jpeg_mem_src(&codec, bytes, n);
    jpeg_read_header(&codec, TRUE);
    codec.out_color_space = JCS_RGB;
    jpeg_start_decompress(&codec);
    const size_t stride = (size_t)codec.output_width * 3;
    uint8_t *pixels = malloc(stride * codec.output_height);
    if (!pixels)
        die("decoder", "out of memory");
    while (codec.output_scanline < codec.output_height) {
        JSAMPROW row = pixels + stride * codec.output_scanline;
        jpeg_read_scanlines(&codec, &row, 1);
    }
    *megapixels = 1e-6 * codec.output_width * codec.output_height;
    jpeg_finish_decompress(&codec);
    jpeg_destroy_decompress(&codec);
    free(pixels);
    return seconds_now() - start;
}

static double to_crop(const char *path, const uint8_t *bytes, size_t n, uint32_t size, bool scaled,
                      uint8_t *out)
{
    const double start = seconds_now();
    const wi_image_options options = {.full_decode = !scaled, .target_px = scaled ? size : 0};
    const wi_preprocess how = {.size_px = size};
    wi_image *image = NULL;
    wi_error error = {0};
    if (wi_image_from_memory(bytes, n, &options, &image, &error) != WI_OK ||
        wi_image_preprocess(NULL, image, &how, out, &error) != WI_OK)
        die(path, error.message);
    wi_image_close(&image);
    return seconds_now() - start;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *t, int n)
{
    qsort(t, (size_t)n, sizeof *t, by_value);
    return t[n / 2];
}

static void bench_photo(const char *path, uint32_t size, int runs)
{
    static double decoder[MAX_RUNS], exact[MAX_RUNS], scaled[MAX_RUNS], ratio[MAX_RUNS],
        scaled_ratio[MAX_RUNS];
    size_t n = 0;
    double megapixels = 0, difference = 0;
    uint8_t *bytes = read_all(path, &n);
    const size_t crop = 3 * (size_t)size * size;
    uint8_t *a = malloc(2 * crop), *b = a + crop;
    if (!a)
        die(path, "out of memory");
    for (int r = -1; r < runs; r++) { /* the first round warms up */
        const int i = r < 0 ? 0 : r;
        decoder[i] = decoder_alone(bytes, n, &megapixels);
        exact[i] = to_crop(path, bytes, n, size, false, a);
        scaled[i] = to_crop(path, bytes, n, size, true, b);
        ratio[i] = exact[i] / decoder[i];
        scaled_ratio[i] = scaled[i] / decoder[i];
    }
    for (size_t i = 0; i < crop; i++)
        difference += abs(a[i] - b[i]);
    printf("{\"bench\":\"photo\",\"file\":\"%s\",\"megapixels\":%.2f,\"bytes\":%zu,\"decoder_ms\":%"
           ".2f,"
           "\"exact_ms\":%.2f,\"of_decoder\":%.2f,\"scaled_ms\":%.2f,\"scaled_of_decoder\":%.2f,"
           "\"scaled_mean_difference\":%.2f}\n",
           strrchr(path, '/') ? strrchr(path, '/') + 1 : path, megapixels, n,
           1e3 * median(decoder, runs), 1e3 * median(exact, runs), median(ratio, runs),
           1e3 * median(scaled, runs), median(scaled_ratio, runs), difference / (double)crop);
    fflush(stdout);
    free(a);
    free(bytes);
}

int main(int argc, char **argv)
{
    uint32_t size = 224;
    int runs = 21, first = 1;
    for (; first + 1 < argc && argv[first][0] == '-'; first += 2) {
        if (strcmp(argv[first], "--size") == 0)
            size = (uint32_t)atoi(argv[first + 1]);
        else if (strcmp(argv[first], "--runs") == 0)
            runs = atoi(argv[first + 1]);
    }
    runs = runs < 1 ? 1 : runs > MAX_RUNS ? MAX_RUNS : runs;
    if (first >= argc || size < 1 || size > 4096) {
        fprintf(stderr, "usage: bench_photo [--size PX] [--runs N] PHOTO.jpg...\n");
        return 2;
    }
    for (int i = first; i < argc; i++)
        bench_photo(argv[i], size, runs);
    return 0;
}
