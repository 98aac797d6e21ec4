/* Pictures as phones, cameras, editors, browsers and broken downloads leave them. Each case was made by
 * conditions/make.py, which says what is right from the picture that the file was made from. */
#include "image/decode.h"
#include "image/image.h"
#include "image/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { SIZE_PX = 12, N_KINDS = 6 };

static const char folder[] = WHATSIT_SOURCE_DIR "/tests/image/conditions";

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));
    assert_non_null(text);
    return text;
}

static wi_image_options options_of(const json_t *item)
{
    const json_t *said = json_object_get(item, "options");
    const char *alpha = json_string_value(json_object_get(said, "alpha"));
    return (wi_image_options){.exact = json_is_true(json_object_get(said, "exact")),
                              .strict = json_is_true(json_object_get(said, "strict")),
                              .alpha = alpha && strcmp(alpha, "original") == 0 ? WI_ALPHA_ORIGINAL
                                                                               : WI_ALPHA_GROUND};
}

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The mean difference of the rows that count. */
static double difference(const json_t *item, const uint8_t *pixels)
{
    const char *want = text_of(item, "want");
    size_t n = (size_t)json_integer_value(json_object_get(item, "rows")) * SIZE_PX * 3;
    assert_int_equal(strlen(want), (size_t)2 * SIZE_PX * SIZE_PX * 3);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += abs((int)(nibble(want[2 * i]) << 4 | nibble(want[2 * i + 1])) - pixels[i]);
    return sum / (double)n;
}

static bool has_warning(const wi_image *image, const char *word)
{
    const char *warning;
    for (size_t i = 0; (warning = wi_image_warning(image, i)); i++)
        if (strstr(warning, word))
            return true;
    return false;
}

static bool is_right(const json_t *item, const wi_image *image)
{
    const char *file = text_of(item, "file"), *word = text_of(item, "warning");
    uint8_t pixels[SIZE_PX * SIZE_PX * 3];
    wi_preprocess how = {.size_px = SIZE_PX, .mode = WI_RESIZE_SQUASH};
    assert_int_equal(wi_image_preprocess(NULL, image, &how, pixels, NULL), WI_OK);
    double tolerance = json_number_value(json_object_get(item, "tolerance"));
    double off = difference(item, pixels);
    bool good = off <= tolerance;
    if (!good)
        print_error("%s: off by %.2f, %.2f is allowed\n", file, off, tolerance);
    if ((json_int_t)wi_image_width(image) != json_integer_value(json_object_get(item, "width")) ||
        (json_int_t)wi_image_height(image) != json_integer_value(json_object_get(item, "height"))) {
        print_error("%s: %u x %u px\n", file, wi_image_width(image), wi_image_height(image));
        good = false;
    }
    /* Without a word to look for, there must be no warning. */
    if (word[0] ? !has_warning(image, word) : wi_image_warning(image, 0) != NULL) {
        const char *first = wi_image_warning(image, 0);
        print_error("%s: warns '%s' where '%s' was expected\n", file, first ? first : "", word);
        good = false;
    }
    return good;
}

/* Skipped: the build lacks a library for it. */
static bool run_case(const json_t *item, bool *skipped)
{
    char path[1024];
    const char *file = text_of(item, "file"), *message = text_of(item, "message");
    snprintf(path, sizeof path, "%s/%s", folder, file);
    wi_image_options options = options_of(item);
    wi_image *image = NULL;
    wi_error error = {0};
    bool good, refused = strcmp(text_of(item, "status"), "ok") != 0;
    wi_status status = wi_image_from_file(path, &options, &image, &error);
    *skipped = status == WI_ERR_FORMAT && strstr(error.message, "built without");
#if !defined(WI_WITH_ICC)
    *skipped = *skipped || json_is_true(json_object_get(item, "profile"));
#endif
    if (*skipped)
        good = true;
    else if (refused)
        good = status == WI_ERR_FORMAT && strstr(error.message, message);
    else
        good = status == WI_OK && is_right(item, image);
    if (!good && (refused || status != WI_OK))
        print_error("%s: %s, '%s'\n", file, wi_status_name(status), error.message);
    wi_image_close(&image);
    return good;
}

