/* Every allocation of opening, resizing and converting a picture fails once: an error, nothing
 * leaks (run with a sanitizer or valgrind to see), nothing written. */
#include "support/torture.h"
#include "image/pictures.h"

#include <whatsit/image.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_PX = 9 };

static wi_status open_and_prepare(void *context, wi_error *error)
{
    const picture_file *file = context;
    wi_image *image = NULL;
    wi_status status = wi_image_from_memory(file->bytes, file->n_bytes, NULL, &image, error);
    if (status != WI_OK) {
        assert_null(image);
        return status;
    }
    static const wi_preprocess hows[] = {{.size_px = SIZE_PX},
                                         {.size_px = SIZE_PX, .mode = WI_RESIZE_LONGEST, .fill = 9},
                                         {.size_px = SIZE_PX, .rgb_first = true}};
    for (size_t i = 0; i < sizeof hows / sizeof hows[0] && status == WI_OK; i++) {
        uint8_t out[SIZE_PX * SIZE_PX * 3], untouched[sizeof out];
        memset(untouched, 0xA5, sizeof untouched);
        memset(out, 0xA5, sizeof out);
        status = wi_image_preprocess(NULL, image, &hows[i], out, error);
        if (status != WI_OK)
            assert_memory_equal(out, untouched, sizeof out);
    }
    const uint8_t *rgb = NULL;
    uint32_t width, height;
    if (status == WI_OK)
        status = wi_image_rgb(image, &rgb, &width, &height, error);
    wi_image_close(&image);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    size_t n;
    picture_file *files = pictures_read(&n);
    long total = 0;
    for (size_t i = 0; i < n; i++) {
        long failures = torture_run(open_and_prepare, &files[i]);
        assert_true(failures >= 6); /* the wrapping works */
        total += failures;
    }
    print_message("%zu pictures, %ld failing allocations\n", n, total);
    pictures_free(files, n);
}

static wi_status from_file(void *context, wi_error *error)
{
    wi_image *image = NULL;
    wi_status status = wi_image_from_file(context, NULL, &image, error);
    wi_image_close(&image);
    return status;
}

static void test_file(void **state)
{
    (void)state;
    char path[] = WHATSIT_SOURCE_DIR "/tests/image/data/rgb420.jpg";
    assert_true(torture_run(from_file, path) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_file)};
    return cmocka_run_group_tests_name("image torture", tests, NULL, NULL);
}
