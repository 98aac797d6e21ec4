/* Who is held out when (head/folds.h). */
#include "head/folds.h"

#include "head/chance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 200, LABELS = 7 };

typedef struct examples {
    uint32_t label[MOST];
    size_t n, count[LABELS];
} examples;

static void draw(uint64_t *state, examples *out)
{
    *out = (examples){.n = wi_chance_below(state, MOST)};
    const size_t few = 1 + wi_chance_below(state, LABELS);
    for (size_t i = 0; i < out->n; i++)
        out->count[out->label[i] = (uint32_t)wi_chance_below(state, few)]++;
}

static void each_is_held_out_once_or_is_alone(void **state)
{
    (void)state;
    uint64_t chance = 1;
    for (int trial = 0; trial < 300; trial++) {
        examples e;
        wi_folds folds;
        draw(&chance, &e);
        const wi_folds_rule rule = {1 + wi_chance_below(&chance, WI_MAX_FOLDS), trial & 1,
                                    trial & 2};
        assert_int_equal(wi_folds_deal(&rule, e.label, e.n, e.count, LABELS, &folds, NULL), WI_OK);
        size_t size[WI_MAX_FOLDS] = {0}, least = SIZE_MAX, most = 0;
        size_t of_label[LABELS][WI_MAX_FOLDS] = {{0}};
        for (size_t i = 0; i < e.n; i++) {
            assert_int_equal(folds.of[i] == WI_IN_NO_FOLD, e.count[e.label[i]] < 2);
            if (folds.of[i] == WI_IN_NO_FOLD)
                continue;
            assert_true(folds.of[i] < rule.n_folds);
            size[folds.of[i]]++;
            of_label[e.label[i]][folds.of[i]]++;
        }
        for (size_t f = 0; f < rule.n_folds; f++) {
            least = size[f] < least ? size[f] : least;
            most = size[f] > most ? size[f] : most;
            for (size_t c = 0; c < LABELS; c++) /* a label's examples are spread evenly */
                for (size_t g = 0; g < f; g++)
                    assert_true(of_label[c][f] <= of_label[c][g] + 1 &&
                                of_label[c][g] <= of_label[c][f] + 1);
        }
        if (!rule.lone_pass)
            assert_true(most - least <= 1);
        wi_folds_free(&folds);
    }
}

/* Heads that exist were made by these orders. */
static void the_order_is_what_it_was(void **state)
{
    (void)state;
    static const uint32_t label[] = {0, 2, 0, 1, 2, 2, 0, 3, 3, 2};
    static const size_t count[] = {3, 1, 4, 2};
    static const struct {
        wi_folds_rule rule;
        uint8_t of[10];
    } cases[] = {{{3, false, false}, {0, 0, 1, 255, 1, 2, 2, 1, 2, 0}},
                 {{3, false, true}, {0, 1, 1, 255, 2, 0, 2, 2, 0, 1}},
                 {{2, true, true}, {0, 1, 1, 255, 0, 0, 0, 0, 1, 1}},
                 {{0, true, true}, {255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_folds folds;
        assert_int_equal(wi_folds_deal(&cases[i].rule, label, 10, count, 4, &folds, NULL), WI_OK);
        assert_memory_equal(folds.of, cases[i].of, 10);
        wi_folds_free(&folds);
    }
}

typedef struct seen {
    const wi_folds *folds;
    size_t n_asked, n_held_out, fails_at;
} seen;

static wi_status ask(void *context, size_t fold, const bool *held_out, wi_error *error)
{
    seen *s = context;
    (void)error;
    assert_int_equal(fold, s->n_asked++);
    for (size_t i = 0; i < s->folds->n; i++) {
        assert_int_equal(held_out[i], s->folds->of[i] == fold);
        s->n_held_out += held_out[i];
    }
    return fold == s->fails_at ? WI_ERR_CANCELLED : WI_OK;
}

static void every_fold_is_asked_until_one_fails(void **state)
{
    (void)state;
    static const uint32_t label[] = {0, 0, 0, 0, 0, 1};
    static const size_t count[] = {5, 1};
    wi_folds folds;
    assert_int_equal(
        wi_folds_deal(&(wi_folds_rule){.n_folds = 4}, label, 6, count, 2, &folds, NULL), WI_OK);
    seen all = {.folds = &folds, .fails_at = 9}, some = {.folds = &folds, .fails_at = 1};
    assert_int_equal(wi_folds_answer(&folds, ask, &all, NULL), WI_OK);
    assert_int_equal(all.n_asked, 4);
    assert_int_equal(all.n_held_out, 5);
    assert_int_equal(wi_folds_answer(&folds, ask, &some, NULL), WI_ERR_CANCELLED);
    assert_int_equal(some.n_asked, 2);
    wi_folds_free(&folds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_held_out_once_or_is_alone),
        cmocka_unit_test(the_order_is_what_it_was),
        cmocka_unit_test(every_fold_is_asked_until_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
