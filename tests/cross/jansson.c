/* What the program asks of jansson, by jansson and by what stands in for it: one text each, made and read. */
#include <jansson.h>

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FLAGS = JSON_COMPACT };

static void is_text(json_t *value, const char *text)
{
    char *dumped = json_dumps(value, FLAGS | JSON_REAL_PRECISION(9));
    assert_non_null(dumped);
    assert_string_equal(dumped, text);
    free(dumped);
    json_decref(value);
}

static void reals(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "[0.0]"},
                 {-0.0, "[-0.0]"},
                 {1, "[1.0]"},
                 {0.1, "[0.1]"},
                 {1.0 / 3, "[0.333333333]"},
                 {4.07657753e-5, "[4.07657753e-5]"},
                 {1e100, "[1e100]"},
                 {-2.5e-300, "[-2.5e-300]"},
                 {1234567890123.0, "[1.23456789e12]"},
                 {DBL_MIN, "[2.22507386e-308]"},
                 {123456789, "[123456789.0]"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        is_text(json_pack("[f]", cases[i].value), cases[i].text);
    assert_null(json_real(NAN));
    assert_null(json_real(INFINITY));
}

static void packs(void **state)
{
    (void)state;
    is_text(json_pack("{s:o,s:i,s:I,s:{s:f,s:f},s:[i,i,I],s:b,s:s?,s:s,s:o}", "name",
                      json_string("a\"\\\b\f\n\r\t\x01\x7f\xc3\xa4/"), "n", -3, "big",
                      (json_int_t)1 << 53, "ms", "decode", 0.5, "encode", 2.0, "list", 1, 2,
                      (json_int_t)3, "yes", 1, "nothing", NULL, "text", "t", "null", json_null()),
            "{\"name\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f\xc3\xa4/\",\"n\":-3,\"big\":"
            "9007199254740992,\"ms\":{\"decode\":0.5,\"encode\":2.0},\"list\":[1,2,3],\"yes\":true,"
            "\"nothing\":null,\"text\":\"t\",\"null\":null}");
    is_text(json_pack("{s:[f,f]}", "box", 0.25, 1.0), "{\"box\":[0.25,1.0]}");
    /* What cannot be packed is no value, and what was given with it is released. */
    assert_null(json_pack("{s:o,s:o}", "gone", json_string("x"), "missing", NULL));
    assert_null(json_pack("{s:s}", "bad", "\xff"));
    assert_null(json_string("\xc0\xaf"));
    assert_null(json_string(NULL));
}

static void grows(void **state)
{
    (void)state;
    json_t *object = json_object(), *array = json_array(), *other = json_object();
    char key[8];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(json_object_set_new(object, key, json_integer(i)), 0);
        assert_int_equal(json_array_append_new(array, json_boolean(i % 2)), 0);
    }
    assert_int_equal(json_object_set_new(object, "k7", json_string("again")), 0);
    assert_string_equal(json_string_value(json_object_get(object, "k7")), "again");
    assert_true(json_is_integer(json_object_get(object, "k39")));
    assert_true(json_is_true(json_array_get(array, 39)));
    assert_null(json_array_get(array, 40));
    assert_null(json_object_get(object, "k40"));
    assert_int_equal(json_object_set_new(other, "list", json_incref(array)), 0);
    assert_int_equal(json_object_update(other, object), 0);
    json_t *copy = json_deep_copy(other);
    json_decref(other);
    json_decref(object);
    assert_true(json_is_boolean(json_array_get(json_object_get(copy, "list"), 0)));
    json_decref(copy);
    json_decref(array);
    /* Nothing to put, nowhere to put it. */
    assert_int_equal(json_object_set_new(NULL, "a", json_null()), -1);
    assert_int_equal(json_array_append_new(NULL, json_null()), -1);
    json_decref(NULL);
}

static void reads(void **state)
{
    (void)state;
    json_error_t why;
    json_t *read =
        json_loads(" {\"a\":[1,-2.5,\"\\u00e4\\ud83d\\ude00\",null,true],\"b\":{}} ", 0, &why);
    assert_non_null(read);
    assert_string_equal(json_string_value(json_array_get(json_object_get(read, "a"), 2)),
                        "\xc3\xa4\xf0\x9f\x98\x80");
    assert_int_equal(json_string_length(json_array_get(json_object_get(read, "a"), 2)), 6);
    const json_t *a = json_object_get(read, "a");
    assert_int_equal(json_integer_value(json_array_get(a, 0)), 1);
    assert_true(json_number_value(json_array_get(a, 0)) == 1);
    assert_true(json_number_value(json_array_get(a, 1)) == -2.5);
    assert_int_equal(json_integer_value(json_array_get(a, 2)), 0);
    is_text(read, "{\"a\":[1,-2.5,\"\xc3\xa4\xf0\x9f\x98\x80\",null,true],\"b\":{}}");
    static const char *const bad[] = {"", "{", "{\"a\":}", "[1,]", "[1] 2", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why.text[0] = '\0';
        assert_null(json_loads(bad[i], 0, &why));
        assert_string_not_equal(why.text, "");
    }
    assert_null(json_load_file("/no/such/file", 0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reals), cmocka_unit_test(packs),
                                       cmocka_unit_test(grows), cmocka_unit_test(reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
