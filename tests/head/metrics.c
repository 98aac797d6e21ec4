/* Metrics against counting by hand and the definitions. */
#include "head/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/metrics.h>

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) < 1e-6))
        fail_msg("%.9g in place of %.9g", got, want);
}

static void counts_by_hand(void **state)
{
    (void)state;
    static const struct {
        float score[3];
        size_t truth;
    } pictures[] = {
        {{0.7f, 0.2f, 0.1f}, 0}, {{0.5f, 0.5f, 0.0f}, 1}, /* a tie: the first label answers */
        {{0.1f, 0.8f, 0.1f}, 1}, {{0.3f, 0.3f, 0.4f}, 0}, {{0.6f, 0.1f, 0.3f}, 1},
    };
    wi_tally *tally = NULL;
    assert_int_equal(wi_tally_open(3, &tally, NULL), WI_OK);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(wi_tally_add(tally, pictures[i].score, pictures[i].truth, NULL), WI_OK);
    wi_metrics m;
    assert_int_equal(wi_tally_metrics(tally, &m, NULL), WI_OK);
    assert_int_equal(m.n, 5);
    assert_near(m.top1, 0.4);
    assert_near(m.top5, 1);
    assert_near(m.balanced, (0.5 + 1.0 / 3) / 2);
    assert_near(m.log_loss, -(log(0.7) + log(0.5) + log(0.8) + log(0.3) + log(0.1)) / 5);
    /* bins by fifteenths: 0.7 right, 0.5 wrong, 0.8 right, 0.4 wrong (bin 6), 0.6 wrong */
    assert_near(m.calibration_error, (0.3 + 0.5 + 0.2 + 0.4 + 0.6) / 5);
    assert_true(isnan(m.auc));
    wi_label_metrics l;
    wi_tally_label(tally, 0, &l);
    assert_true(l.n_true == 2 && l.n_answered == 3 && l.n_right == 1);
    assert_near(l.precision, 1.0 / 3);
    assert_near(l.recall, 0.5);
    wi_tally_label(tally, 2, &l);
    assert_true(l.n_true == 0 && l.n_answered == 1 && l.precision == 0 && isnan(l.recall));
    wi_tally_label(tally, 7, &l);
    assert_int_equal(l.n_true, 0);
    uint64_t count[9];
    static const uint64_t want[9] = {1, 0, 1, 2, 1, 0, 0, 0, 0};
    wi_tally_confusion(tally, count);
    assert_memory_equal(count, want, sizeof want);
    wi_confused pairs[4];
    size_t n = 0;
    assert_int_equal(wi_tally_confused(tally, 4, pairs, &n, NULL), WI_OK);
    assert_int_equal(n, 2);
    assert_true(pairs[0].truth == 1 && pairs[0].answer == 0 && pairs[0].count == 2);
    assert_true(pairs[1].truth == 0 && pairs[1].answer == 2 && pairs[1].count == 1);
    wi_tally_close(&tally);
    assert_null(tally);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    wi_tally *tally = NULL;
    wi_metrics m;
    wi_error error;
    assert_int_equal(wi_tally_open(0, &tally, &error), WI_ERR_ARG);
    assert_int_equal(wi_tally_open(2, &tally, &error), WI_OK);
    assert_int_equal(wi_tally_add(tally, (float[2]){0.5f, 0.5f}, 2, &error), WI_ERR_ARG);
    assert_int_equal(wi_tally_add(tally, (float[2]){0.5f, NAN}, 1, &error), WI_ERR_ARG);
    assert_int_equal(wi_tally_add(tally, (float[2]){0.5f, 1.5f}, 1, &error), WI_ERR_ARG);
    assert_int_equal(wi_tally_metrics(tally, &m, &error), WI_OK);
    assert_true(m.n == 0 && isnan(m.top1) && isnan(m.log_loss) && isnan(m.auc));
    wi_tally_close(&tally);
    double auc;
    assert_int_equal(
        wi_auc((float[2]){1, 2}, (bool[2]){true, true}, 2, 0, &auc, NULL, NULL, &error),
        WI_ERR_ARG);
    assert_int_equal(
        wi_auc((float[2]){1, NAN}, (bool[2]){true, false}, 2, 0, &auc, NULL, NULL, &error),
        WI_ERR_ARG);
}

