/* What the reference pictures cannot say: scaled JPEG decoding stays near full decoding in every
 * orientation, HEIC and AVIF are turned once. */
#include "image/image.h"
#include "image/pictures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_PX = 3, WIDTH_PX = 37, HEIGHT_PX = 23 };

static wi_image *open_named(const char *name, const wi_image_options *options)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/image/data/%s", WHATSIT_SOURCE_DIR, name);
    wi_image *image = NULL;
    wi_error error = {0};
    wi_status status = wi_image_from_file(path, options, &image, &error);
    if (status == WI_ERR_FORMAT && strstr(error.message, "built without")) {
        print_message("%s: %s: skipped\n", name, error.message);
        skip();
    }
    if (status != WI_OK)
        fail_msg("%s", error.message);
    return image;
}

static double mean_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += abs(a[i] - b[i]);
    return sum / (double)n;
}

static void test_scaled(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb444.jpg", "rgb420.jpg", "progressive.jpg", "grey.jpg",
                                        "cmyk.jpg",   "exif2.jpg",  "exif3.jpg",       "exif4.jpg",
                                        "exif5.jpg",  "exif6.jpg",  "exif7.jpg",       "exif8.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wi_image_options options = {.target_px = SIZE_PX};
        wi_image *scaled = open_named(names[i], &options);
        options.full_decode = true;
        wi_image *full = open_named(names[i], &options);
        uint32_t shorter =
            scaled->width_px < scaled->height_px ? scaled->width_px : scaled->height_px;
        assert_int_equal(shorter, (HEIGHT_PX + 1) / 2);
        assert_int_equal(wi_image_width(scaled), wi_image_width(full));
        assert_int_equal(wi_image_height(scaled), wi_image_height(full));
        assert_int_equal(full->width_px, wi_image_width(full));
        wi_preprocess how = {.size_px = SIZE_PX, .mode = WI_RESIZE_SQUASH};
        uint8_t a[SIZE_PX * SIZE_PX * 3], b[sizeof a];
        assert_int_equal(wi_image_preprocess(NULL, scaled, &how, a, NULL), WI_OK);
        assert_int_equal(wi_image_preprocess(NULL, full, &how, b, NULL), WI_OK);
        /* A picture of noise and hard edges at 3 px: the bound of 1 is for photographs at their
         * sizes. */
        double difference = mean_difference(a, b, sizeof a);
        if (difference > 2)
            fail_msg("%s: scaled decoding is %.2f off", names[i], difference);
        wi_image_close(&scaled);
        wi_image_close(&full);
    }
}

static void test_small_jpeg_is_never_scaled(void **state)
{
    (void)state;
    wi_image_options options = {.target_px = HEIGHT_PX / 3};
    wi_image *image = open_named("rgb444.jpg", &options);
    assert_int_equal(image->width_px, WIDTH_PX);
    wi_image_close(&image);
}

/* Lossy at high quality against the picture it was made from, turned here for EXIF orientation o.
 */
static void compare_heif(const char *name, int orientation, const wi_image_options *options)
{
    wi_image *image = open_named(name, options), *original = open_named("lossless.webp", NULL);
    assert_string_equal(wi_image_format(image), "heif");
    assert_int_equal(wi_image_orient(original, orientation, NULL), WI_OK);
    assert_int_equal(wi_image_width(image), wi_image_width(original));
    assert_int_equal(wi_image_height(image), wi_image_height(original));
    const uint8_t *a, *b;
    uint32_t width, height;
    assert_int_equal(wi_image_rgb(image, &a, &width, &height, NULL), WI_OK);
    assert_int_equal(wi_image_rgb(original, &b, &width, &height, NULL), WI_OK);
    double difference = mean_difference(a, b, (size_t)width * height * 3);
    print_message("%s: mean difference to the original %.2f\n", name, difference);
    assert_true(difference < 16); /* 4:2:0 colour of noise; a wrong turn gives over 100 */
    wi_image_close(&image);
    wi_image_close(&original);
}

static void test_heif(void **state)
{
    (void)state;
    wi_image_options keep = {.ignore_exif = true};
    compare_heif("upright.heic", 1, NULL);
    compare_heif("turned6.heic", 6, NULL);
    compare_heif("turned6.heic", 6, &keep); /* the container's turn is no EXIF */
    compare_heif("upright.avif", 1, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scaled),
                                       cmocka_unit_test(test_small_jpeg_is_never_scaled),
                                       cmocka_unit_test(test_heif)};
    return cmocka_run_group_tests_name("image formats", tests, NULL, NULL);
}
