/* Any size, mode and pixels through every way of resizing: no fault, and the best kernels' bytes
 * equal the scalar ones'. The first 12 bytes pick the case, the rest are pixels. */
#include "image/preprocess.h"
#include "kern/ref/ref.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static wi_image *make_image(const uint8_t *head, const uint8_t *pixels, size_t n_pixels)
{
    uint32_t width = 1u + head[0] + (head[1] & 3) * 256u,
             height = 1u + head[2] + (head[3] & 3) * 256u;
    if ((head[3] & 0xF0) == 0xF0) /* strips */
        width = 1u + (width & 3);
    wi_image *image = NULL;
    if (wi_image_new((wi_pixel_mode)(head[4] % 7), width, height, "raw", &image, NULL) != WI_OK)
        return NULL;
    for (size_t i = 0; i < image->stride_bytes * height; i++)
        image->pixels[i] = n_pixels ? pixels[i % n_pixels] : (uint8_t)(i * 37);
    return image;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    enum { HEAD_BYTES = 12 };
    if (n_bytes < HEAD_BYTES)
        return 0;
    wi_image *image = make_image(bytes, bytes + HEAD_BYTES, n_bytes - HEAD_BYTES);
    if (!image)
        return 0;
    wi_preprocess how = {.size_px = 1u + bytes[5] % 96, .resize_px = bytes[6] % 128};
    how.mode = (wi_resize_mode)(bytes[7] % 5);
    how.interpolation = bytes[8] & 1 ? WI_BILINEAR : WI_BICUBIC;
    how.rgb_first = bytes[8] & 2;
    how.crop_floor = bytes[8] & 4;
    how.fill = bytes[9];
    size_t n_out = (size_t)how.size_px * how.size_px * 3;
    uint8_t *a = malloc(n_out), *b = malloc(n_out);
    static wi_kern best;
    if (!best.resample_along)
        wi_kern_best(&best);
    if (a && b && wi_image_orient(image, bytes[10] % 10, NULL) == WI_OK) {
        wi_status first = wi_preprocess_run(image, &how, &best, a, NULL);
        wi_status second = wi_preprocess_run(image, &how, &wi_kern_ref, b, NULL);
        if (first != second || (first == WI_OK && memcmp(a, b, n_out) != 0))
            abort();
    }
    free(a);
    free(b);
    wi_image_free(image);
    return 0;
}
