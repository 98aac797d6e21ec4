/* JSON: what is refused, and that kinds are told apart. */
#include "fmt/json.h"
#include "support/scratch.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static wi_status parse(const char *text, wi_json **out, wi_error *error)
{
    size_t n = strlen(text);
    char *exact = malloc(n ? n : 1); /* no NUL behind it */
    assert_non_null(exact);
    memcpy(exact, text, n);
    wi_status status = wi_json_parse("f.json", exact, n, out, error);
    free(exact);
    return status;
}

static void kinds(void **state)
{
    (void)state;
    wi_json *root = NULL;
    assert_int_equal(
        parse("{\"i\":3,\"f\":1.5,\"s\":\"x\",\"a\":[1,2],\"n\":null,\"b\":true,\"o\":{}}", &root,
              NULL),
        WI_OK);
    int64_t i = 0;
    double f = 0;
    bool b = false;
    assert_true(wi_json_integer(wi_json_get(root, "i"), &i) && i == 3);
    assert_true(wi_json_number(wi_json_get(root, "i"), &f) && f == 3);
    assert_false(wi_json_integer(wi_json_get(root, "f"), &i));
    assert_true(wi_json_number(wi_json_get(root, "f"), &f) && f == 1.5);
    assert_string_equal(wi_json_string(wi_json_get(root, "s")), "x");
    assert_null(wi_json_string(wi_json_get(root, "i")));
    assert_int_equal(wi_json_count(wi_json_get(root, "a")), 2);
    assert_null(wi_json_at(wi_json_get(root, "a"), 2));
    assert_null(wi_json_at(wi_json_get(root, "o"), 0));
    assert_null(wi_json_get(root, "n"));
    assert_null(wi_json_get(root, "absent"));
    assert_true(wi_json_boolean(wi_json_get(root, "b"), &b) && b);
    assert_true(wi_json_is_object(wi_json_get(root, "o")));
    assert_true(wi_json_is_array(wi_json_get(root, "a")));
    size_t n = 0;
    for (wi_json_member m = wi_json_first(root); m.key; m = wi_json_next(root, m))
        n++;
    assert_int_equal(n, 7);
    wi_json_free(&root);
    assert_null(root);
    wi_json_free(&root);
    wi_json_free(NULL);
}

/* As tokenizer_config.json says "no limit"; the other numbers are read all the same. */
static void a_number_beyond_64_bits(void **state)
{
    (void)state;
    wi_json *root = NULL;
    int64_t i = 0;
    double f = 0;
    assert_int_equal(
        parse("{\"model_max_length\":1000000000000000019884624838656,\"i\":224}", &root, NULL),
        WI_OK);
    assert_false(wi_json_integer(wi_json_get(root, "model_max_length"), &i));
    assert_true(wi_json_number(wi_json_get(root, "model_max_length"), &f) && f > 1e29);
    assert_true(wi_json_integer(wi_json_get(root, "i"), &i) && i == 224);
    wi_json_free(&root);
}

static void nothing_is_asked_of_null(void **state)
{
    (void)state;
    int64_t i;
    double f;
    bool b;
    assert_false(wi_json_is_object(NULL));
    assert_false(wi_json_is_array(NULL));
    assert_null(wi_json_get(NULL, "x"));
    assert_null(wi_json_at(NULL, 0));
    assert_int_equal(wi_json_count(NULL), 0);
    assert_null(wi_json_string(NULL));
    assert_false(wi_json_integer(NULL, &i));
    assert_false(wi_json_number(NULL, &f));
    assert_false(wi_json_boolean(NULL, &b));
    assert_null(wi_json_first(NULL).key);
}

