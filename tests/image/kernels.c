/* Every ISA's inner loops against the scalar ones, and both against a plain double-loop resize of
 * whole pictures; sizes around the vector widths, primes, one pixel. */
#include "base/mem.h"
#include "image/preprocess.h"
#include "kern/ref/ref.h"
#include "kern/variants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 0x9E3779B97F4A7C15u;

static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static wi_image *random_image(wi_pixel_mode mode, uint32_t width, uint32_t height)
{
    wi_image *image = NULL;
    assert_int_equal(wi_image_new(mode, width, height, "raw", &image, NULL), WI_OK);
    bool hard = next_random() % 2; /* only black and white: the largest overshoot */
    for (size_t i = 0; i < image->stride_bytes * height; i++) {
        uint8_t value = (uint8_t)(next_random() >> 8);
        image->pixels[i] = hard || mode == WI_MODE_BILEVEL ? (value & 1 ? 255 : 0) : value;
    }
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 3; c++)
            image->palette[i][c] = (uint8_t)(next_random() >> 8);
    return image;
}

/* One pass over a whole picture as the documentation of Pillow's resampler reads, for one channel
 * plane. */
static void plain_pass(const uint8_t *in, size_t in_step, const wi_taps *taps, uint8_t *out,
                       size_t out_step)
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        int64_t sum = 1 << (WI_TAPS_PRECISION_BITS - 1);
        for (uint32_t k = 0; k < taps->n_taps[i]; k++)
            sum += (int64_t)taps->weights[(size_t)i * taps->stride + k] *
                   in[(taps->first[i] + k) * in_step];
        int64_t value = sum >> WI_TAPS_PRECISION_BITS;
        out[i * out_step] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

/* Whole RGB picture squashed to size x size: both passes in full, no band, no crop. */
static uint8_t *plain_squash(const wi_image *image, uint32_t size, wi_interpolation interpolation)
{
    wi_axis x = {image->width_px, size, 0, size, 0, image->width_px};
    wi_axis y = {image->height_px, size, 0, size, 0, image->height_px};
    wi_taps taps_x = {0}, taps_y = {0};
    assert_int_equal(wi_taps_make(&x, interpolation, &taps_x, NULL), WI_OK);
    assert_int_equal(wi_taps_make(&y, interpolation, &taps_y, NULL), WI_OK);
    uint8_t *middle = malloc((size_t)size * image->height_px * 3);
    uint8_t *out = malloc((size_t)size * size * 3);
    assert_non_null(middle);
    assert_non_null(out);
    for (uint32_t row = 0; row < image->height_px; row++)
        for (size_t c = 0; c < 3; c++)
            plain_pass(image->pixels + row * image->stride_bytes + c, 3, &taps_x,
                       middle + (size_t)row * size * 3 + c, 3);
    for (size_t column = 0; column < (size_t)size * 3; column++)
        plain_pass(middle + column, (size_t)size * 3, &taps_y, out + column, (size_t)size * 3);
    free(middle);
    wi_taps_free(&taps_x);
    wi_taps_free(&taps_y);
    return out;
}

static const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 64, 67, 127};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static void test_scalar_is_plain(void **state)
{
    (void)state;
    for (int round = 0; round < 120; round++) {
        uint32_t width = sizes[next_random() % N_SIZES], height = sizes[next_random() % N_SIZES];
        wi_preprocess how = {.size_px = sizes[next_random() % N_SIZES], .mode = WI_RESIZE_SQUASH};
        how.interpolation = next_random() % 2 ? WI_BILINEAR : WI_BICUBIC;
        if (how.size_px == width || how.size_px == height)
            continue; /* that pass is skipped; the reference pictures cover it */
        wi_image *image = random_image(WI_MODE_RGB, width, height);
        uint8_t *expected = plain_squash(image, how.size_px, how.interpolation);
        size_t n_bytes = (size_t)how.size_px * how.size_px * 3;
        uint8_t *out = malloc(n_bytes);
        assert_non_null(out);
        assert_int_equal(wi_preprocess_run(image, &how, &wi_kern_ref, out, NULL), WI_OK);
        assert_memory_equal(out, expected, n_bytes);
        free(out);
        free(expected);
        wi_image_free(image);
    }
}