/* Against counting all pairs, with ties. */
static void auc_counts_pairs(void **state)
{
    (void)state;
    enum { N = 200 };
    dice d = {5};
    float score[N];
    bool positive[N];
    for (int round = 0; round < 5; round++) {
        double pairs = 0, wins = 0, auc, low, high;
        for (int i = 0; i < N; i++) {
            positive[i] = dice_next(&d) % 3 == 0;
            score[i] = (float)(dice_next(&d) % 20 + (positive[i] ? 4 : 0));
        }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                if (positive[i] && !positive[j]) {
                    pairs += 1;
                    wins += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
                }
        assert_int_equal(wi_auc(score, positive, N, 200, &auc, &low, &high, NULL), WI_OK);
        assert_near(auc, wins / pairs);
        assert_true(low < auc && auc < high && high - low < 0.3 && high - low > 0.05);
    }
}

/* The interval covers the true area about 19 times of 20. */
static void intervals_cover(void **state)
{
    (void)state;
    enum { N = 120, ROUNDS = 100 };
    dice d = {17};
    int covered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        float score[N];
        bool positive[N];
        double auc, low, high;
        for (int i = 0; i < N; i++) {
            positive[i] = i % 2 == 0;
            score[i] = (float)(dice_gaussian(&d) + (positive[i] ? 1 : 0));
        }
        assert_int_equal(wi_auc(score, positive, N, 200, &auc, &low, &high, NULL), WI_OK);
        covered += low <= 0.7602499 && 0.7602499 <= high; /* Phi(1 / sqrt 2) */
    }
    assert_in_range(covered, 88, 99);
}

/* Scores that saturate f32's 1 still rank. */
static void saturated_scores_rank(void **state)
{
    (void)state;
    wi_tally *tally = NULL;
    wi_metrics m;
    assert_int_equal(wi_tally_open(2, &tally, NULL), WI_OK);
    for (int i = 0; i < 20; i++) {
        float other = 1e-20f * (float)(i + 1);
        assert_int_equal(wi_tally_add(tally, (float[2]){other, 1}, i < 10, NULL), WI_OK);
    }
    assert_int_equal(wi_tally_metrics(tally, &m, NULL), WI_OK);
    assert_near(m.auc, 1);
    assert_near(m.top1, 0.5);
    wi_tally_close(&tally);
}

/* A calibrated source has a small calibration error, an overconfident one a large one. */
static void calibration_error_tells(void **state)
{
    (void)state;
    dice d = {41};
    for (int overconfident = 0; overconfident < 2; overconfident++) {
        wi_tally *tally = NULL;
        wi_metrics m;
        assert_int_equal(wi_tally_open(2, &tally, NULL), WI_OK);
        for (int i = 0; i < 20000; i++) {
            double p = 0.5 + dice_uniform(&d) / 2;
            float claimed = (float)(overconfident ? (1 + p) / 2 : p);
            size_t truth = dice_uniform(&d) < p ? 0 : 1;
            assert_int_equal(wi_tally_add(tally, (float[2]){claimed, 1 - claimed}, truth, NULL),
                             WI_OK);
        }
        assert_int_equal(wi_tally_metrics(tally, &m, NULL), WI_OK);
        assert_true(overconfident ? fabs(m.calibration_error - 0.125) < 0.02
                                  : m.calibration_error < 0.02);
        wi_tally_close(&tally);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_hand),        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(auc_counts_pairs),      cmocka_unit_test(intervals_cover),
        cmocka_unit_test(saturated_scores_rank), cmocka_unit_test(calibration_error_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
