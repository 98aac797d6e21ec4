/* Pictures that are not resized: their centre, with black around what is too small, as transformers'
 * center_crop does it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

enum { N = 4, MAX_SIDE = 9 };

static int floor_half(int x)
{
    return x >= 0 ? x / 2 : -((1 - x) / 2);
}

static void centre_of_any_size(void **state)
{
    (void)state;
    const wi_preprocess how = {
        .size_px = N, .mode = WI_RESIZE_NONE, .crop_floor = true, .std = {1, 1, 1}};
    for (int w = 1; w <= MAX_SIDE; w++)
        for (int h = 1; h <= MAX_SIDE; h++) {
            uint8_t rgb[MAX_SIDE * MAX_SIDE * 3], out[N * N * 3];
            wi_image *image = NULL;
            for (int i = 0; i < w * h * 3; i++)
                rgb[i] = (uint8_t)(i + 1);
            assert_int_equal(wi_image_from_rgb(rgb, (uint32_t)w, (uint32_t)h, &image, NULL), WI_OK);
            assert_int_equal(wi_image_preprocess(NULL, image, &how, out, NULL), WI_OK);
            wi_image_close(&image);
            for (int y = 0; y < N; y++)
                for (int x = 0; x < N; x++) {
                    const int sy = y + floor_half(h - N), sx = x + floor_half(w - N);
                    static const uint8_t black[3];
                    const bool inside = sy >= 0 && sy < h && sx >= 0 && sx < w;
                    const uint8_t *expected = inside ? rgb + (sy * w + sx) * 3 : black;
                    assert_memory_equal(out + (y * N + x) * 3, expected, 3);
                }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(centre_of_any_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
