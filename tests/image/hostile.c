/* Bytes that lie: cut short, zeroed, oversized, looping. Each gives an error or a picture, never a
 * crash, and the error says something. Run under a sanitizer for the full worth. */
#include "image/decode.h"
#include "image/exif.h"
#include "image/pictures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Opens a copy of exactly n_bytes; also resizes what opened. */
static wi_status try_bytes(const uint8_t *bytes, size_t n_bytes, const wi_image_options *options,
                           wi_error *error)
{
    uint8_t *copy = malloc(n_bytes ? n_bytes : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n_bytes);
    wi_image *image = NULL;
    wi_status status = wi_image_from_memory(copy, n_bytes, options, &image, error);
    free(copy);
    if (status == WI_OK) {
        uint8_t out[8 * 8 * 3];
        wi_preprocess how = {.size_px = 8};
        assert_non_null(image);
        assert_int_equal(wi_image_preprocess(NULL, image, &how, out, NULL), WI_OK);
    } else {
        assert_null(image);
        assert_int_equal(error->status, status);
        assert_true(error->message[0] != '\0');
    }
    wi_image_close(&image);
    return status;
}

static void test_truncated(void **state)
{
    (void)state;
    size_t n;
    picture_file *files = pictures_read(&n);
    wi_image_options careful = {.strict = true};
    for (size_t i = 0; i < n; i++) {
        size_t n_good = 0;
        /* Every length of a small file; of a bigger one every 7th (or 61st: RAW photos cost more to
         * open), and every one near the ends. */
        size_t step = files[i].n_bytes > 4000 ? 61 : 7;
        for (size_t length = 0; length < files[i].n_bytes; length++) {
            bool near = length < 300 || files[i].n_bytes - length < 100;
            if (files[i].n_bytes > 2000 && !near && length % step)
                continue;
            wi_error error = {0};
            bool strict = try_bytes(files[i].bytes, length, &careful, &error) == WI_OK;
            n_good += strict;
            if (length % 8 == 0) {
                bool read = try_bytes(files[i].bytes, length, NULL, &error) == WI_OK;
                assert_true(read || !strict);
            }
        }
        /* Only what follows the pixels may be missing: an end marker, a late EXIF block. */
        if (n_good > 64)
            fail_msg("%s opens at %zu truncated lengths", files[i].name, n_good);
    }
    pictures_free(files, n);
}

static void test_damaged(void **state)
{
    (void)state;
    size_t n;
    picture_file *files = pictures_read(&n);
    wi_image_options options = {.max_pixels = 1 << 16, .target_px = 2};
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        for (int round = 0; round < 60; round++) {
            uint8_t kept[4];
            size_t at[4];
            for (int k = 0; k < 4; k++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                size_t span = random >> 60 & 1 && files[i].n_bytes > 64 ? 64 : files[i].n_bytes;
                at[k] = random % span;
                kept[k] = files[i].bytes[at[k]];
                files[i].bytes[at[k]] = (uint8_t)(random >> 40);
            }
            wi_error error = {0};
            try_bytes(files[i].bytes, files[i].n_bytes, &options, &error);
            for (int k = 3; k >= 0; k--)
                files[i].bytes[at[k]] = kept[k];
        }
    }
    pictures_free(files, n);
}

static void expect(const char *what, const uint8_t *bytes, size_t n_bytes, wi_status wanted)
{
    wi_error error = {0};
    wi_image_options careful = {.strict = true};
    wi_status status = try_bytes(bytes, n_bytes, &careful, &error);
    if (status != wanted)
        fail_msg("%s: %s (%s) where %s was expected", what, wi_status_name(status), error.message,
                 wi_status_name(wanted));
}

static const picture_file *named(const picture_file *files, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    fail_msg("no picture %s", name);
    return NULL;
}

static uint32_t crc_of(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int b = 0; b < 8; b++)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A PNG whose header claims another size, checksum and all. */
static void png_claim(uint8_t *png, uint32_t width, uint32_t height)
{
    put_be32(png + 16, width);
    put_be32(png + 20, height);
    put_be32(png + 29, crc_of(png + 12, 17));
}

