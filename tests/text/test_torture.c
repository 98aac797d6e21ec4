/* Every allocation of the text room fails once: a clear error, and nothing leaks. */
#include "text/support.h"

#include "base/error.h"
#include "support/torture.h"
#include "text/bpe.h"
#include "text/clean.h"
#include "text/labels.h"

#include <stdlib.h>
#include <string.h>

typedef struct input {
    const char *bytes;
    size_t n;
} input;

static wi_status encode_case(void *context, wi_error *error)
{
    const input *text = context;
    int32_t ids[CONTEXT];
    return wi_bpe_encode(wi_bpe_clip(), text->bytes, text->n, CONTEXT, ids, NULL, NULL, error);
}

static wi_status merges_case(void *context, wi_error *error)
{
    const input *text = context;
    wi_bpe bpe;
    wi_status status = wi_bpe_parse_merges(text->bytes, text->n, &bpe, error);
    if (status == WI_OK)
        free((void *)(uintptr_t)bpe.sorted);
    return status;
}

static wi_status labels_case(void *context, wi_error *error)
{
    const input *text = context;
    wi_labels labels;
    wi_status status = wi_labels_parse(text->bytes, text->n, &labels, error);
    if (status == WI_OK)
        wi_labels_free(&labels);
    return status;
}

static void encoding_survives(void **state)
{
    (void)state;
    char longer[3000];
    memset(longer, 'x', sizeof longer);
    longer[0] = '\xc3';
    longer[1] = '\xa9';
    /* One text without any allocation, one through every step, one with a long word. */
    input plain = {"a photo of a cat", 16}, accents = {"cafe\xcc\x81 &amp; \xef\xac\x81ne\nx", 20},
          word = {longer, sizeof longer};
    assert_int_equal(torture_run(encode_case, &plain), 0);
    assert_true(torture_run(encode_case, &accents) >= 5);
    assert_true(torture_run(encode_case, &word) >= 6);
}

static void parsing_survives(void **state)
{
    (void)state;
    input merges = {"#version: 0.2\na b\nab c</w>\n", 27},
          labels = {"# template: a {}\ncat|kitty\ndog\n", 31}, noted = {"cat\ncat\n", 8};
    assert_int_equal(torture_run(merges_case, &merges), 4);
    assert_int_equal(torture_run(labels_case, &labels), 3);
    assert_int_equal(torture_run(labels_case, &noted), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_survives),
        cmocka_unit_test(parsing_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