static void compare_one(const wi_image *image, const wi_preprocess *how, const char *isa,
                        const wi_kern *kernels)
{
    size_t n_bytes = (size_t)how->size_px * how->size_px * 3;
    uint8_t *a = malloc(n_bytes), *b = malloc(n_bytes + 1);
    assert_non_null(a);
    assert_non_null(b);
    b[n_bytes] = 0x5A;
    assert_int_equal(wi_preprocess_run(image, how, &wi_kern_ref, a, NULL), WI_OK);
    assert_int_equal(wi_preprocess_run(image, how, kernels, b, NULL), WI_OK);
    if (memcmp(a, b, n_bytes) != 0)
        fail_msg("%s differs from scalar: mode %d, %u x %u to %u, resize mode %d", isa,
                 (int)image->mode, image->width_px, image->height_px, how->size_px, (int)how->mode);
    assert_int_equal(b[n_bytes], 0x5A);
    free(a);
    free(b);
}

static void compare_many(const char *isa, const wi_kern *kernels)
{
    print_message("%s against scalar\n", isa);
    for (int round = 0; round < 1500; round++) {
        uint32_t width = round % 4 ? sizes[next_random() % N_SIZES] : 1 + next_random() % 300;
        uint32_t height = round % 4 ? sizes[next_random() % N_SIZES] : 1 + next_random() % 300;
        wi_preprocess how = {.size_px = 1 + next_random() % 70};
        how.mode = (wi_resize_mode)(next_random() % 5);
        how.interpolation = next_random() % 2 ? WI_BILINEAR : WI_BICUBIC;
        how.rgb_first = next_random() % 4 == 0;
        how.resize_px = next_random() % 3 ? 0 : 1 + next_random() % 90;
        how.fill = (uint8_t)next_random();
        wi_image *image = random_image((wi_pixel_mode)(next_random() % 7), width, height);
        compare_one(image, &how, isa, kernels);
        wi_image_free(image);
    }
}

/* Every table that is compiled in, has resampling of its own and can run here. */
static void test_isas_equal_scalar(void **state)
{
    (void)state;
    const wi_cpu_features here = wi_cpu_detect();
    int n_isas = 0;
#define X(isa, need, table)                                                                        \
    if (table.resample_along && table.resample_down && (here & (need)) == (need)) {                \
        compare_many(isa, &table);                                                                 \
        n_isas++;                                                                                  \
    }
    WI_KERN_VARIANTS(X)
#undef X
    (void)here;
    if (n_isas == 0) {
        print_message("only scalar loops on this machine: skipped\n");
        skip();
    }
}

/* Orientation o of the picture 1 2 3 / 4 5 6, as Pillow's ImageOps.exif_transpose turns it. */
static void test_orientations(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        uint8_t pixels[6];
    } expected[9] = {
        {3, 2, {1, 2, 3, 4, 5, 6}}, {3, 2, {1, 2, 3, 4, 5, 6}}, {3, 2, {3, 2, 1, 6, 5, 4}},
        {3, 2, {6, 5, 4, 3, 2, 1}}, {3, 2, {4, 5, 6, 1, 2, 3}}, {2, 3, {1, 4, 2, 5, 3, 6}},
        {2, 3, {4, 1, 5, 2, 6, 3}}, {2, 3, {6, 3, 5, 2, 4, 1}}, {2, 3, {3, 6, 2, 5, 1, 4}},
    };
    for (int o = 0; o < 9; o++) {
        for (int mode = WI_MODE_BILEVEL; mode <= WI_MODE_CMYK; mode++) {
            wi_image *image = NULL;
            assert_int_equal(wi_image_new((wi_pixel_mode)mode, 3, 2, "raw", &image, NULL), WI_OK);
            uint32_t channels = wi_image_channels(image->mode);
            for (uint32_t i = 0; i < 6; i++)
                memset(image->pixels + i * channels, (int)i + 1, channels);
            assert_int_equal(wi_image_orient(image, o, NULL), WI_OK);
            assert_int_equal(image->width_px, expected[o].width);
            assert_int_equal(image->height_px, expected[o].height);
            assert_int_equal(image->file_width_px, expected[o].width);
            assert_true(image->box_width == expected[o].width && image->box_x == 0);
            for (uint32_t i = 0; i < 6 * channels; i++)
                assert_int_equal(image->pixels[i], expected[o].pixels[i / channels]);
            wi_image_free(image);
        }
    }
}

int main(void)
{
    print_message("seed %llx\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scalar_is_plain),
                                       cmocka_unit_test(test_isas_equal_scalar),
                                       cmocka_unit_test(test_orientations)};
    return cmocka_run_group_tests_name("image kernels", tests, NULL, NULL);
}