static void test_png_lies(void **state)
{
    (void)state;
    size_t n;
    picture_file *files = pictures_read(&n);
    const picture_file *png = named(files, n, "png_c2_d8.png");
    uint8_t *bytes = png->bytes;
    bytes[29] ^= 1;
    expect("wrong header checksum", bytes, png->n_bytes, WI_ERR_FORMAT);
    bytes[29] ^= 1;
    bytes[60] ^= 1;
    expect("damaged data", bytes, png->n_bytes, WI_ERR_FORMAT);
    bytes[60] ^= 1;
    png_claim(bytes, 0, 23);
    expect("zero width", bytes, png->n_bytes, WI_ERR_FORMAT);
    png_claim(bytes, 50000, 50000);
    expect("bomb", bytes, png->n_bytes, WI_ERR_LIMIT);
    png_claim(bytes, 0x7FFFFFFF, 0x7FFFFFFF);
    expect("largest bomb", bytes, png->n_bytes, WI_ERR_LIMIT);
    png_claim(bytes, 37, 24);
    expect("one row too many", bytes, png->n_bytes, WI_ERR_FORMAT);
    pictures_free(files, n);
}

static void test_other_lies(void **state)
{
    (void)state;
    size_t n;
    picture_file *files = pictures_read(&n);
    picture_file jpeg = *named(files, n, "rgb444.jpg"),
                 bmp = *named(files, n, "bits24_top_down.bmp");
    for (size_t i = 2; i + 9 < jpeg.n_bytes; i++)
        if (jpeg.bytes[i] == 0xFF && jpeg.bytes[i + 1] == 0xC0) {
            memset(jpeg.bytes + i + 5, 0xEF, 4);
            expect("jpeg bomb", jpeg.bytes, jpeg.n_bytes, WI_ERR_LIMIT);
            memset(jpeg.bytes + i + 5, 0, 4);
            expect("jpeg without pixels", jpeg.bytes, jpeg.n_bytes, WI_ERR_FORMAT);
            break;
        }
    memset(bmp.bytes + 18, 0xFF, 3);
    expect("bmp bomb", bmp.bytes, bmp.n_bytes, WI_ERR_LIMIT);
    memset(bmp.bytes + 18, 0, 4);
    expect("bmp without width", bmp.bytes, bmp.n_bytes, WI_ERR_FORMAT);
    bmp.bytes[18] = 37;
    memset(bmp.bytes + 22, 0, 4);
    bmp.bytes[25] = 0x80; /* -2^31 rows */
    expect("bmp of 2^31 rows", bmp.bytes, bmp.n_bytes, WI_ERR_LIMIT);
    bmp.bytes[28] = 7;
    expect("bmp of 7 bits", bmp.bytes, bmp.n_bytes, WI_ERR_UNSUPPORTED);
    pictures_free(files, n);
}

static void test_not_pictures(void **state)
{
    (void)state;
    static const uint8_t zeros[64] = {0}, text[] = "GIF pictures are nice, but this is a text";
    expect("empty", zeros, 0, WI_ERR_FORMAT);
    expect("zeros", zeros, sizeof zeros, WI_ERR_FORMAT);
    expect("text", text, sizeof text, WI_ERR_FORMAT);
    expect("only a signature", (const uint8_t *)"GIF89a", 6, WI_ERR_FORMAT);
    expect("only a signature", (const uint8_t *)"BM", 2, WI_ERR_FORMAT);
    expect("only a signature", (const uint8_t *)"\xFF\xD8\xFF", 3, WI_ERR_FORMAT);
}

static void test_limit(void **state)
{
    (void)state;
    size_t n;
    picture_file *files = pictures_read(&n);
    for (size_t i = 0; i < n; i++) {
        wi_image_options options = {.max_pixels = 1000000};
        wi_error error = {0};
        assert_int_equal(try_bytes(files[i].bytes, files[i].n_bytes, &options, &error), WI_OK);
        if (strncmp(files[i].name, "size_", 5) == 0)
            continue;
        options.max_pixels = 37 * 23 - 1;
        wi_status status = try_bytes(files[i].bytes, files[i].n_bytes, &options, &error);
        if (status != WI_ERR_LIMIT)
            fail_msg("%s: %s", files[i].name, wi_status_name(status));
    }
    pictures_free(files, n);
}

static void test_exif(void **state)
{
    (void)state;
    uint8_t tiff[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6};
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 6);
    for (size_t n = 0; n < 22; n++) /* the entry is not whole */
        assert_int_equal(wi_exif_orientation_tiff(tiff, n), 1);
    tiff[18] = 9;
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 1);
    tiff[18] = 6;
    tiff[12] = 4; /* LONG, as some phones write it */
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 6);
    tiff[12] = 2; /* text */
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 1);
    tiff[12] = 3;
    tiff[10] = 0; /* another tag, and more entries than there are bytes */
    tiff[8] = tiff[9] = 0xFF;
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 1);
    memset(tiff + 4, 0xFF, 4); /* the directory is outside */
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 1);
    memset(tiff + 4, 0, 4); /* the directory is the header itself */
    assert_int_equal(wi_exif_orientation_tiff(tiff, sizeof tiff), 1);
}