static void test_conditions(void **state)
{
    (void)state;
    char path[1024], line[16384];
    int n_run[N_KINDS] = {0}, n_good[N_KINDS] = {0}, n_skipped = 0;
    bool all = true;
    snprintf(path, sizeof path, "%s/cases.jsonl", folder);
    FILE *cases = fopen(path, "rb");
    assert_non_null(cases);
    while (fgets(line, sizeof line, cases)) {
        json_t *item = json_loads(line, 0, NULL);
        assert_non_null(item);
        json_int_t kind = json_integer_value(json_object_get(item, "kind"));
        assert_true(kind > 0 && kind < N_KINDS);
        bool skipped = false, good = run_case(item, &skipped);
        n_run[kind] += !skipped;
        n_good[kind] += good && !skipped;
        n_skipped += skipped;
        all = all && good;
        json_decref(item);
    }
    fclose(cases);
    for (int kind = 1; kind < N_KINDS; kind++) {
        print_message("kind %d: %d of %d\n", kind, n_good[kind], n_run[kind]);
        assert_true(n_run[kind] > 0 || n_skipped > 0);
    }
    assert_true(all);
}

/* First bytes, as text or with a gap of zeros before them, and what they are. */
typedef struct beginning {
    size_t at;
    const char *bytes;
    size_t n;
    const char *name;
} beginning;

#define BYTES(place, text) place, text, sizeof text - 1

