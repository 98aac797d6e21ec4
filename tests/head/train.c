/* Training: the optimum is one, the held-out figures are honest, and bad photos are named. */
#include "head/support.h"

#include "head/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 24 };
static wi_head_model model = {/* main adds its kernels */
                              .name = "fake",
                              .fingerprint = "00ff",
                              .dim = DIM,
                              .logit_scale = 100};

/* Photos of n_labels clusters: a label's centre plus noise. */
typedef struct clusters {
    size_t n, n_labels;
    float *x;
    uint32_t *truth;
    char **labels;
} clusters;

/* The same centres for the same n_labels; another seed gives other photos. */
static void make_clusters(clusters *c, size_t n, size_t n_labels, double noise, uint64_t seed)
{
    dice centres = {1000 + n_labels}, d = {seed};
    float centre[16 * DIM];
    *c = (clusters){.n = n, .n_labels = n_labels};
    c->x = calloc(n * DIM, sizeof *c->x);
    c->truth = calloc(n, sizeof *c->truth);
    c->labels = make_labels(n_labels);
    assert_true(c->x && c->truth && n_labels <= 16);
    random_rows(&centres, n_labels, DIM, centre);
    for (size_t i = 0; i < n; i++) {
        c->truth[i] = (uint32_t)(i % n_labels);
        for (size_t j = 0; j < DIM; j++)
            c->x[i * DIM + j] = centre[c->truth[i] * DIM + j] + (float)(noise * dice_gaussian(&d));
    }
}

static void free_clusters(clusters *c)
{
    free(c->x);
    free(c->truth);
    free_labels(c->labels, c->n_labels);
}

static wi_training training_of(const clusters *c)
{
    return (wi_training){.name = "trained",
                         .labels = (const char *const *)c->labels,
                         .n_labels = c->n_labels,
                         .photos = {c->x, c->truth, c->n, DIM}};
}

static double accuracy_on(const wi_head *head, const clusters *c)
{
    size_t n_right = 0;
    for (size_t i = 0; i < c->n; i++) {
        wi_answer best;
        size_t n;
        assert_int_equal(wi_head_answer(head, c->x + i * DIM, DIM, 1, &best, &n, NULL), WI_OK);
        n_right += best.label == c->truth[i];
    }
    return (double)n_right / (double)c->n;
}

static void learns_and_reports_honestly(void **state)
{
    (void)state;
    clusters seen, unseen;
    make_clusters(&seen, 300, 5, 2.2, 1);
    make_clusters(&unseen, 2000, 5, 2.2, 2);
    wi_training training = training_of(&seen);
    wi_training_report report;
    wi_head *head = NULL;
    wi_metrics m;
    wi_error error = {0};
    if (wi_linear_train(&model, &training, &head, &report, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(report.n_folds, 5);
    assert_int_equal(wi_tally_metrics(report.tally, &m, NULL), WI_OK);
    assert_int_equal(m.n, 300);
    double unseen_accuracy = accuracy_on(head, &unseen);
    assert_true(unseen_accuracy > 0.65 && unseen_accuracy < 0.9); /* neither chance nor trivial */
    assert_true(fabs(m.top1 - unseen_accuracy) < 0.05);
    assert_true(m.calibration_error < 0.08);
    wi_head_info info;
    wi_head_get_info(head, &info);
    assert_true(info.kind == WI_HEAD_LINEAR && info.n_labels == 5 && info.dim == DIM);
    assert_string_equal(info.model_fingerprint, "00ff");
    wi_tally_close(&report.tally);
    wi_head_close(&head);
    free_clusters(&seen);
    free_clusters(&unseen);
}

/* The gradient of the objective, written out again in double precision, vanishes at the result. */
static void reaches_the_optimum(void **state)
{
    (void)state;
    clusters c;
    make_clusters(&c, 90, 3, 2, 3);
    wi_training training = training_of(&c);
    training.strength = 20;
    wi_head *head = NULL;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, NULL), WI_OK);
    double gradient[3][DIM + 1] = {{0}}, largest = 0;
    for (size_t i = 0; i < c.n; i++) {
        double x[DIM], squares = 0, logit[3], sum = 0;
        for (size_t j = 0; j < DIM; j++)
            squares += (double)c.x[i * DIM + j] * (double)c.x[i * DIM + j];
        for (size_t j = 0; j < DIM; j++)
            x[j] = (double)c.x[i * DIM + j] / sqrt(squares);
        for (size_t l = 0; l < 3; l++) {
            logit[l] = (double)head->parts.bias[l];
            for (size_t j = 0; j < DIM; j++)
                logit[l] += (double)head->parts.weight[l * DIM + j] * x[j];
            sum += exp(logit[l]);
        }
        for (size_t l = 0; l < 3; l++) {
            double residual = exp(logit[l]) / sum - (c.truth[i] == l);
            for (size_t j = 0; j < DIM; j++)
                gradient[l][j] += 20 * residual * x[j];
            gradient[l][DIM] += 20 * residual;
        }
    }
    for (size_t l = 0; l < 3; l++)
        for (size_t j = 0; j <= DIM; j++) {
            double g = gradient[l][j] + (j < DIM ? (double)head->parts.weight[l * DIM + j] : 0);
            largest = fmax(largest, fabs(g));
        }
    assert_true(largest < 0.3); /* it starts at some hundreds */
    wi_head_close(&head);
    free_clusters(&c);
}

