/* Every reference case: decoded pixels by hash, network input byte by byte. */
#include "support/golden.h"

#include "base/sha256.h"
#include "image/decode.h"
#include "image/preprocess.h"
#include "kern/ref/ref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));
    assert_non_null(text);
    return text;
}

/* Pillow 9.4's 16-bit grey clips to 255; we keep the high byte, which has its own variant. */
static bool is_information_only(const json_t *item)
{
    return strcmp(text_of(item, "mode"), "I") == 0 &&
           strcmp(text_of(item, "variant"), "high_byte") != 0;
}

static wi_preprocess how_for(const json_t *item)
{
    const char *variant = text_of(item, "variant");
    wi_preprocess how = {.size_px = (uint32_t)json_integer_value(json_object_get(item, "n_px"))};
    if (strcmp(variant, "squash") == 0)
        how.mode = WI_RESIZE_SQUASH;
    if (strcmp(variant, "longest") == 0)
        how.mode = WI_RESIZE_LONGEST;
    if (strcmp(variant, "halfway") == 0)
        how.mode = WI_RESIZE_HALFWAY;
    how.crop_floor = strcmp(variant, "crop_floor") == 0;
    how.rgb_first = strcmp(variant, "rgb_first") == 0;
    how.resize_px = (uint32_t)json_integer_value(json_object_get(item, "resize_px"));
    how.fill = (uint8_t)json_integer_value(json_object_get(item, "fill"));
    const char *interpolation = json_string_value(json_object_get(item, "interpolation"));
    if (interpolation && strcmp(interpolation, "bilinear") == 0)
        how.interpolation = WI_BILINEAR;
    return how;
}

static wi_image *open_case(const char *pictures, const json_t *item)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", pictures, text_of(item, "file"));
    wi_image_options options = {.exact = true,
                                .ignore_exif = strcmp(text_of(item, "variant"), "exif") != 0};
    wi_image *image = NULL;
    wi_error error = {0};
    if (wi_image_from_file(path, &options, &image, &error) != WI_OK)
        fail_msg("%s", error.message);
    return image;
}

static bool same_decoded(const wi_image *image, const json_t *item)
{
    uint8_t digest[32];
    char hex[65];
    wi_sha256 sha;
    wi_sha256_init(&sha);
    wi_sha256_update(&sha, image->pixels, image->stride_bytes * image->height_px);
    wi_sha256_finish(&sha, digest);
    wi_sha256_hex(digest, hex);
    return strcmp(hex, text_of(item, "decoded_sha256")) == 0;
}

static size_t count_differences(const uint8_t *a, const uint8_t *b, size_t n, int *worst)
{
    size_t n_different = 0;
    *worst = 0;
    for (size_t i = 0; i < n; i++) {
        int difference = abs(a[i] - b[i]);
        n_different += difference != 0;
        *worst = difference > *worst ? difference : *worst;
    }
    return n_different;
}

static bool same_input(const wi_image *image, const json_t *item, const golden_tensors *expected)
{
    wi_preprocess how = how_for(item);
    size_t n_bytes = (size_t)how.size_px * how.size_px * 3, n_expected = 0;
    const uint8_t *reference = golden_tensor(expected, text_of(item, "tensor"), &n_expected);
    assert_non_null(reference);
    assert_int_equal(n_expected, n_bytes);
    uint8_t *out = malloc(n_bytes);
    assert_non_null(out);
    bool same = true;
    wi_kern best;
    wi_kern_best(&best);
    const wi_kern *kernels[2] = {&wi_kern_ref, &best};
    for (int k = 0; k < 2; k++) {
        int worst;
        memset(out, 0xA5, n_bytes);
        assert_int_equal(wi_preprocess_run(image, &how, kernels[k], out, NULL), WI_OK);
        size_t n_different = count_differences(out, reference, n_bytes, &worst);
        if (n_different)
            print_error("%s (%s): %zu of %zu bytes differ, at most by %d\n", text_of(item, "case"),
                        k ? "best" : "scalar", n_different, n_bytes, worst);
        same = same && n_different == 0;
    }
    free(out);
    return same;
}

typedef struct tally {
    int n_run, n_good, n_decoded, n_decoded_good, n_left_out;
} tally;

static void run_case(const char *pictures, const json_t *item, const golden_tensors *expected,
                     tally *sum)
{
    if (is_information_only(item)) {
        sum->n_left_out++;
        return;
    }
    wi_image *image = open_case(pictures, item);
    /* The reference hashes pixels before EXIF orientation, and 16-bit grey as it is in the file. */
    if (strcmp(text_of(item, "variant"), "exif") != 0 && strcmp(text_of(item, "mode"), "I") != 0) {
        bool good = same_decoded(image, item);
        if (!good)
            print_error("%s: decoded pixels differ\n", text_of(item, "case"));
        sum->n_decoded++;
        sum->n_decoded_good += good;
    }
    sum->n_run++;
    sum->n_good += same_input(image, item, expected);
    wi_image_close(&image);
}

static void run_folder(const char *folder, const char *pictures)
{
    char path[2048], line[8192];
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    golden_tensors expected;
    golden_open(path, &expected);
    snprintf(path, sizeof path, "%s/cases.jsonl", folder);
    FILE *cases = fopen(path, "rb");
    assert_non_null(cases);
    tally sum = {0};
    while (fgets(line, sizeof line, cases)) {
        json_t *item = json_loads(line, 0, NULL);
        assert_non_null(item);
        run_case(pictures, item, &expected, &sum);
        json_decref(item);
    }
    fclose(cases);
    golden_close(&expected);
    print_message("network input: %d of %d equal; decoded pixels: %d of %d equal; left out as "
                  "information only: %d\n",
                  sum.n_good, sum.n_run, sum.n_decoded_good, sum.n_decoded, sum.n_left_out);
    assert_true(sum.n_run > 0);
    assert_int_equal(sum.n_good, sum.n_run);
    assert_int_equal(sum.n_decoded_good, sum.n_decoded);
}

static void test_own(void **state)
{
    (void)state;
    const char *folder = WHATSIT_SOURCE_DIR "/tests/image/data";
    run_folder(folder, folder);
}

static void test_reference(void **state)
{
    (void)state;
    char folder[1024], pictures[1100];
    if (!golden_folder("preprocess", folder, sizeof folder))
        skip();
    snprintf(pictures, sizeof pictures, "%s/images", folder);
    run_folder(folder, pictures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own),
                                       cmocka_unit_test(test_reference)};
    return cmocka_run_group_tests_name("image golden", tests, NULL, NULL);
}
