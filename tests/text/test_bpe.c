/* The tokenizer's edges: lengths, hostile texts, hostile tables, and merges read from text. */
#include "text/support.h"

#include "text/bpe.h"
#include "text/clean.h"
#include "text/merge.h"
#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START = 49406, END = 49407 };

static void empty_texts_are_two_markers(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         " ",           "\n\t \r\n", "\xe3\x80\x80",
                                        "\x01\x02", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        encoded e = encode(texts[i], strlen(texts[i]));
        assert_int_equal(e.status, WI_OK);
        assert_int_equal(e.n, 2);
        assert_int_equal(e.ids[0], START);
        assert_int_equal(e.ids[1], END);
        assert_false(e.truncated);
    }
}

static void truncation_keeps_the_end_marker(void **state)
{
    (void)state;
    char text[2 * 80];
    for (size_t words = 70; words <= 80; words++) {
        for (size_t i = 0; i < words; i++)
            memcpy(text + 2 * i, "a ", 2);
        encoded e = encode(text, 2 * words);
        assert_int_equal(e.status, WI_OK);
        assert_int_equal(e.truncated, words + 2 > CONTEXT);
        assert_int_equal(e.n, words + 2 > CONTEXT ? CONTEXT : words + 2);
        assert_int_equal(e.ids[e.n - 1], END);
        for (size_t i = 1; i + 1 < e.n; i++)
            assert_int_equal(e.ids[i], 320);
    }
}

static void any_context_length_from_two_works(void **state)
{
    (void)state;
    int32_t ids[5];
    size_t n;
    bool truncated;
    wi_error error;
    for (size_t length = 2; length <= 4; length++) {
        memset(ids, 0xff, sizeof ids);
        assert_int_equal(
            wi_bpe_encode(wi_bpe_clip(), "a a a", 5, length, ids, &n, &truncated, NULL), WI_OK);
        assert_int_equal(n, length);
        assert_true(truncated);
        assert_int_equal(ids[length - 1], END);
        assert_int_equal(ids[length], -1);
    }
    assert_int_equal(wi_bpe_encode(wi_bpe_clip(), "a a a", 5, 5, ids, NULL, NULL, NULL), WI_OK);
    assert_int_equal(wi_bpe_encode(wi_bpe_clip(), "a", 1, 1, ids, &n, NULL, &error), WI_ERR_ARG);
    assert_int_equal(wi_bpe_encode(wi_bpe_clip(), "a", 1, 0, NULL, &n, NULL, &error), WI_ERR_ARG);
}

static void zero_bytes_are_removed(void **state)
{
    (void)state;
    encoded with = encode("c\0at\0", 5), without = encode("cat", 3);
    assert_int_equal(with.status, WI_OK);
    assert_memory_equal(with.ids, without.ids, sizeof with.ids);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\x80",
        "\xff",
        "cat \xc3",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "a\xc3(b",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        encoded e = encode(texts[i], strlen(texts[i]));
        assert_int_equal(e.status, WI_ERR_FORMAT);
        assert_non_null(strstr(e.error.message, "not UTF-8"));
    }
    assert_non_null(strstr(encode("cat \xc3", 5).error.message, "offset 4"));
}

/* The largest text is taken, the next one refused, whatever it is made of. */
static void length_is_bounded(void **state)
{
    (void)state;
    static const char *const units[] = {"a",
                                        "A photo. ",
                                        "x1",
                                        "!",
                                        "\xef\xac\xac",
                                        "\xcc\x81\xcc\xa7",
                                        "\xce\xa3'",
                                        "\xf0\x9f\x98\x80",
                                        "&lt;",
                                        "&#",
                                        "\x1b[1;",
                                        "\xea\xb0\x81",
                                        "<|startoftext|>",
                                        "\xcd\x85",
                                        "ab\n"};
    char *text = malloc(WI_CLEAN_MAX_BYTES + 1);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t unit = strlen(units[i]), n = 0;
        for (; n + unit <= WI_CLEAN_MAX_BYTES; n += unit)
            memcpy(text + n, units[i], unit);
        for (; n <= WI_CLEAN_MAX_BYTES; n++)
            text[n] = ' ';
        assert_int_equal(encode(text, WI_CLEAN_MAX_BYTES).status, WI_OK);
        assert_int_equal(encode(text, WI_CLEAN_MAX_BYTES + 1).status, WI_ERR_LIMIT);
    }
    free(text);
}

