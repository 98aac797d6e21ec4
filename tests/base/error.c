/* Messages: one line, cut to fit, harmless on a terminal. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_status_is_returned_and_kept(void **state)
{
    (void)state;
    wi_error error = {0};
    assert_int_equal(wi_fail(&error, WI_ERR_LIMIT, "%d of %s", 3, "them"), WI_ERR_LIMIT);
    assert_int_equal(error.status, WI_ERR_LIMIT);
    assert_string_equal(error.message, "3 of them");
    assert_int_equal(wi_fail(NULL, WI_ERR_ARG, "unheard"), WI_ERR_ARG);
}

static void hostile_text_stays_one_line(void **state)
{
    (void)state;
    wi_error error = {0};
    wi_fail(&error, WI_ERR_FORMAT, "a\nb\x1b[2J\x7f%s", "\t");
    assert_string_equal(error.message, "a?b?[2J??");
}

static void long_messages_are_cut_at_a_letter(void **state)
{
    (void)state;
    char text[400];
    wi_error error = {0};
    for (size_t n_before = 250; n_before < 256; n_before++) {
        memset(text, 'a', n_before);
        strcpy(text + n_before, "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"); /* the euro sign */
        wi_fail(&error, WI_ERR_FORMAT, "%s", text);
        size_t n = strlen(error.message);
        assert_true(n >= n_before - 1 && n < WI_ERROR_MESSAGE_BYTES);
        assert_memory_equal(error.message, text, n);
        assert_true((n < n_before ? 0 : n - n_before) % 3 == 0);
    }
}

static void prefixes_go_before(void **state)
{
    (void)state;
    wi_error error = {0};
    wi_fail(&error, WI_ERR_IO, "inner");
    wi_error_prefix(&error, "outer %s");
    assert_string_equal(error.message, "outer %s: inner");
    assert_int_equal(error.status, WI_ERR_IO);
    wi_error_prefix(NULL, "nobody");
}

static void system_errors_say_what_and_why(void **state)
{
    (void)state;
    wi_error error = {0};
    assert_int_equal(wi_fail_errno(&error, "a/b", "cannot open", ENOENT), WI_ERR_IO);
    assert_string_equal(error.message, "a/b: cannot open: No such file or directory");
    assert_int_equal(wi_fail_nomem(&error, 12, "a thing"), WI_ERR_NOMEM);
    assert_string_equal(error.message, "out of memory (12 bytes for a thing)");
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = WI_OK; i <= WI_ERR_INTERNAL; i++) {
        assert_string_not_equal(wi_status_name((wi_status)i), "unknown");
        for (int j = WI_OK; j < i; j++)
            assert_string_not_equal(wi_status_name((wi_status)i), wi_status_name((wi_status)j));
    }
    assert_string_equal(wi_status_name((wi_status)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_is_returned_and_kept),
        cmocka_unit_test(hostile_text_stays_one_line),
        cmocka_unit_test(long_messages_are_cut_at_a_letter),
        cmocka_unit_test(prefixes_go_before),
        cmocka_unit_test(system_errors_say_what_and_why),
        cmocka_unit_test(every_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