static void texts_that_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",    " ",           "{",          "{\"a\":1,\"a\":2}",  "{} x",    "[1,]",  "{\"a\"}",
        "nul", "\"\\u0000\"", "[\"\xff\"]", "[\"\xed\xa0\x80\"]", "[1e999]", "[NaN]", "[1 2]",
        "'a'", "[\"a\nb\"]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        wi_json *root = NULL;
        wi_error error = {0};
        assert_int_equal(parse(texts[i], &root, &error), WI_ERR_FORMAT);
        assert_null(root);
        assert_memory_equal(error.message, "f.json: line ", 13);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[2 * WI_JSON_MAX_DEPTH + 16];
    for (int depth = WI_JSON_MAX_DEPTH - 1; depth <= WI_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        wi_json *root = NULL;
        wi_error error = {0};
        wi_status status = parse(text, &root, &error);
        assert_int_equal(status, depth > WI_JSON_MAX_DEPTH ? WI_ERR_FORMAT : WI_OK);
        wi_json_free(&root);
    }
    /* Brackets in strings are text, also behind an escaped quote. */
    char string[3 * WI_JSON_MAX_DEPTH];
    memset(string, '[', sizeof string);
    memcpy(string, "[\"\\\"", 4);
    strcpy(string + sizeof string - 3, "\"]");
    wi_json *root = NULL;
    assert_int_equal(parse(string, &root, NULL), WI_OK);
    wi_json_free(&root);
    static char deep[1000000];
    memset(deep, '[', sizeof deep - 1);
    wi_error error = {0};
    assert_int_equal(parse(deep, &root, &error), WI_ERR_FORMAT);
    assert_non_null(strstr(error.message, "nested"));
}

static void files(void **state)
{
    (void)state;
    wi_json *root = NULL;
    wi_error error = {0};
    assert_int_equal(wi_json_read(scratch_path("none"), 100, &root, &error), WI_ERR_IO);
    assert_int_equal(wi_json_read(scratch_text("empty", ""), 100, &root, &error), WI_ERR_FORMAT);
    assert_non_null(strstr(error.message, "empty"));
    assert_int_equal(wi_json_read(scratch_text("large", "[1,2,3]"), 6, &root, &error),
                     WI_ERR_LIMIT);
    assert_int_equal(wi_json_read(scratch_text("large", "[1,2,3]"), 7, &root, &error), WI_OK);
    wi_json_free(&root);
    assert_int_equal(wi_json_read(scratch_path(""), 100, &root, &error), WI_ERR_IO);
}

static void strings_are_quoted(void **state)
{
    (void)state;
    wi_buffer buffer;
    wi_error error = {0};
    wi_buffer_init(&buffer, 64);
    assert_int_equal(wi_json_append_string(&buffer, "a\"\\\n\x01\xc3\xa9/", &error), WI_OK);
    static const char expected[] = "\"a\\\"\\\\\\n\\u0001\xc3\xa9/\"";
    assert_int_equal(buffer.n_bytes, sizeof expected - 1);
    assert_memory_equal(buffer.bytes, expected, sizeof expected - 1);
    static const char *const wrong[] = {"\xff",
                                        "\xc3",
                                        "\xc0\x80",
                                        "\xed\xa0\x80",
                                        "\xe2\x82",
                                        "\xf5\x80\x80\x80",
                                        "\xf0\x80\x80\x80",
                                        "a\x80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(wi_json_append_string(&buffer, wrong[i], &error), WI_ERR_ARG);
    char large[100];
    memset(large, 'x', sizeof large);
    large[99] = '\0';
    assert_int_equal(wi_json_append_string(&buffer, large, &error), WI_ERR_LIMIT);
    assert_int_equal(buffer.n_bytes, sizeof expected - 1);
    wi_buffer_free(&buffer);
}

static wi_status parse_some(void *context, wi_error *error)
{
    (void)context;
    wi_json *root = NULL;
    wi_status status =
        parse("{\"key\":[1,2.5,\"text\",{\"inner\":null}],\"other\":true}", &root, error);
    assert_true((status == WI_OK) == (root != NULL));
    wi_json_free(&root);
    return status;
}

/* The library's allocations fail too, one after the other. */
static void *library_malloc(size_t n_bytes)
{
    return malloc(n_bytes);
}

static void library_free(void *pointer)
{
    free(pointer);
}

static void the_library_may_run_out_of_memory(void **state)
{
    (void)state;
    long n_nomem = 0;
    json_set_alloc_funcs(library_malloc, library_free);
    for (long nth = 2;; nth++) { /* the first is the test's own copy */
        wi_error error = {0};
        torture_arm(nth);
        wi_status status = parse_some(NULL, &error);
        if (!torture_disarm()) {
            assert_int_equal(status, WI_OK);
            assert_true(nth > 8);
            break;
        }
        /* A string that could not be copied looks like bad text to the library. */
        assert_true(status == WI_ERR_NOMEM ||
                    (status == WI_ERR_FORMAT && strchr(error.message, '"')));
        n_nomem += status == WI_ERR_NOMEM;
    }
    assert_true(n_nomem > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(a_number_beyond_64_bits),
        cmocka_unit_test(nothing_is_asked_of_null),
        cmocka_unit_test(texts_that_are_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test_setup_teardown(files, scratch_setup, scratch_teardown),
        cmocka_unit_test(strings_are_quoted),
        cmocka_unit_test(the_library_may_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
