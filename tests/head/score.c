/* Scoring against a reference in double precision, and its edges. */
#include "head/support.h"

#include "head/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Softmax or sigmoid of scale * cosine, the slow and plain way. */
static void reference(const wi_head *head, const float *embedding, double *score, double *cosine)
{
    const wi_head_parts *p = &head->parts;
    double squares = 0, largest = -INFINITY, sum = 0;
    for (size_t j = 0; j < p->dim; j++)
        squares += (double)embedding[j] * (double)embedding[j];
    for (size_t i = 0; i < p->n_labels; i++) {
        double dot = 0;
        for (size_t j = 0; j < p->dim; j++)
            dot += (double)p->weight[i * p->dim + j] * (double)embedding[j];
        cosine[i] = dot / sqrt(squares);
        score[i] = (double)p->logit_scale * cosine[i];
        largest = score[i] > largest ? score[i] : largest;
    }
    for (size_t i = 0; i < p->n_labels; i++)
        sum += exp(score[i] - largest);
    for (size_t i = 0; i < p->n_labels; i++)
        score[i] = p->sigmoid ? 1 / (1 + exp(-score[i])) : exp(score[i] - largest) / sum;
}

static void check_against_reference(size_t n, size_t dim, float scale, bool sigmoid)
{
    wi_head *head = random_head(n * 1000 + dim, n, dim, scale, sigmoid);
    float *x = calloc(dim, sizeof *x);
    float *score = calloc(n, sizeof *score), *cosine = calloc(n, sizeof *cosine);
    float *logit = calloc(n, sizeof *logit);
    double *want = calloc(n, sizeof *want), *want_cosine = calloc(n, sizeof *want_cosine);
    assert_true(x && score && cosine && logit && want && want_cosine);
    dice d = {7};
    random_rows(&d, 1, dim, x);
    wi_error error;
    assert_int_equal(wi_score_all(head, x, dim, score, cosine, logit, &error), WI_OK);
    reference(head, x, want, want_cosine);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        /* A cosine is right to some 1e-7; a softmax probability moves with the scale times that. */
        double tolerance = 1e-6 + (double)scale * 4e-7 * want[i];
        assert_true(fabs((double)cosine[i] - want_cosine[i]) < 4e-7);
        assert_true(fabs((double)logit[i] - (double)scale * want_cosine[i]) < (double)scale * 4e-7);
        assert_true(fabs((double)score[i] - want[i]) < tolerance);
        assert_true(score[i] >= 0 && score[i] <= 1);
        sum += (double)score[i];
    }
    if (!sigmoid)
        assert_true(fabs(sum - 1) < 1e-5);
    free(x);
    free(score);
    free(cosine);
    free(logit);
    free(want);
    free(want_cosine);
    wi_head_close(&head);
    assert_null(head);
}

static void agrees_with_double_precision(void **state)
{
    (void)state;
    static const size_t labels[] = {1, 2, 3, 255, 256, 257, 1000};
    static const size_t dims[] = {1, 2, 7, 15, 16, 17, 64, 511, 512};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        for (size_t j = 0; j < sizeof dims / sizeof *dims; j++) {
            check_against_reference(labels[i], dims[j], 100, false);
            check_against_reference(labels[i], dims[j], 100, true);
        }
}

static void survives_huge_logits(void **state)
{
    (void)state;
    check_against_reference(50, 64, 1e4f, false);
    check_against_reference(50, 64, 1e4f, true);
    check_against_reference(50, 64, 1e6f, true);
    const float logit[3] = {3e38f, -3e38f, 2.9e38f};
    float score[3];
    wi_score_softmax(logit, 3, 1, score);
    assert_true(score[0] == 1 && score[1] == 0 && score[2] == 0);
    wi_score_sigmoid(logit, 3, 1e-3f, score);
    assert_true(score[0] == 1 && score[1] == 0 && score[2] == 1);
}

static void temperature_flattens(void **state)
{
    (void)state;
    const float logit[2] = {2, 0};
    float score[2];
    wi_score_softmax(logit, 2, 2, score);
    assert_true(fabs((double)score[0] - 1 / (1 + exp(-1.0))) < 1e-7);
    wi_score_sigmoid(logit, 2, 4, score);
    assert_true(fabs((double)score[0] - 1 / (1 + exp(-0.5))) < 1e-7 && score[1] == 0.5f);
}

/* Every length gives the same answer, from subnormal to enormous. */
static void length_does_not_matter(void **state)
{
    (void)state;
    wi_head *head = random_head(3, 20, 32, 100, false);
    dice d = {11};
    float x[32], scaled[32], want[20], got[20];
    random_rows(&d, 1, 32, x);
    assert_int_equal(wi_score_all(head, x, 32, want, NULL, NULL, NULL), WI_OK);
    static const float factors[] = {1e-30f, 1e-3f, 1e3f, 1e37f};
    for (size_t f = 0; f < 4; f++) {
        for (int j = 0; j < 32; j++)
            scaled[j] = x[j] * factors[f];
        assert_int_equal(wi_score_all(head, scaled, 32, got, NULL, NULL, NULL), WI_OK);
        for (int i = 0; i < 20; i++)
            assert_true(fabs((double)got[i] - (double)want[i]) < 1e-4);
    }
    wi_head_close(&head);
}

