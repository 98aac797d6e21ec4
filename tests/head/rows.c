/* Passes over rows, against the same sums written down in f64, at sizes around blocks and panels. */
#include "head/support.h"

#include "head/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample {
    size_t n, dim, n_labels, ld;
    wi_rows rows;
    double *w, *gradient;
    size_t n_seen;
} sample;

static void open_sample(sample *s, dice *d)
{
    assert_int_equal(wi_rows_init(&s->rows, test_kern(), s->n, s->dim, s->n_labels, NULL), WI_OK);
    s->w = calloc(s->n_labels * s->ld, sizeof *s->w);
    s->gradient = calloc(s->n_labels * s->ld, sizeof *s->gradient);
    assert_true(s->w && s->gradient);
    for (size_t i = 0; i < s->n * s->dim; i++)
        s->rows.x[i] = (float)dice_gaussian(d);
    for (size_t i = 0; i < s->n_labels * s->ld; i++) {
        s->w[i] = dice_gaussian(d) / sqrt((double)s->dim);
        s->gradient[i] = 1; /* is added to */
    }
    wi_rows_lay_out(&s->rows);
}

static void close_sample(sample *s)
{
    wi_rows_free(&s->rows);
    free(s->w);
    free(s->gradient);
}

static double logit_of(const sample *s, size_t row, size_t label)
{
    double sum = 0;
    for (size_t j = 0; j < s->dim; j++)
        sum += s->w[label * s->ld + j] * (double)s->rows.x[row * s->dim + j];
    return sum;
}

/* The loss is half the squares of the logits, but for rows of which nothing is asked. */
static double squares(void *context, size_t row, float *logit)
{
    sample *s = context;
    double loss = 0;
    s->n_seen++;
    for (size_t c = 0; c < s->n_labels; c++) {
        assert_true(fabs((double)logit[c] - logit_of(s, row, c)) < 1e-4);
        logit[c] = row % 5 == 3 ? 0 : logit[c];
        loss += (double)logit[c] * (double)logit[c] / 2;
    }
    return loss;
}

static void check_pass(sample *s)
{
    double loss = 0;
    double got = wi_rows_pass(&s->rows, s->n_labels, s->w, s->ld, squares, s, s->gradient);
    assert_int_equal(s->n_seen, s->n);
    for (size_t c = 0; c < s->n_labels; c++) {
        for (size_t j = 0; j < s->ld; j++) {
            double slope = 1;
            for (size_t i = 0; j < s->dim && i < s->n; i++)
                slope += i % 5 == 3 ? 0 : logit_of(s, i, c) * (double)s->rows.x[i * s->dim + j];
            assert_true(fabs(s->gradient[c * s->ld + j] - slope) < 2e-5 * (double)(s->n + 10));
        }
        for (size_t i = 0; i < s->n; i++)
            loss += i % 5 == 3 ? 0 : pow(logit_of(s, i, c), 2) / 2;
    }
    assert_true(fabs(got - loss) < 1e-5 * (loss + 1));
}

static void passes_sum_all_rows(void **state)
{
    (void)state;
    static const size_t ns[] = {1, 2, 255, 256, 257, 600}, dims[] = {1, 15, 16, 33},
                        labels[] = {1, 2, 16, 17};
    dice d = {77};
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 4; b++)
            for (size_t c = 0; c < 4; c++) {
                sample s = {
                    .n = ns[a], .dim = dims[b], .n_labels = labels[c], .ld = dims[b] + (c & 1)};
                open_sample(&s, &d);
                check_pass(&s);
                float logit[17];
                wi_rows_logits(&s.rows, s.n_labels, s.n - 1, logit);
                assert_true(fabs((double)logit[s.n_labels - 1] -
                                 logit_of(&s, s.n - 1, s.n_labels - 1)) < 1e-4);
                close_sample(&s);
            }
}

/* Also where the truth's share is less than f32 can say. */
static void losses_are_those_of_the_softmax(void **state)
{
    (void)state;
    wi_rows rows;
    assert_int_equal(wi_rows_init(&rows, test_kern(), 1, 1, 1, NULL), WI_OK);
    for (int far = 0; far < 3; far++) {
        float logit[5] = {1, -2, 0.5f, (float)(3 + 100 * far), 2}, share[5];
        double sum = 0, largest = (double)logit[3];
        for (size_t c = 0; c < 5; c++)
            sum += exp((double)logit[c] - largest);
        for (size_t truth = 0; truth < 5; truth++) {
            memcpy(share, logit, sizeof share);
            double loss = wi_rows_softmax_loss(&rows, share, 5, truth);
            assert_true(fabs(loss - (largest - (double)logit[truth] + log(sum))) < 1e-5);
            for (size_t c = 0; c < 5; c++)
                assert_true(fabs((double)share[c] - exp((double)logit[c] - largest) / sum) < 1e-6);
        }
    }
    wi_rows_free(&rows);
}

static void too_many_rows_are_refused(void **state)
{
    (void)state;
    wi_rows rows;
    assert_int_equal(wi_rows_init(&rows, test_kern(), SIZE_MAX / 4, SIZE_MAX / 4, 2, NULL),
                     WI_ERR_NOMEM);
    wi_rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_sum_all_rows),
        cmocka_unit_test(losses_are_those_of_the_softmax),
        cmocka_unit_test(too_many_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
