/* Token ids against those of the original: our own small set, and the big one where it is at hand.
 */
#include "text/support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool row_equal(const json_t *row)
{
    const json_t *text = json_object_get(row, "text"), *ids = json_object_get(row, "ids");
    encoded e = encode(json_string_value(text), json_string_length(text));
    bool equal = e.status == WI_OK && e.n == json_array_size(ids) &&
                 e.truncated == json_is_true(json_object_get(row, "truncated"));
    for (size_t i = 0; equal && i < e.n; i++)
        equal = e.ids[i] == json_integer_value(json_array_get(ids, i));
    for (size_t i = e.n; equal && i < CONTEXT; i++)
        equal = e.ids[i] == 0;
    return equal;
}

enum { MAX_NEEDS = 8 };

typedef struct tally {
    char need[16];
    size_t rows, equal;
} tally;

static tally *tally_of(tally *all, const char *need)
{
    size_t i = 0;
    while (all[i].need[0] && strcmp(all[i].need, need) != 0)
        assert_true(++i < MAX_NEEDS);
    snprintf(all[i].need, sizeof all[i].need, "%s", need);
    return &all[i];
}

/* Rows that need mojibake repair are counted, not required. */
static size_t check_file(const char *path)
{
    char *text = read_file(path, NULL);
    assert_non_null(text);
    tally all[MAX_NEEDS] = {0};
    size_t n_rows = 0, n_wrong = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_error_t why;
        json_t *row = json_loads(line, JSON_ALLOW_NUL, &why);
        assert_non_null(row);
        const char *need = json_string_value(json_object_get(row, "need"));
        tally *t = tally_of(all, need ? need : "own");
        bool equal = row_equal(row);
        t->rows++;
        t->equal += equal;
        n_rows++;
        if (!equal && strcmp(t->need, "ftfy_full") != 0) {
            n_wrong++;
            print_error("%s:%zu differs: %.200s\n", path, n_rows, line);
        }
        json_decref(row);
    }
    for (size_t i = 0; i < MAX_NEEDS && all[i].need[0]; i++)
        print_message("%-10s %zu of %zu lines equal\n", all[i].need, all[i].equal, all[i].rows);
    free(text);
    assert_int_equal(n_wrong, 0);
    return n_rows;
}

static void own_lines_are_equal(void **state)
{
    (void)state;
    assert_true(check_file(WHATSIT_SOURCE_DIR "/tests/text/data/tokens.jsonl") > 90);
}

static void golden_lines_are_equal(void **state)
{
    (void)state;
    char path[1024];
    const char *root = getenv("WHATSIT_GOLDEN");
    snprintf(path, sizeof path, "%s/tokenizer/tokens.jsonl",
             root ? root : WHATSIT_SOURCE_DIR "/../shared/golden");
    FILE *file = fopen(path, "rb");
    if (!file)
        skip();
    fclose(file);
    assert_true(check_file(path) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_lines_are_equal),
        cmocka_unit_test(golden_lines_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