static void same_photos_same_head(void **state)
{
    (void)state;
    clusters c;
    make_clusters(&c, 120, 4, 2, 5);
    wi_training training = training_of(&c);
    wi_head *head[2] = {NULL, NULL};
    wi_training_report report[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(wi_linear_train(&model, &training, &head[i], &report[i], NULL), WI_OK);
    assert_memory_equal(head[0]->parts.weight, head[1]->parts.weight, 4 * DIM * sizeof(float));
    assert_memory_equal(head[0]->parts.bias, head[1]->parts.bias, 4 * sizeof(float));
    assert_true(report[0].strength == report[1].strength);
    assert_true(head[0]->parts.temperature == head[1]->parts.temperature);
    for (int i = 0; i < 2; i++) {
        wi_head_close(&head[i]);
        wi_tally_close(&report[i].tally);
    }
    free_clusters(&c);
}

/* 10 photos of one label, 200 of the other: balanced training finds more of the rare one. */
static void balance_helps_rare_labels(void **state)
{
    (void)state;
    clusters c, even;
    double recall[2];
    make_clusters(&c, 400, 2, 4, 7);
    make_clusters(&even, 1000, 2, 4, 8);
    size_t n = 0, n_rare = 0;
    for (size_t i = 0; i < c.n; i++) {
        if (c.truth[i] == 1 && n_rare == 10)
            continue;
        n_rare += c.truth[i] == 1;
        c.truth[n] = c.truth[i];
        memmove(c.x + n++ * DIM, c.x + i * DIM, DIM * sizeof *c.x);
    }
    c.n = n;
    for (int balanced = 0; balanced < 2; balanced++) {
        wi_training training = training_of(&c);
        wi_training_report report;
        wi_head *head = NULL;
        wi_metrics m;
        training.balanced = balanced;
        assert_int_equal(wi_linear_train(&model, &training, &head, &report, NULL), WI_OK);
        assert_int_equal(wi_tally_metrics(report.tally, &m, NULL), WI_OK);
        assert_true(m.auc > 0.5 && m.auc_low < m.auc && m.auc < m.auc_high);
        size_t n_found = 0;
        for (size_t i = 0; i < even.n; i++) {
            wi_answer best;
            size_t n_out;
            assert_int_equal(wi_head_answer(head, even.x + i * DIM, DIM, 1, &best, &n_out, NULL),
                             WI_OK);
            n_found += best.label == 1 && even.truth[i] == 1;
        }
        recall[balanced] = (double)n_found / ((double)even.n / 2);
        wi_head_close(&head);
        wi_tally_close(&report.tally);
    }
    assert_true(recall[1] > recall[0] + 0.1);
    free_clusters(&c);
    free_clusters(&even);
}

static void one_photo_each_is_enough(void **state)
{
    (void)state;
    clusters c, unseen;
    make_clusters(&c, 4, 4, 0.6, 9);
    make_clusters(&unseen, 400, 4, 0.6, 10);
    wi_training training = training_of(&c);
    wi_training_report report;
    wi_head *head = NULL;
    assert_int_equal(wi_linear_train(&model, &training, &head, &report, NULL), WI_OK);
    assert_int_equal(report.n_folds, 0);
    assert_null(report.tally);
    assert_true(accuracy_on(head, &unseen) > 0.9);
    wi_head_close(&head);
    free_clusters(&c);
    free_clusters(&unseen);
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)total;
    return done < *(uint64_t *)context;
}

static void refuses_bad_photos(void **state)
{
    (void)state;
    clusters c;
    make_clusters(&c, 30, 3, 1, 11);
    wi_head *head = NULL;
    wi_error error;

    wi_training training = training_of(&c);
    training.n_labels = 1;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_ARG);

    training = training_of(&c);
    training.photos.dim = DIM - 1;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_MISMATCH);

    training = training_of(&c);
    training.photos.n = 0;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_ARG);

    training = training_of(&c);
    c.truth[7] = 3;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "photo 8 has label 3 of 3"));
    for (size_t i = 0; i < c.n; i++)
        c.truth[i] = (uint32_t)(i % 2);
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "'label 2' has no photos"));
    c.truth[0] = 2;
    c.x[5 * DIM + 3] = NAN;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "photo 6: the embedding holds NaN"));
    c.x[5 * DIM + 3] = 0;

    uint64_t limit = 3;
    training.progress = (wi_progress){stop, &limit};
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_CANCELLED);
    training.progress = (wi_progress){0};
    training.strength = -1;
    assert_int_equal(wi_linear_train(&model, &training, &head, NULL, &error), WI_ERR_ARG);
    assert_null(head);
    free_clusters(&c);
}

int main(void)
{
    model.kern = test_kern();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_and_reports_honestly), cmocka_unit_test(reaches_the_optimum),
        cmocka_unit_test(same_photos_same_head),       cmocka_unit_test(balance_helps_rare_labels),
        cmocka_unit_test(one_photo_each_is_enough),    cmocka_unit_test(refuses_bad_photos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