static void test_arguments(void **state)
{
    (void)state;
    static const uint8_t rgb[12] = {0};
    uint8_t out[3];
    wi_error error = {0};
    wi_image *image = NULL;
    assert_int_equal(wi_image_from_memory(NULL, 4, NULL, &image, &error), WI_ERR_ARG);
    assert_int_equal(wi_image_from_memory(rgb, 4, NULL, NULL, NULL), WI_ERR_ARG);
    assert_int_equal(wi_image_from_file(NULL, NULL, &image, NULL), WI_ERR_ARG);
    assert_int_equal(wi_image_from_file("/nonexistent/x.png", NULL, &image, &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, "/nonexistent/x.png"));
    assert_int_equal(wi_image_from_file("/", NULL, &image, &error), WI_ERR_IO);
    assert_int_equal(wi_image_from_rgb(rgb, 0, 2, &image, NULL), WI_ERR_ARG);
    assert_int_equal(wi_image_from_rgb(rgb, 2, 2, &image, NULL), WI_OK);
    assert_string_equal(wi_image_format(image), "raw");
    wi_preprocess how = {.size_px = 0};
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_ERR_ARG);
    how.size_px = 1;
    how.mode = (wi_resize_mode)7;
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_ERR_ARG);
    wi_image_close(&image);
    assert_null(image);
    wi_image_close(&image);
    wi_image_close(NULL);
}

/* A strip so thin that its resized side would overflow every size. */
static void test_thin(void **state)
{
    (void)state;
    uint32_t length = 3000000;
    uint8_t *rgb = calloc(length, 3), *out = malloc(224 * 224 * 3);
    assert_non_null(rgb);
    assert_non_null(out);
    wi_image *image = NULL;
    assert_int_equal(wi_image_from_rgb(rgb, 1, length, &image, NULL), WI_OK);
    wi_preprocess how = {.size_px = 224};
    wi_error error = {0};
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_ERR_LIMIT);
    how.size_px = 20;
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_OK);
    how.mode = WI_RESIZE_SQUASH;
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_OK);
    how.mode = WI_RESIZE_LONGEST;
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_OK);
    how.mode = WI_RESIZE_HALFWAY;
    assert_int_equal(wi_image_preprocess(NULL, image, &how, out, &error), WI_OK);
    wi_image_close(&image);
    free(rgb);
    free(out);
}

static void test_area(void **state)
{
    (void)state;
    static const struct {
        wi_resize_mode mode;
        double width, height;
        wi_input_area area;
    } cases[] = {
        {WI_RESIZE_CROP, 40, 10, {15, 0, 10, 10}},     {WI_RESIZE_SQUASH, 40, 10, {0, 0, 40, 10}},
        {WI_RESIZE_LONGEST, 40, 10, {0, -15, 40, 40}}, {WI_RESIZE_NONE, 40, 10, {16, 1, 8, 8}},
        {WI_RESIZE_HALFWAY, 40, 10, {10, 0, 20, 10}},  {WI_RESIZE_HALFWAY, 10, 40, {0, 10, 10, 20}},
        {WI_RESIZE_HALFWAY, 7, 7, {0, 0, 7, 7}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const wi_preprocess how = {.size_px = 8, .mode = cases[i].mode};
        const wi_input_area area = wi_preprocess_area(&how, cases[i].width, cases[i].height);
        assert_memory_equal(&area, &cases[i].area, sizeof area);
    }
    const wi_preprocess narrow = {.size_px = 6, .resize_px = 8};
    const wi_input_area area = wi_preprocess_area(&narrow, 16, 32);
    assert_memory_equal(&area, &((wi_input_area){2, 10, 12, 12}), sizeof area);
    assert_true(wi_preprocess_area(NULL, 4, 4).width == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),    cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_png_lies),     cmocka_unit_test(test_other_lies),
        cmocka_unit_test(test_not_pictures), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_exif),         cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_area),         cmocka_unit_test(test_thin)};
    return cmocka_run_group_tests_name("image hostile", tests, NULL, NULL);
}