static void refuses_bad_embeddings(void **state)
{
    (void)state;
    wi_head *head = random_head(3, 20, 32, 100, false);
    static const struct {
        float value;
        const char *says;
    } bad[] = {{NAN, "NaN at position 5"}, {INFINITY, "an infinity"}, {-INFINITY, "an infinity"}};
    for (size_t b = 0; b < 3; b++) {
        float x[32] = {1};
        wi_answer out[1] = {{.label = 99}};
        size_t n_out = 77;
        wi_error error = {0};
        x[5] = bad[b].value;
        assert_int_equal(wi_head_answer(head, x, 32, 1, out, &n_out, &error), WI_ERR_ARG);
        assert_int_equal(error.status, WI_ERR_ARG);
        assert_non_null(strstr(error.message, bad[b].says));
        assert_true(n_out == 77 && out[0].label == 99); /* outputs are untouched */
        assert_int_equal(wi_head_scores(head, x, 32, NULL, NULL, NULL, NULL), WI_ERR_ARG);
    }
    float zero[32] = {0};
    wi_error error = {0};
    assert_int_equal(wi_head_scores(head, zero, 32, NULL, NULL, NULL, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "zeros"));
    assert_int_equal(wi_head_scores(head, zero, 31, NULL, NULL, NULL, &error), WI_ERR_MISMATCH);
    assert_non_null(strstr(error.message, "31 numbers for a head of 32"));
    wi_head_close(&head);
}

static int by_logit(const void *a, const void *b)
{
    const wi_answer *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return (x->label > y->label) - (x->label < y->label);
}

/* Against a full sort, with many ties (logits are small integers). */
static void top_k_is_a_sorted_prefix(void **state)
{
    (void)state;
    enum { MAX = 300 };
    dice d = {23};
    for (size_t n = 1; n <= MAX; n += n < 10 ? 1 : 29) {
        float logit[MAX];
        wi_answer sorted[MAX], out[MAX + 2];
        for (size_t i = 0; i < n; i++) {
            logit[i] = (float)(dice_next(&d) % 16) - 8;
            sorted[i] = (wi_answer){.label = i, .logit = logit[i]};
        }
        qsort(sorted, n, sizeof *sorted, by_logit);
        for (size_t k = 0; k <= n + 2; k++) {
            size_t want = k < n ? k : n;
            assert_int_equal(wi_score_top(logit, n, k, out), want);
            for (size_t i = 0; i < want; i++)
                assert_true(out[i].label == sorted[i].label && out[i].logit == sorted[i].logit);
        }
    }
}

static void answers_carry_their_numbers(void **state)
{
    (void)state;
    wi_head *head = random_head(5, 40, 24, 100, true);
    dice d = {29};
    float x[24], score[40], cosine[40], logit[40];
    wi_answer out[50];
    size_t n_out = 0;
    random_rows(&d, 1, 24, x);
    assert_int_equal(wi_head_scores(head, x, 24, score, cosine, logit, NULL), WI_OK);
    assert_int_equal(wi_head_answer(head, x, 24, 50, out, &n_out, NULL), WI_OK);
    assert_int_equal(n_out, 40);
    for (size_t i = 0; i < n_out; i++) {
        size_t l = out[i].label;
        assert_true(out[i].score == score[l] && out[i].cosine == cosine[l] &&
                    out[i].logit == logit[l]);
        assert_true(i == 0 || out[i - 1].logit >= out[i].logit);
    }
    assert_int_equal(wi_head_answer(head, x, 24, 0, NULL, &n_out, NULL), WI_OK);
    assert_int_equal(n_out, 0);
    wi_head_close(&head);
}

/* Rows of equal vectors answer in label order. */
static void ties_keep_label_order(void **state)
{
    (void)state;
    wi_head_parts parts;
    wi_head *head = NULL;
    static const char *const labels[] = {"a", "b", "c", "d", "e"};
    static const float weight[10] = {0, 1, 1, 0, 0, 1, 1, 0, 0, 1};
    wi_head_parts_init(&parts, test_kern());
    parts.labels = labels;
    parts.n_labels = parts.n_rows = 5;
    parts.dim = 2;
    parts.weight = weight;
    assert_int_equal(wi_head_create(&parts, NULL, WI_ERR_ARG, &head, NULL), WI_OK);
    const float x[2] = {2, 0};
    wi_answer out[5];
    size_t n_out;
    static const size_t want[5] = {1, 3, 0, 2, 4};
    assert_int_equal(wi_head_answer(head, x, 2, 5, out, &n_out, NULL), WI_OK);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(out[i].label, want[i]);
    assert_int_equal(wi_head_answer(head, x, 2, 3, out, &n_out, NULL), WI_OK);
    assert_true(out[0].label == 1 && out[1].label == 3 && out[2].label == 0);
    wi_head_close(&head);
}

