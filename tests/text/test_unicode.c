/* NFC against Unicode's own test file where Debian has it, and the parts that no token shows alone.
 */
#include "text/support.h"

#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "0044 030C;..." -> code points; returns where the next field begins. */
static const char *read_field(const char *at, wi_chars *out)
{
    out->n = 0;
    while (*at != ';' && *at != '\n' && *at != '\0') {
        char *end;
        unsigned long c = strtoul(at, &end, 16);
        assert_true(end > at && c < 0x110000 && out->n < 64);
        out->at[out->n++] = (uint32_t)c;
        at = end + (*end == ' ');
    }
    return at + (*at == ';');
}

static void assert_nfc(const wi_chars *from, const wi_chars *expected)
{
    wi_chars text = {0}, spare = {0};
    assert_int_equal(wi_chars_copy(&text, from->at, from->n, NULL), WI_OK);
    assert_int_equal(wi_unicode_nfc(&text, &spare, NULL), WI_OK);
    assert_int_equal(text.n, expected->n);
    assert_memory_equal(text.at, expected->at, text.n * sizeof *text.at);
    wi_chars_free(&text);
    wi_chars_free(&spare);
}

/* Columns are source; NFC; NFD; NFKC; NFKD. NFC of the first three is the second, of the others the
 * fourth. */
static void normalization_test_holds(void **state)
{
    (void)state;
    char *file = read_file(WHATSIT_BINARY_DIR "/NormalizationTest.txt", NULL);
    if (!file)
        skip();
    uint32_t memory[5][64];
    size_t n_lines = 0;
    for (char *line = strtok(file, "\n"); line; line = strtok(NULL, "\n")) {
        if (*line == '#' || *line == '@')
            continue;
        wi_chars fields[5];
        const char *at = line;
        for (size_t i = 0; i < 5; i++) {
            fields[i] = (wi_chars){memory[i], 0, 64};
            at = read_field(at, &fields[i]);
        }
        for (size_t i = 0; i < 5; i++)
            assert_nfc(&fields[i], &fields[i < 3 ? 1 : 3]);
        n_lines++;
    }
    free(file);
    print_message("%zu lines\n", n_lines);
    assert_true(n_lines > 18000);
}

static void long_runs_of_marks_are_sorted(void **state)
{
    (void)state;
    enum { N = 100000 };
    wi_chars text = {0}, spare = {0};
    assert_int_equal(wi_chars_reserve(&text, N, NULL), WI_OK);
    text.at[0] = 'x';
    for (size_t i = 1; i < N; i++)
        text.at[i] = i % 2 ? 0x315 : 0x323; /* classes 232 and 220 */
    text.n = N;
    assert_int_equal(wi_unicode_nfc(&text, &spare, NULL), WI_OK);
    assert_int_equal(text.n, N);
    assert_int_equal(text.at[0], 'x');
    for (size_t i = 1; i < N; i++)
        assert_int_equal(text.at[i], i <= (N - 1) / 2 ? 0x323 : 0x315);
    wi_chars_free(&text);
    wi_chars_free(&spare);
}

static void utf8_round_trips(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        uint32_t back = 0;
        size_t pos = 0, n = wi_utf8_put(c, bytes);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(wi_utf8_next(bytes, n, &pos, &back), !surrogate);
        assert_int_equal(pos, surrogate ? 0 : n);
        assert_int_equal(back, surrogate ? 0 : c);
        for (size_t cut = 1; cut < n; cut++) {
            pos = 0;
            assert_false(wi_utf8_next(bytes, cut, &pos, &back));
        }
    }
    size_t bad = 99;
    assert_true(wi_utf8_check("caf\xc3\xa9", 5, NULL));
    assert_false(wi_utf8_check("caf\xc3", 4, &bad));
    assert_int_equal(bad, 3);
}

static void lower_case_is_pythons(void **state)
{
    (void)state;
    static const struct {
        uint32_t from[4], to[4];
    } cases[] = {
        {{'A', 'z', 0xc9, 0}, {'a', 'z', 0xe9, 0}},
        {{0x130, 0}, {'i', 0x307, 0}},
        {{0x3a3, 0}, {0x3c3, 0}},
        {{0x391, 0x3a3, 0}, {0x3b1, 0x3c2, 0}},
        {{0x391, 0x3a3, 0x391, 0}, {0x3b1, 0x3c3, 0x3b1, 0}},
        {{0x391, '\'', 0x3a3, 0}, {0x3b1, '\'', 0x3c2, 0}},
        {{0x1e9e, 0x2126, 0x10400, 0}, {0xdf, 0x3c9, 0x10428, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_chars in = {0}, out = {0};
        size_t n = 0, n_to = 0;
        while (cases[i].from[n])
            n++;
        while (cases[i].to[n_to])
            n_to++;
        assert_int_equal(wi_chars_copy(&in, cases[i].from, n, NULL), WI_OK);
        assert_int_equal(wi_unicode_lower(&in, &out, NULL), WI_OK);
        assert_int_equal(out.n, n_to);
        assert_memory_equal(out.at, cases[i].to, n_to * sizeof *out.at);
        wi_chars_free(&in);
        wi_chars_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalization_test_holds),
        cmocka_unit_test(long_runs_of_marks_are_sorted),
        cmocka_unit_test(utf8_round_trips),
        cmocka_unit_test(lower_case_is_pythons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
