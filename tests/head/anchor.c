/* What photos add to words: the documented objective, written down once more in f64, is at its
 * highest where the fit ends. */
#include "head/support.h"

#include "head/anchor.h"
#include "head/descent.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 6, K = 4, N = 14, N_VARIABLES = K * (DIM + 1) + 1 };

typedef struct sample {
    float x[N * DIM], words[N * K], text[K * DIM];
    uint32_t label[N];
    bool skip[N];
    wi_anchor anchor;
} sample;

static void make_sample(sample *s, uint64_t seed, uint32_t n_used)
{
    dice d = {seed};
    memset(s->skip, 0, sizeof s->skip);
    random_unit_rows(&d, N, DIM, s->x);
    random_unit_rows(&d, K, DIM, s->text);
    for (size_t i = 0; i < N; i++) {
        s->label[i] = (uint32_t)(i < n_used ? i : dice_next(&d) % n_used);
        for (size_t c = 0; c < K; c++)
            s->words[i * K + c] = (float)(2 * dice_gaussian(&d) + (c == s->label[i]));
    }
    s->anchor =
        (wi_anchor){test_kern(), N, DIM, K, s->x, s->label, s->words, s->text, 3, false, NULL};
}

/* Counts the photos of each label too. */
static double radius_of(const sample *s, double *centre, size_t *count)
{
    double squares = 0;
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        count[s->label[i]] += !s->skip[i];
        n += !s->skip[i];
    }
    memset(centre, 0, DIM * sizeof *centre);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; !s->skip[i] && j < DIM; j++)
            centre[j] += (double)s->x[i * DIM + j] / (double)count[s->label[i]] / K;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; !s->skip[i] && j < DIM; j++)
            squares += pow((double)s->x[i * DIM + j] - centre[j], 2);
    return sqrt(squares / (double)n / (1 - 1.0 / K));
}

/* v: weights[K, DIM] of z, biases[K], ln lambda. The words' part of the centre is not written down
 * here: every label has photos. */
static double objective(const sample *s, const double *v)
{
    size_t count[K] = {0};
    double centre[DIM], radius = radius_of(s, centre, count), value = 0;
    for (size_t i = 0; i < N; i++) {
        double logit[K], sum = 0;
        for (size_t c = 0; c < K; c++) {
            logit[c] = exp(v[N_VARIABLES - 1]) * (double)s->words[i * K + c] + v[K * DIM + c] +
                       log((double)count[c]);
            for (size_t j = 0; j < DIM; j++)
                logit[c] += v[c * DIM + j] * ((double)s->x[i * DIM + j] - centre[j]) / radius;
            sum += exp(logit[c]);
        }
        value += s->skip[i] ? 0 : logit[s->label[i]] - log(sum);
    }
    for (size_t i = 0; i < N_VARIABLES; i++)
        value -= v[i] * v[i] /
                 (2 * (i < K * DIM           ? s->anchor.strength
                       : i < N_VARIABLES - 1 ? 0.3 * s->anchor.strength
                                             : 0.3));
    return value;
}

/* The fit's result as variables of z. */
static void variables_of(const sample *s, const float *delta, const float *bias, float lambda,
                         double *v)
{
    double centre[DIM], radius = radius_of(s, centre, (size_t[K]){0});
    for (size_t c = 0; c < K; c++) {
        v[K * DIM + c] = (double)bias[c];
        for (size_t j = 0; j < DIM; j++) {
            v[c * DIM + j] = (double)delta[c * DIM + j] * radius;
            v[K * DIM + c] += (double)delta[c * DIM + j] * centre[j];
        }
    }
    v[N_VARIABLES - 1] = log((double)lambda);
}

static void ends_at_the_highest_point(void **state)
{
    (void)state;
    sample s;
    for (int part = 0; part < 3; part++) {
        float delta[K * DIM], bias[K], lambda = 0;
        double v[N_VARIABLES];
        make_sample(&s, 5, K);
        s.anchor.strength = part < 2 ? 3 : 0.2;
        s.skip[N - 1] = s.skip[N - 2] = part == 1;
        assert_int_equal(wi_anchor_fit(&s.anchor, s.skip, delta, bias, &lambda, NULL), WI_OK);
        variables_of(&s, delta, bias, lambda, v);
        double best = objective(&s, v);
        for (size_t i = 0; i < N_VARIABLES; i++) {
            double kept = v[i], slope = 0;
            for (int side = -1; side <= 1; side += 2) {
                v[i] = kept + side * 1e-4;
                slope += side * objective(&s, v) / 2e-4;
                v[i] = kept + side * 0.05;
                assert_true(objective(&s, v) < best);
            }
            assert_true(fabs(slope) < 3e-3);
            v[i] = kept;
        }
    }
}