/* A label answers with its best synonym. */
static void synonyms_share_an_answer(void **state)
{
    (void)state;
    wi_head_parts parts;
    wi_head *head = NULL;
    static const char *const labels[] = {"cat|kitty", "dog", "fox | vixen |x"};
    static const float weight[12] = {1, 0, 0, 1, 0.6f, 0.8f, -1, 0, 0, -1, 0.8f, 0.6f};
    static const int32_t row_label[6] = {0, 0, 1, 2, 2, 2};
    wi_head_parts_init(&parts, test_kern());
    parts.labels = labels;
    parts.n_labels = 3;
    parts.n_rows = 6;
    parts.row_label = row_label;
    parts.dim = 2;
    parts.weight = weight;
    parts.logit_scale = 10;
    assert_int_equal(wi_head_create(&parts, NULL, WI_ERR_ARG, &head, NULL), WI_OK);
    assert_string_equal(wi_head_label(head, 0), "cat");
    assert_string_equal(wi_head_label(head, 2), "fox");
    assert_string_equal(wi_head_label_full(head, 2), "fox | vixen |x");
    assert_null(wi_head_label(head, 3));
    const float x[2] = {0, 3};
    float cosine[3], score[3];
    assert_int_equal(wi_head_scores(head, x, 2, score, cosine, NULL, NULL), WI_OK);
    assert_true(cosine[0] == 1 && cosine[1] == 0.8f && cosine[2] == 0.6f);
    double sum = 1 + exp(-2.0) + exp(-4.0);
    assert_true(fabs((double)score[0] - 1 / sum) < 1e-6);
    assert_true(fabs((double)score[2] - exp(-4.0) / sum) < 1e-6);
    wi_head_close(&head);
}

static void photos_add_to_words(void **state)
{
    (void)state;
    wi_head_parts parts;
    wi_head *head = NULL;
    static const char *const labels[] = {"a", "b"};
    static const float weight[4] = {1, 0, 0.6f, 0.8f}, delta[4] = {2, -7, -3, 5},
                       bias[2] = {0.5f, 1};
    wi_head_parts_init(&parts, test_kern());
    parts.kind = WI_HEAD_FEW_SHOT;
    parts.labels = labels;
    parts.n_labels = parts.n_rows = 2;
    parts.dim = 2;
    parts.weight = weight;
    parts.logit_scale = 10;
    parts.delta = delta;
    parts.bias = bias;
    assert_int_equal(wi_head_create(&parts, NULL, WI_ERR_ARG, &head, NULL), WI_OK);
    const float x[2] = {0, 4};
    float cosine[2], logit[2];
    assert_int_equal(wi_head_scores(head, x, 2, NULL, cosine, logit, NULL), WI_OK);
    assert_true(cosine[0] == 0 && cosine[1] == 0.8f);
    assert_true(fabs((double)logit[0] - (0 - 7 + 0.5)) < 1e-5);
    assert_true(fabs((double)logit[1] - (8 + 5 + 1)) < 1e-5);
    wi_head_close(&head);
}

/* A group's share is the sum of its labels'; of independent answers, the best of them. */
static void groups_are_summed(void **state)
{
    (void)state;
    static const char *const groups[] = {"b", "", "a", "b", "a"};
    float x[8], score[5];
    dice d = {31};
    for (int sigmoid = 0; sigmoid < 2; sigmoid++) {
        wi_head *plain = random_head(3, 5, 8, 4, sigmoid), *head = NULL;
        wi_group_answer out[3];
        size_t n = 9;
        random_rows(&d, 1, 8, x);
        assert_int_equal(wi_head_answer_groups(plain, x, 8, 3, out, &n, NULL), WI_OK);
        assert_int_equal(n, 0);
        assert_int_equal(wi_head_regroup(plain, groups, &head, NULL), WI_OK);
        assert_int_equal(wi_head_scores(head, x, 8, score, NULL, NULL, NULL), WI_OK);
        assert_int_equal(wi_head_answer_groups(head, x, 8, 3, out, &n, NULL), WI_OK);
        assert_int_equal(n, 2);
        float a = sigmoid ? fmaxf(score[2], score[4]) : score[2] + score[4];
        float b = sigmoid ? fmaxf(score[0], score[3]) : score[0] + score[3];
        int first = a >= b ? 0 : 1;
        assert_string_equal(out[first].group, "a");
        assert_true(fabsf(out[first].score - a) < 1e-6f && fabsf(out[1 - first].score - b) < 1e-6f);
        assert_int_equal(wi_head_answer_groups(head, x, 8, 1, out, &n, NULL), WI_OK);
        assert_int_equal(n, 1);
        wi_head_close(&plain);
        wi_head_close(&head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_double_precision),
        cmocka_unit_test(survives_huge_logits),
        cmocka_unit_test(temperature_flattens),
        cmocka_unit_test(length_does_not_matter),
        cmocka_unit_test(refuses_bad_embeddings),
        cmocka_unit_test(top_k_is_a_sorted_prefix),
        cmocka_unit_test(answers_carry_their_numbers),
        cmocka_unit_test(ties_keep_label_order),
        cmocka_unit_test(synonyms_share_an_answer),
        cmocka_unit_test(photos_add_to_words),
        cmocka_unit_test(groups_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