static void nested_references_are_bounded(void **state)
{
    (void)state;
    char *text = malloc(WI_CLEAN_MAX_BYTES);
    assert_non_null(text);
    text[0] = '&';
    size_t n = 1;
    for (; n + 4 <= 4001; n += 4)
        memcpy(text + n, "amp;", 4);
    encoded e = encode(text, n); /* a thousand levels are resolved */
    assert_int_equal(e.status, WI_OK);
    assert_int_equal(e.n, 3);
    for (; n + 4 <= WI_CLEAN_MAX_BYTES; n += 4)
        memcpy(text + n, "amp;", 4);
    e = encode(text, n);
    assert_int_equal(e.status, WI_ERR_LIMIT);
    assert_non_null(strstr(e.error.message, "nested"));
    free(text);
}

/* Merging by the definition, for a word of any length. */
static size_t merge_slowly(const char *word, size_t n, uint32_t *ids)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = wi_merge_byte_id((unsigned char)word[i]) + (i + 1 == n ? 256 : 0);
    for (;;) {
        uint32_t best = WI_MERGE_NONE;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t rank = wi_merge_rank(wi_bpe_clip(), ids[i], ids[i + 1]);
            best = rank < best ? rank : best;
        }
        if (best == WI_MERGE_NONE)
            return n;
        size_t to = 0;
        for (size_t i = 0; i < n; i++) {
            bool here = i + 1 < n && wi_merge_rank(wi_bpe_clip(), ids[i], ids[i + 1]) == best;
            ids[to++] = here ? 512 + best : ids[i];
            i += here;
        }
        n = to;
    }
}

static void words_of_any_length_merge_alike(void **state)
{
    (void)state;
    char word[400];
    uint32_t expected[400], seed = 12345;
    wi_merge merge;
    wi_merge_init(&merge);
    for (size_t n = 1; n <= sizeof word; n += n < 60 ? 1 : 37) {
        for (unsigned letters = 1; letters <= 26; letters += 5) {
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525u + 1013904223u;
                word[i] = (char)("etaoinshrdlucmfwypvbgkjqxz"[(seed >> 16) % letters]);
            }
            size_t n_expected = merge_slowly(word, n, expected);
            assert_int_equal(wi_merge_piece(wi_bpe_clip(), word, n, &merge, NULL), WI_OK);
            assert_int_equal(merge.n_ids, n_expected);
            assert_memory_equal(merge.ids, expected, n_expected * sizeof *expected);
        }
    }
    wi_merge_free(&merge);
}

static void hostile_tables_are_refused(void **state)
{
    (void)state;
    static const uint16_t unsorted[][3] = {{1, 2, 0}, {0, 1, 1}},
                          twice[][3] = {{1, 2, 0}, {1, 2, 1}},
                          same_rank[][3] = {{0, 1, 1}, {1, 2, 1}},
                          big_rank[][3] = {{0, 1, 0}, {1, 2, 2}},
                          forward[][3] = {{0, 513, 0}, {1, 2, 1}},
                          itself[][3] = {{0, 1, 0}, {513, 2, 1}},
                          good[][3] = {{0, 1, 0}, {512, 2, 1}};
    const uint16_t(*const bad[])[3] = {unsorted, twice, same_rank, big_rank, forward, itself};
    int32_t ids[8];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wi_error error;
        wi_bpe bpe = {bad[i], 2};
        assert_int_equal(wi_bpe_check(&bpe, &error), WI_ERR_FORMAT);
        assert_non_null(strstr(error.message, "merge table"));
        /* A table that was not checked gives wrong ids, but harms nothing. */
        assert_int_equal(wi_bpe_encode(&bpe, "!\"#!\"#!", 7, 8, ids, NULL, NULL, NULL), WI_OK);
    }
    assert_int_equal(wi_bpe_check(&(wi_bpe){good, 2}, NULL), WI_OK);
    assert_int_equal(wi_bpe_check(&(wi_bpe){NULL, 0}, NULL), WI_OK);
    assert_int_equal(wi_bpe_check(&(wi_bpe){good, UINT32_MAX}, NULL), WI_ERR_FORMAT);
    assert_int_equal(wi_bpe_check(wi_bpe_clip(), NULL), WI_OK);
    assert_int_equal(wi_bpe_encode(&(wi_bpe){NULL, 0}, "!", 1, 8, ids, NULL, NULL, NULL), WI_OK);
    assert_int_equal(ids[0], 512);
    assert_int_equal(ids[1], 256);
    assert_int_equal(ids[2], 513);
}

