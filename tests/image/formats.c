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

/* Those of photographers lie apart. */
static const char *path_of(const char *name, char path[1024])
{
    bool apart = strstr(name, "tif") || strstr(name, ".jxl") || strstr(name, ".dng");
    snprintf(path, 1024, "%s/tests/image/%s/%s", WHATSIT_SOURCE_DIR,
             apart ? "photographers" : "data", name);
    return path;
}

static wi_image *open_named(const char *name, const wi_image_options *options)
{
    char path[1024];
    wi_image *image = NULL;
    wi_error error = {0};
    wi_status status = wi_image_from_file(path_of(name, path), options, &image, &error);
    bool is_read;
    wi_image_name(name, &is_read);
    if (status != WI_OK && !is_read) {
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

/* ---- files of photographers ---- */

typedef struct photographed {
    const char *name;
    const char *like; /* the picture that it was made from */
    int orientation;  /* of the one to the other */
    double most;      /* mean difference of the bytes */
} photographed;

static void compare_photo(const photographed *photo, const wi_image_options *options,
                          int orientation)
{
    wi_image *image = open_named(photo->name, options), *original = open_named(photo->like, NULL);
    const uint8_t *a, *b;
    uint32_t width, height;
    assert_int_equal(wi_image_orient(original, orientation, NULL), WI_OK);
    assert_int_equal(wi_image_width(image), wi_image_width(original));
    assert_int_equal(wi_image_height(image), wi_image_height(original));
    assert_int_equal(wi_image_rgb(image, &a, &width, &height, NULL), WI_OK);
    assert_int_equal(wi_image_rgb(original, &b, &width, &height, NULL), WI_OK);
    double difference = mean_difference(a, b, (size_t)width * height * 3);
    if (difference > photo->most)
        fail_msg("%s: mean difference to the original %.3f", photo->name, difference);
    wi_image_close(&image);
    wi_image_close(&original);
}

static void compare_photos(const photographed *photos, size_t n)
{
    const wi_image_options keep = {.ignore_exif = true};
    for (size_t i = 0; i < n; i++) {
        compare_photo(&photos[i], NULL, photos[i].orientation);
        compare_photo(&photos[i], &keep, 1);
    }
}

static void refuse(const char *name, wi_status expected, const char *why)
{
    char path[1024];
    bool is_read;
    wi_image *image = NULL;
    wi_error error = {0};
    wi_status status = wi_image_from_file(path_of(name, path), NULL, &image, &error);
    wi_image_name(name, &is_read);
    assert_null(image);
    if (is_read && (status != expected || !strstr(error.message, why)))
        fail_msg("%s: '%s' where '%s' was expected", name, error.message, why);
    assert_int_not_equal(status, WI_OK);
    if (!is_read)
        assert_non_null(strstr(error.message, "which is not read"));
}

/* cut.tif: the last rows are the first of those that are missing. */
static void test_tiff(void **state)
{
    (void)state;
    static const photographed photos[] = {
        {"rgb.tif", "lossless.webp", 1, 0},    {"turned6.tif", "lossless.webp", 6, 0},
        {"tiled.tif", "lossless.webp", 1, 0},  {"rgb16.tif", "lossless.webp", 1, 0},
        {"planar.tif", "lossless.webp", 1, 0}, {"big.tif", "lossless.webp", 1, 0},
        {"ink.tif", "lossless.webp", 1, 0},    {"palette.tif", "palette_tif.png", 1, 0},
        {"grey.tif", "grey_tif.png", 1, 0},    {"lines.tif", "lines_tif.png", 1, 0},
        {"alpha.tif", "alpha_tif.png", 1, 1},  {"thumbnail_first.tif", "lossless.webp", 1, 0},
        {"cut.tif", "cut_tif.png", 1, 0}};
    compare_photos(photos, sizeof photos / sizeof photos[0]);
    wi_image *cut = open_named("cut.tif", NULL);
    assert_non_null(strstr(wi_image_warning(cut, 0), "truncated"));
    wi_image_close(&cut);
    refuse("cut_short.tif", WI_ERR_FORMAT, "truncated");
    refuse("floats.tif", WI_ERR_UNSUPPORTED, "32-bit samples");
    const wi_image_options small = {.max_pixels = 100};
    wi_error error = {0};
    char path[1024];
    assert_int_equal(wi_image_from_file(path_of("rgb.tif", path), &small, &cut, &error),
                     WI_ERR_LIMIT);
}

static void test_jxl(void **state)
{
    (void)state;
    static const photographed photos[] = {{"lossless.jxl", "lossless.webp", 1, 0},
                                          {"turned6.jxl", "lossless.webp", 6, 0},
                                          {"grey.jxl", "grey_tif.png", 1, 0},
                                          {"alpha.jxl", "alpha_tif.png", 1, 0},
                                          {"lossy.jxl", "lossless.webp", 1, 16}};
    compare_photos(photos, sizeof photos / sizeof photos[0]);
    refuse("cut.jxl", WI_ERR_FORMAT, "truncated");
}

static void test_raw(void **state)
{
    (void)state;
    static const photographed photos[] = {{"preview.dng", "lossless.webp", 1, 6},
                                          {"turned6.dng", "lossless.webp", 6, 6},
                                          {"bitmap.dng", "lossless.webp", 1, 0}};
    compare_photos(photos, sizeof photos / sizeof photos[0]);
    wi_image *image = open_named("preview.dng", NULL);
    assert_string_equal(wi_image_format(image), "camera-raw");
    wi_image_close(&image);
    refuse("no_preview.dng", WI_ERR_UNSUPPORTED, "no preview");
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        wi_name_kind kind;
    } names[] = {{"a.JPG", WI_NAME_PICTURE}, {"a.b.tiff", WI_NAME_PICTURE},
                 {"a.HIF", WI_NAME_PICTURE}, {"a.svg", WI_NAME_PICTURE},
                 {"a.MPO", WI_NAME_PICTURE}, {"a.mos", WI_NAME_RAW},
                 {"a.NEF", WI_NAME_RAW},     {"a.mov", WI_NAME_VIDEO},
                 {"a.AAE", WI_NAME_SIDECAR}, {"a.jpg.xmp", WI_NAME_SIDECAR},
                 {"a.txt", WI_NAME_OTHER},   {"jpg", WI_NAME_OTHER},
                 {"", WI_NAME_OTHER},        {NULL, WI_NAME_OTHER}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(wi_image_name(names[i].name, NULL), names[i].kind);
    bool is_read = false;
    wi_image_name("x.JPEG", &is_read);
    assert_true(is_read);
    wi_image_name("x.svg", &is_read);
    assert_false(is_read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaled), cmocka_unit_test(test_small_jpeg_is_never_scaled),
        cmocka_unit_test(test_heif),   cmocka_unit_test(test_tiff),
        cmocka_unit_test(test_jxl),    cmocka_unit_test(test_raw),
        cmocka_unit_test(test_names)};
    return cmocka_run_group_tests_name("image formats", tests, NULL, NULL);
}
