/* Any bytes as a picture: every decoder, EXIF, orientation, the RGB copy. The first byte picks
 * options. */
#include <whatsit/image.h>

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    /* The last byte, not the first, so that the files of the corpus are pictures as they are. */
    uint8_t choice = n_bytes ? bytes[n_bytes - 1] : 0;
    wi_image_options options = {.max_pixels = 1 << 18};
    options.ignore_exif = choice & 1;
    options.target_px = choice & 2 ? 4 : 0;
    options.exact = choice & 4;
    options.strict = choice & 8;
    options.alpha = choice & 16 ? WI_ALPHA_ORIGINAL : WI_ALPHA_GROUND;
    wi_image *image = NULL;
    wi_error error;
    if (wi_image_from_memory(bytes, n_bytes, &options, &image, &error) != WI_OK)
        return 0;
    const uint8_t *rgb;
    uint32_t width_px, height_px;
    volatile uint8_t sink = 0;
    if (wi_image_rgb(image, &rgb, &width_px, &height_px, &error) == WI_OK)
        for (size_t i = 0; i < (size_t)width_px * height_px * 3; i++)
            sink = (uint8_t)(sink ^ rgb[i]); /* reads every byte: a sanitizer sees holes */
    wi_image_close(&image);
    return 0;
}