/* Spells a symbol the way merges.txt does. */
static size_t spell(const uint16_t (*by_rank)[2], uint32_t id, char *out)
{
    if (id >= 512) {
        size_t n = spell(by_rank, by_rank[id - 512][0], out);
        return n + spell(by_rank, by_rank[id - 512][1], out + n);
    }
    uint32_t b = id % 256;
    size_t n = wi_utf8_put(b < 94    ? 33 + b
                           : b < 106 ? 161 + b - 94
                           : b < 188 ? 174 + b - 106
                                     : 256 + b - 188,
                           out);
    if (id >= 256) {
        memcpy(out + n, "</w>", 4);
        n += 4;
    }
    return n;
}

static void merges_text_gives_the_same_table(void **state)
{
    (void)state;
    const wi_bpe *clip = wi_bpe_clip();
    uint16_t(*by_rank)[2] = calloc(clip->n_merges, sizeof *by_rank);
    char *text = malloc(4u << 20);
    assert_non_null(by_rank);
    assert_non_null(text);
    for (uint32_t i = 0; i < clip->n_merges; i++)
        memcpy(by_rank[clip->sorted[i][2]], clip->sorted[i], sizeof *by_rank);
    size_t n = (size_t)sprintf(text, "#version: 0.2\r\n");
    for (uint32_t i = 0; i < clip->n_merges; i++) {
        n += spell(by_rank, by_rank[i][0], text + n);
        text[n++] = ' ';
        n += spell(by_rank, by_rank[i][1], text + n);
        text[n++] = '\n';
    }
    wi_bpe parsed;
    assert_int_equal(wi_bpe_parse_merges(text, n, &parsed, NULL), WI_OK);
    assert_int_equal(parsed.n_merges, clip->n_merges);
    assert_memory_equal(parsed.sorted, clip->sorted, clip->n_merges * sizeof *clip->sorted);
    free((void *)(uintptr_t)parsed.sorted);
    free(text);
    free(by_rank);
}

static void broken_merges_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wi_status status;
        const char *says;
    } cases[] = {
        {"a\n", WI_ERR_FORMAT, "line 1"},
        {"#version: 0.2\na b\nab cd\n", WI_ERR_FORMAT, "line 3"},
        {"a b c\n", WI_ERR_FORMAT, "line 1"},
        {"a b\na b\n", WI_ERR_UNSUPPORTED, "line 2"},
        {"a b\nb c\nab c\na bc\n", WI_ERR_UNSUPPORTED, "line 4"},
        {" a\n", WI_ERR_FORMAT, "line 1"},
        {"a \n", WI_ERR_FORMAT, "line 1"},
        {"\xff \xfe\n", WI_ERR_FORMAT, "line 1"},
        {"a b\n#version\n", WI_ERR_FORMAT, "line 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_error error = {0};
        wi_bpe bpe;
        assert_int_equal(wi_bpe_parse_merges(cases[i].text, strlen(cases[i].text), &bpe, &error),
                         cases[i].status);
        assert_non_null(strstr(error.message, cases[i].says));
    }
    wi_bpe none;
    assert_int_equal(wi_bpe_parse_merges("", 0, &none, NULL), WI_OK);
    assert_int_equal(none.n_merges, 0);
    free((void *)(uintptr_t)none.sorted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_texts_are_two_markers),
        cmocka_unit_test(truncation_keeps_the_end_marker),
        cmocka_unit_test(any_context_length_from_two_works),
        cmocka_unit_test(zero_bytes_are_removed),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(nested_references_are_bounded),
        cmocka_unit_test(words_of_any_length_merge_alike),
        cmocka_unit_test(hostile_tables_are_refused),
        cmocka_unit_test(merges_text_gives_the_same_table),
        cmocka_unit_test(broken_merges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