/* What is said of labels without photos stays what the words say. */
static void leaves_other_labels_alone(void **state)
{
    (void)state;
    sample s;
    float delta[K * DIM], bias[K], lambda = 0, moved = 0;
    make_sample(&s, 6, K - 1);
    assert_int_equal(wi_anchor_fit(&s.anchor, NULL, delta, bias, &lambda, NULL), WI_OK);
    assert_true(lambda == 1 && bias[K - 1] == 0);
    for (size_t j = 0; j < DIM; j++) {
        assert_true(delta[(K - 1) * DIM + j] == 0);
        moved += fabsf(delta[j]);
    }
    assert_true(moved > 0.1f);
    make_sample(&s, 6, K);
    s.anchor.independent = true; /* a yes stays a yes */
    assert_int_equal(wi_anchor_fit(&s.anchor, NULL, delta, bias, &lambda, NULL), WI_OK);
    assert_true(lambda == 1);
}

/* The weaker the photos' part, the closer the answers come to those of the words. */
static void strength_is_how_far_photos_move_words(void **state)
{
    (void)state;
    static const double strengths[] = {1e-6, 0.01, 0.1, 1, 10};
    sample s;
    double last = 0;
    make_sample(&s, 9, K);
    for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++) {
        float delta[K * DIM], bias[K], lambda = 0;
        double moved = 0;
        s.anchor.strength = strengths[i];
        assert_int_equal(wi_anchor_fit(&s.anchor, NULL, delta, bias, &lambda, NULL), WI_OK);
        for (size_t j = 0; j < K * DIM; j++)
            moved += (double)delta[j] * (double)delta[j];
        assert_true(moved > 2 * last);
        assert_true(i > 0 || sqrt(moved) < 1e-3);
        last = moved;
    }
}

/* One photo of one label, and photos that are all the same, ask for nothing that is not finite. */
static void little_is_enough(void **state)
{
    (void)state;
    sample s;
    float delta[K * DIM], bias[K], lambda = 0;
    make_sample(&s, 7, 1);
    s.anchor.n = 1;
    assert_int_equal(wi_anchor_fit(&s.anchor, NULL, delta, bias, &lambda, NULL), WI_OK);
    for (size_t i = 0; i < K * DIM; i++)
        assert_true(isfinite(delta[i]));
    make_sample(&s, 8, K);
    for (size_t i = 1; i < N; i++)
        memcpy(s.x + i * DIM, s.x, DIM * sizeof *s.x);
    assert_int_equal(wi_anchor_fit(&s.anchor, NULL, delta, bias, &lambda, NULL), WI_OK);
    for (size_t i = 0; i < K * DIM; i++)
        assert_true(isfinite(delta[i]));
}

/* A narrow, crooked valley: 100 (y - x^2 / 4)^2 + (1 - x)^2 + x^4 / 10. */
static double valley(void *context, const double *x, double *gradient, size_t n)
{
    size_t *n_calls = context;
    double away = x[1] - x[0] * x[0] / 4;
    assert_int_equal(n, 2);
    ++*n_calls;
    gradient[0] = -100 * away * x[0] - 2 * (1 - x[0]) + 0.4 * pow(x[0], 3);
    gradient[1] = 200 * away;
    return 100 * away * away + pow(1 - x[0], 2) + pow(x[0], 4) / 10;
}

static void descends_to_the_bottom(void **state)
{
    (void)state;
    double x[2] = {-3, 5}, slope[2];
    size_t n_calls = 0;
    assert_int_equal(wi_descend(valley, &n_calls, x, 2, 1e-9, 0, 500, NULL), WI_OK);
    valley(&n_calls, x, slope, 2);
    assert_true(fabs(slope[0]) < 1e-8 && fabs(slope[1]) < 1e-8);
    assert_true(n_calls < 200); /* the steepest way takes thousands of steps */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_at_the_highest_point),
        cmocka_unit_test(leaves_other_labels_alone),
        cmocka_unit_test(strength_is_how_far_photos_move_words),
        cmocka_unit_test(little_is_enough),
        cmocka_unit_test(descends_to_the_bottom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