static const beginning beginnings[] = {
    {BYTES(0, "II*\0\x08\0\0\0\0\0"), "TIFF"},
    {BYTES(0, "MM\0*\0\0\0\x08\0\0"), "TIFF"},
    {BYTES(0, "II*\0\x10\0\0\0CR\2\0"), "TIFF"},
    {BYTES(0, "II*\0\x08\0\0\0\1\0\x12\xC6\1\0\4\0\0\0\1\4\0\0"), "DNG"},
    {BYTES(
         0,
         "II*\0\x08\0\0\0\2\0\x0F\1\2\0\6\0\0\0\x26\0\0\0\x4A\1\4\0\1\0\0\0\0\0\0\0\0\0\0\0NIKON"),
     "RAW photo of Nikon"},
    {BYTES(0,
           "MM\0*\0\0\0\x08\0\2\1\x0F\0\2\0\0\0\5\0\0\0\x26\1\x4A\0\4\0\0\0\1\0\0\0\0\0\0\0\0SONY"),
     "RAW photo of Sony"},
    {BYTES(0, "FUJIFILMCCD-RAW 0201"), "RAW photo of Fujifilm"},
    {BYTES(0, "\0\0\0\x18"
              "ftypcrx "),
     "RAW photo of Canon"},
    {BYTES(0, "IIRO\x08\0\0\0"), "RAW photo of Olympus"},
    {BYTES(0, "IIU\0\x08\0\0\0"), "RAW photo of Panasonic"},
    {BYTES(0, "8BPS\0\1"), "Photoshop document"},
    {BYTES(0, "\xFF\x0A\0\0"), "JPEG XL"},
    {BYTES(0, "\0\0\0\x0CJXL \r\n\x87\n"), "JPEG XL"},
    {BYTES(0, "\0\0\0\x0CjP  \r\n\x87\n"), "JPEG 2000"},
    {BYTES(0, "\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0"), "icon"},
    {BYTES(0, "\0\0\2\0\1\0\x20\x20\0\0\5\0\5\0\x68\4\0\0"), "mouse pointer"},
    {BYTES(0, "\0\0\2\0\0\0\0\0\0\0\0\0\x40\0\x30\0\x18\x20"), "TGA"},
    {BYTES(0, "\x1A\0\x0B\0\0\0\0\0\0\0\0\0\x40\1\xF0\0\x08\0"), "TGA"},
    {BYTES(0, "\0\1\1\0\0\0\1\x18\0\0\0\0\x40\1\xF0\0\x08\0"), "TGA"},
    {BYTES(0, "\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "not a picture of a known format"},
    {BYTES(0, "\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D"), "MXF"},
    {BYTES(0, "404: not found\n"), "this is a text"},
    {BYTES(0, "not\1text"), "not a picture of a known format"},
    {BYTES(0, "qoif\0\0"), "QOI"},
    {BYTES(0, "P6\n1 1\n"), "PNM"},
    {BYTES(0, "#?RADIANCE\n"), "Radiance"},
    {BYTES(0, "\x76\x2F\x31\x01"), "OpenEXR"},
    {BYTES(0, "DDS \x7C"), "DDS"},
    {BYTES(0, "gimp xcf file"), "GIMP"},
    {BYTES(128, "DICM"), "medical"},
    {BYTES(0, "<svg xmlns='http://www.w3.org/2000/svg'/>"), "SVG"},
    {BYTES(0, "<?xml version='1.0'?>\n<svg>"), "SVG"},
    {BYTES(0, "%PDF-1.7"), "PDF"},
    {BYTES(0, "%!PS-Adobe"), "PostScript"},
    {BYTES(0, "\n<!DOCTYPE html><p>"), "web page"},
    {BYTES(0, "<HTML><body>"), "web page"},
    {BYTES(0, "\0\0\0\x18"
              "ftypmp42"),
     "video"},
    {BYTES(0, "\0\0\0\x14"
              "ftypqt  "),
     "QuickTime"},
    {BYTES(0, "\0\0\0\x08wide\0\0\0\0mdat"), "QuickTime"},
    {BYTES(0, "RIFF\0\0\0\0AVI LIST"), "AVI"},
    {BYTES(0, "RIFF\0\0\0\0WAVEfmt "), "WAV"},
    {BYTES(0, "\x1A\x45\xDF\xA3"), "Matroska"},
    {BYTES(0, "\0\0\1\xBA"), "MPEG"},
    {BYTES(0, "OggS\0"), "Ogg"},
    {BYTES(0, "ID3\3"), "MP3"},
    {BYTES(0, "fLaC"), "FLAC"},
    {BYTES(0, "PK\3\4"), "ZIP"},
    {BYTES(0, "Rar!\x1A\x07\1"), "RAR"},
    {BYTES(0, "\x1F\x8B\x08"), "gzip"},
    {BYTES(257, "ustar"), "tar"},
    {BYTES(0, "\x7F"
              "ELF"),
     "program"},
    {BYTES(0, "SQLite format 3"), "SQLite"},
    {BYTES(0, "{\"a\": 1}"), "JSON"},
    {BYTES(0, "version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"},
    {BYTES(0, "\xD0\xCF\x11\xE0\xA1\xB1"), "thumbnail list"},
    {BYTES(0, "\0\5\x16\7\0\2"), "macOS"},
};

static void test_kinds_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        const beginning *b = &beginnings[i];
        uint8_t bytes[300] = {0};
        wi_image *image = NULL;
        wi_error error = {0};
        memcpy(bytes + b->at, b->bytes, b->n);
        wi_status status = wi_image_from_memory(bytes, b->at + b->n, NULL, &image, &error);
        assert_null(image);
        if (wi_image_probe(bytes, b->at + b->n)) { /* a decoder of this build has taken it */
            const wi_kind *kind = wi_kind_of(bytes, b->at + b->n);
            if (!kind || !strstr(kind->name, b->name))
                fail_msg("%zu: '%s' where '%s' was expected", i, kind ? kind->name : "", b->name);
            assert_true(status == WI_ERR_FORMAT || status == WI_ERR_UNSUPPORTED);
        } else if ((status != WI_ERR_FORMAT && status != WI_ERR_UNSUPPORTED) ||
                   !strstr(error.message, b->name))
            fail_msg("%zu: '%s' where '%s' was expected", i, error.message, b->name);
        for (size_t n = 0; n < b->at + b->n; n++) { /* shorter ones stay within their bytes */
            uint8_t *copy = malloc(n + 1);
            assert_non_null(copy);
            memcpy(copy, bytes, n);
            wi_kind_of(copy, n);
            free(copy);
        }
    }
}

/* A file that is no picture is judged by its beginning: this one is larger than a picture may be. */
static void test_beginning_is_enough(void **state)
{
    (void)state;
    char path[] = "/tmp/whatsit-video-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    assert_non_null(file);
    fwrite("\0\0\0\x18"
           "ftypmp42",
           1, 12, file);
    assert_int_equal(fseek(file, (long)3 << 30, SEEK_SET),
                     0); /* over the limit of a picture's file */
    fputc(0, file);
    fclose(file);
    wi_image *image = NULL;
    wi_error error = {0};
    assert_int_equal(wi_image_from_file(path, NULL, &image, &error), WI_ERR_FORMAT);
    remove(path);
    assert_non_null(strstr(error.message, "this is a video"));
}

/* The ready pixels of a browser stand on the same ground. */
static void test_raw_pixels(void **state)
{
    (void)state;
    const uint8_t black_on_nothing[8] = {0, 0, 0, 0, 0, 0, 0, 255},
                  white_on_nothing[8] = {255, 255, 255, 255, 9, 9, 9, 0},
                  nothing[8] = {10, 20, 30, 0, 40, 50, 60, 0};
    const wi_image_options exact = {.exact = true};
    const uint8_t *rgb;
    uint32_t width, height;
    wi_image *image = NULL;
    assert_int_equal(wi_image_from_rgba(black_on_nothing, 2, 1, NULL, &image, NULL), WI_OK);
    assert_int_equal(wi_image_rgb(image, &rgb, &width, &height, NULL), WI_OK);
    assert_memory_equal(rgb, ((uint8_t[6]){255, 255, 255, 0, 0, 0}), 6);
    wi_image_close(&image);
    assert_int_equal(wi_image_from_rgba(white_on_nothing, 2, 1, NULL, &image, NULL), WI_OK);
    assert_int_equal(wi_image_rgb(image, &rgb, &width, &height, NULL), WI_OK);
    assert_memory_equal(rgb, ((uint8_t[6]){255, 255, 255, 0, 0, 0}), 6);
    wi_image_close(&image);
    assert_int_equal(wi_image_from_rgba(nothing, 2, 1, NULL, &image, NULL), WI_OK);
    assert_non_null(wi_image_warning(image, 0));
    assert_null(wi_image_warning(image, 1));
    assert_int_equal(wi_image_rgb(image, &rgb, &width, &height, NULL), WI_OK);
    assert_memory_equal(rgb, ((uint8_t[6]){10, 20, 30, 40, 50, 60}), 6);
    wi_image_close(&image);
    assert_int_equal(wi_image_from_rgba(black_on_nothing, 2, 1, &exact, &image, NULL), WI_OK);
    assert_int_equal(wi_image_rgb(image, &rgb, &width, &height, NULL), WI_OK);
    assert_memory_equal(rgb, ((uint8_t[6]){0, 0, 0, 0, 0, 0}), 6);
    wi_image_close(&image);
    assert_int_equal(wi_image_from_rgba(nothing, 0, 1, NULL, &image, NULL), WI_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions), cmocka_unit_test(test_kinds_are_named),
        cmocka_unit_test(test_beginning_is_enough), cmocka_unit_test(test_raw_pixels)};
    return cmocka_run_group_tests_name("image conditions", tests, NULL, NULL);
}
