/* Heads from example photos, and none-of-these. */
#include "base/unit.h"
#include "head/support.h"

#include "head/fewshot.h"
#include "head/none.h"
#include "head/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 32, N_LABELS = 8 };
static wi_head_model model = {/* main adds its kernels */
                              .name = "fake",
                              .fingerprint = "00ff",
                              .dim = DIM,
                              .logit_scale = 100};

/* A world of labels: photos stand around their centre; words stand far off, on a common side, each
 * turned a little towards its centre and more towards chance, as in the two towers of a real model.
 */
typedef struct world {
    float centre[(N_LABELS + 4) * DIM];
    float word[N_LABELS * DIM];
    float noise;
    char **labels;
    dice d;
} world;

static void make_world(world *w, uint64_t seed)
{
    w->d.state = seed;
    random_unit_rows(&w->d, N_LABELS + 4, DIM, w->centre);
    random_unit_rows(&w->d, N_LABELS, DIM, w->word);
    for (size_t c = 0; c < N_LABELS; c++) {
        double squares = 0;
        for (size_t j = 0; j < DIM; j++) {
            float *x = &w->word[c * DIM + j];
            *x = 0.5f * *x + 0.35f * w->centre[c * DIM + j] + (j == 0 ? 2 : 0);
            squares += (double)*x * (double)*x;
        }
        for (size_t j = 0; j < DIM; j++)
            w->word[c * DIM + j] /= (float)sqrt(squares);
    }
    w->noise = 0.8f;
    w->labels = make_labels(N_LABELS);
}

/* labels >= N_LABELS are things that the head does not know. */
static void take_photo(world *w, size_t label, float *out)
{
    for (size_t j = 0; j < DIM; j++)
        out[j] = 3 * w->centre[label * DIM + j] + w->noise * (float)dice_gaussian(&w->d);
}

static void take_photos(world *w, size_t per_label, float *x, uint32_t *label)
{
    for (size_t i = 0; i < per_label * N_LABELS; i++) {
        label[i] = (uint32_t)(i % N_LABELS);
        take_photo(w, label[i], x + i * DIM);
    }
}

static wi_head *words_head(world *w)
{
    wi_head_parts parts;
    wi_head *head = NULL;
    static const char *const templates[] = {"{}"};
    wi_head_parts_init(&parts, test_kern());
    parts.name = "words";
    parts.model_fingerprint = "00ff";
    parts.labels = (const char *const *)w->labels;
    parts.n_labels = parts.n_rows = N_LABELS;
    parts.templates = templates;
    parts.n_templates = 1;
    parts.weight = w->word;
    parts.dim = DIM;
    parts.logit_scale = 100;
    assert_int_equal(wi_head_copy(&parts, &head, NULL), WI_OK);
    return head;
}

/* Of photos of the labels from first to last. */
static double accuracy_of(world *w, const wi_head *head, size_t first, size_t last)
{
    enum { N = 800 };
    size_t n_right = 0, n_labels = last - first + 1;
    uint64_t before = w->d.state;
    w->d.state = 424242; /* the same photos for each head */
    for (size_t i = 0; i < N; i++) {
        float x[DIM];
        wi_answer best;
        size_t n;
        take_photo(w, first + i % n_labels, x);
        assert_int_equal(wi_head_answer(head, x, DIM, 1, &best, &n, NULL), WI_OK);
        n_right += best.label == first + i % n_labels;
    }
    w->d.state = before;
    return (double)n_right / N;
}

static double accuracy(world *w, const wi_head *head)
{
    return accuracy_of(w, head, 0, N_LABELS - 1);
}

static void photos_improve_words(void **state)
{
    (void)state;
    static const size_t shots[] = {1, 4, 16};
    world w;
    make_world(&w, 7);
    wi_head *words = words_head(&w);
    double before = accuracy(&w, words);
    assert_true(before > 0.3 && before < 0.9);
    for (size_t s = 0; s < 3; s++) {
        float x[16 * N_LABELS * DIM];
        uint32_t label[16 * N_LABELS];
        wi_head *mixed = NULL;
        wi_error error = {0};
        take_photos(&w, shots[s], x, label);
        wi_photos photos = {x, label, shots[s] * N_LABELS, DIM};
        if (wi_fewshot_add(words, &photos, NULL, &mixed, &error) != WI_OK)
            fail_msg("%s", error.message);
        double after = accuracy(&w, mixed);
        assert_true(after > before);
        before = after;
        wi_head_info info;
        wi_head_get_info(mixed, &info);
        assert_true(info.kind == WI_HEAD_FEW_SHOT && info.n_examples == shots[s] * N_LABELS);
        wi_head_close(&mixed);
    }
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

/* Words that say all there is to say: a few photos, which can only mislead, take nothing away. */
static void good_words_keep_their_say(void **state)
{
    (void)state;
    enum { DRAWS = 20 };
    static const size_t shots[] = {1, 2, 4};
    world w;
    make_world(&w, 11);
    memcpy(w.word, w.centre, sizeof w.word);
    w.noise = 1.2f;
    wi_head *words = words_head(&w);
    words->parts.logit_scale = 15; /* what such photos deserve */
    double before = accuracy(&w, words);
    assert_true(before > 0.7 && before < 0.9);
    for (size_t s = 0; s < sizeof shots / sizeof *shots; s++) {
        double after = 0;
        for (int draw = 0; draw < DRAWS; draw++) {
            float x[4 * N_LABELS * DIM];
            uint32_t label[4 * N_LABELS];
            wi_head *mixed = NULL;
            take_photos(&w, shots[s], x, label);
            wi_photos photos = {x, label, shots[s] * N_LABELS, DIM};
            assert_int_equal(wi_fewshot_add(words, &photos, NULL, &mixed, NULL), WI_OK);
            after += accuracy(&w, mixed) / DRAWS;
            wi_head_close(&mixed);
        }
        assert_true(after > before - 0.005);
    }
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

/* Photos of some labels improve those, and leave the others their say. */
static void labels_without_photos_keep_their_say(void **state)
{
    (void)state;
    enum { SHOWN = 3, SHOTS = 4, DRAWS = 20 };
    world w;
    make_world(&w, 17);
    wi_head *words = words_head(&w);
    words->parts.logit_scale = 30;
    double shown = 0, others = 0;
    for (int draw = 0; draw < DRAWS; draw++) {
        float x[SHOWN * SHOTS * DIM];
        uint32_t label[SHOWN * SHOTS];
        wi_head *mixed = NULL;
        for (uint32_t i = 0; i < SHOWN * SHOTS; i++)
            take_photo(&w, label[i] = i % SHOWN, x + i * DIM);
        wi_photos photos = {x, label, SHOWN * SHOTS, DIM};
        assert_int_equal(wi_fewshot_add(words, &photos, NULL, &mixed, NULL), WI_OK);
        shown += accuracy_of(&w, mixed, 0, SHOWN - 1) / DRAWS;
        others += accuracy_of(&w, mixed, SHOWN, N_LABELS - 1) / DRAWS;
        wi_head_close(&mixed);
    }
    assert_true(shown > accuracy_of(&w, words, 0, SHOWN - 1) + 0.03);
    assert_true(others > accuracy_of(&w, words, SHOWN, N_LABELS - 1) - 0.01);
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

/* One photo a label leaves none to tell how sure the answers may be: the less the words mean, the more they are
 * doubted. With more photos, those tell. */
static void a_single_photo_is_doubted(void **state)
{
    (void)state;
    static const struct {
        bool words_serve;
        size_t shots;
        float least, most;
    } cases[] = {{true, 1, 1, 1.1f}, {false, 1, 2, 3}, {false, 16, 0.5f, 1.5f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w;
        make_world(&w, 15);
        if (cases[i].words_serve)
            memcpy(w.word, w.centre, sizeof w.word);
        else
            random_unit_rows(&w.d, N_LABELS, DIM, w.word);
        wi_head *words = words_head(&w), *mixed = NULL;
        float x[16 * N_LABELS * DIM];
        uint32_t label[16 * N_LABELS];
        words->parts.logit_scale = 15;
        take_photos(&w, cases[i].shots, x, label);
        wi_photos photos = {x, label, cases[i].shots * N_LABELS, DIM};
        assert_int_equal(wi_fewshot_add(words, &photos, NULL, &mixed, NULL), WI_OK);
        float temperature = mixed->parts.temperature;
        if (temperature < cases[i].least || temperature > cases[i].most)
            fail_msg("case %zu: temperature %g", i, (double)temperature);
        wi_head_close(&mixed);
        wi_head_close(&words);
        free_labels(w.labels, N_LABELS);
    }
}

/* Adding in two steps gives what adding at once gives. */
static void photos_can_be_added_later(void **state)
{
    (void)state;
    world w;
    make_world(&w, 9);
    wi_head *words = words_head(&w), *first = NULL, *second = NULL, *once = NULL;
    float x[6 * N_LABELS * DIM];
    uint32_t label[6 * N_LABELS];
    take_photos(&w, 6, x, label);
    wi_photos half = {x, label, 3 * N_LABELS, DIM}, all = {x, label, 6 * N_LABELS, DIM};
    wi_photos rest = {x + 3 * N_LABELS * DIM, label + 3 * N_LABELS, 3 * N_LABELS, DIM};
    assert_int_equal(wi_fewshot_add(words, &half, NULL, &first, NULL), WI_OK);
    assert_int_equal(wi_fewshot_add(first, &rest, NULL, &second, NULL), WI_OK);
    assert_int_equal(wi_fewshot_add(words, &all, NULL, &once, NULL), WI_OK);
    assert_memory_equal(second->parts.keys, once->parts.keys, 6 * N_LABELS * DIM * sizeof(float));
    assert_memory_equal(second->parts.bias, once->parts.bias, N_LABELS * sizeof(float));
    for (size_t i = 0; i < N_LABELS * DIM; i++) /* the words' scale went through a file's f32 */
        assert_true(fabsf(second->parts.delta[i] - once->parts.delta[i]) < 1e-4f);
    assert_true(fabsf(second->parts.logit_scale - once->parts.logit_scale) < 1e-3f &&
                fabsf(second->parts.temperature - once->parts.temperature) < 1e-4f);
    wi_head_close(&words);
    wi_head_close(&first);
    wi_head_close(&second);
    wi_head_close(&once);
    free_labels(w.labels, N_LABELS);
}

typedef struct listener {
    uint64_t n_heard, total, cancel_at;
} listener;

static bool listen(void *context, uint64_t done, uint64_t total)
{
    listener *l = context;
    assert_int_equal(done, ++l->n_heard);
    assert_true(l->total == 0 || l->total == total);
    l->total = total;
    return done != l->cancel_at;
}

/* So many photos that searching for the strength would take long: the expected one is judged by five
 * fits, and the head is the sixth. */
static void searches_stop_where_they_take_long(void **state)
{
    (void)state;
    enum { N = 40000 / N_LABELS + 1 };
    world w;
    make_world(&w, 6);
    wi_head *words = words_head(&w), *mixed = NULL;
    float *x = malloc(N * DIM * sizeof *x);
    uint32_t *label = malloc(N * sizeof *label);
    assert_true(x && label);
    for (size_t i = 0; i < N; i++) {
        label[i] = (uint32_t)(i % N_LABELS);
        take_photo(&w, label[i], x + i * DIM);
    }
    for (size_t n = N - 1; n <= N; n++) {
        listener l = {0};
        wi_progress progress = {listen, &l};
        wi_photos photos = {x, label, n, DIM};
        assert_int_equal(wi_fewshot_add(words, &photos, &progress, &mixed, NULL), WI_OK);
        assert_int_equal(l.total, n == N ? 6 : 41);
        assert_true(accuracy(&w, mixed) > accuracy(&w, words));
        wi_head_close(&mixed);
    }
    free(x);
    free(label);
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

/* Every fit is told of, the last one as the last; a cancelled head is none. */
static void progress_is_told(void **state)
{
    (void)state;
    static const size_t shots[] = {1, 4};
    world w;
    make_world(&w, 5);
    wi_head *words = words_head(&w), *mixed = NULL;
    for (size_t s = 0; s < 2; s++) {
        float x[4 * N_LABELS * DIM];
        uint32_t label[4 * N_LABELS];
        listener l = {0};
        wi_progress progress = {listen, &l};
        take_photos(&w, shots[s], x, label);
        wi_photos photos = {x, label, shots[s] * N_LABELS, DIM};
        assert_int_equal(wi_fewshot_add(words, &photos, &progress, &mixed, NULL), WI_OK);
        assert_true(l.n_heard == l.total && l.total == (s == 0 ? 1 : 41));
        wi_head_close(&mixed);
        for (uint64_t at = 1; at <= l.total; at += 20) {
            wi_error error;
            listener stops = {.cancel_at = at};
            progress.context = &stops;
            assert_int_equal(wi_fewshot_add(words, &photos, &progress, &mixed, &error),
                             WI_ERR_CANCELLED);
            assert_true(stops.n_heard == at && mixed == NULL);
        }
    }
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

static wi_training training_of(const world *w, const float *x, const uint32_t *label, size_t n)
{
    return (wi_training){.name = "photos",
                         .labels = (const char *const *)w->labels,
                         .n_labels = N_LABELS,
                         .photos = {x, label, n, DIM}};
}

static void photos_alone_make_a_head(void **state)
{
    (void)state;
    world w;
    make_world(&w, 11);
    float x[8 * N_LABELS * DIM];
    uint32_t label[8 * N_LABELS];
    take_photos(&w, 8, x, label);
    wi_head *one = NULL, *eight = NULL, *grown = NULL;
    wi_training training = training_of(&w, x, label, N_LABELS);
    assert_int_equal(wi_fewshot_from_photos(&model, &training, &one, NULL), WI_OK);
    assert_true(one->parts.temperature == 2); /* nothing says how sure it may be */
    training.photos.n = 8 * N_LABELS;
    assert_int_equal(wi_fewshot_from_photos(&model, &training, &eight, NULL), WI_OK);
    double few = accuracy(&w, one), many = accuracy(&w, eight);
    assert_true(few > 0.6 && many > few + 0.1);
    wi_photos rest = {x + N_LABELS * DIM, label + N_LABELS, 7 * N_LABELS, DIM};
    assert_int_equal(wi_fewshot_add(one, &rest, NULL, &grown, NULL), WI_OK);
    assert_memory_equal(grown->parts.weight, eight->parts.weight, N_LABELS * DIM * sizeof(float));
    assert_true(grown->parts.temperature == eight->parts.temperature);
    wi_head_close(&one);
    wi_head_close(&eight);
    wi_head_close(&grown);
    free_labels(w.labels, N_LABELS);
}

/* A mean of unit photos is the plain one. */
static void means_are_means(void **state)
{
    (void)state;
    static const char *const labels[] = {"a", "b"};
    static const float x[6] = {3, 0, 0, 5, 0, 1};
    static const uint32_t label[3] = {0, 0, 1};
    const wi_head_model flat = {
        .kern = test_kern(), .name = "flat", .fingerprint = "1", .dim = 2, .logit_scale = 100};
    wi_training training = {.labels = labels, .n_labels = 2, .photos = {x, label, 3, 2}};
    wi_head *head = NULL;
    assert_int_equal(wi_fewshot_from_photos(&flat, &training, &head, NULL), WI_OK);
    assert_true(fabs((double)head->parts.weight[0] - sqrt(0.5)) < 1e-6 &&
                fabs((double)head->parts.weight[1] - sqrt(0.5)) < 1e-6 &&
                head->parts.weight[3] == 1);
    wi_head_close(&head);
}

static void refuses_bad_examples(void **state)
{
    (void)state;
    world w;
    make_world(&w, 13);
    float x[N_LABELS * DIM];
    uint32_t label[N_LABELS];
    wi_error error;
    wi_head *words = words_head(&w), *out = NULL;
    take_photos(&w, 1, x, label);
    wi_training training = training_of(&w, x, label, N_LABELS - 1);
    assert_int_equal(wi_fewshot_from_photos(&model, &training, &out, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "'label 7' has no photos"));
    wi_photos photos = {x, label, N_LABELS, DIM - 1};
    assert_int_equal(wi_fewshot_add(words, &photos, NULL, &out, &error), WI_ERR_MISMATCH);
    photos.dim = DIM;
    label[2] = N_LABELS;
    assert_int_equal(wi_fewshot_add(words, &photos, NULL, &out, &error), WI_ERR_ARG);
    label[2] = 2;
    memset(x + 4 * DIM, 0, DIM * sizeof *x);
    assert_int_equal(wi_fewshot_add(words, &photos, NULL, &out, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "photo 5: the embedding is all zeros"));
    photos.n = 0;
    assert_int_equal(wi_fewshot_add(words, &photos, NULL, &out, &error), WI_ERR_ARG);
    assert_null(out);
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

/* ---- none of these ---- */

static void take_unknown(world *w, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++)
        take_photo(w, N_LABELS + i % 4, x + i * DIM);
}

static double accept_rate(const wi_head *head, const float *x, size_t n)
{
    size_t n_accepted = 0;
    for (size_t i = 0; i < n; i++) {
        float known;
        bool none;
        assert_int_equal(wi_none_known(head, x + i * DIM, DIM, &known, &none, NULL), WI_OK);
        n_accepted += !none;
    }
    return (double)n_accepted / (double)n;
}

static void thresholds_keep_their_rate(void **state)
{
    (void)state;
    enum { N = 400, FRESH = 2000 };
    static float unknown[N * DIM], fresh[FRESH * DIM];
    world w;
    make_world(&w, 17);
    float x[5 * N_LABELS * DIM];
    uint32_t label[5 * N_LABELS];
    take_photos(&w, 5, x, label);
    take_unknown(&w, N, unknown);
    take_unknown(&w, FRESH, fresh);
    wi_head *heads[2] = {words_head(&w), NULL};
    wi_training training = training_of(&w, x, label, 5 * N_LABELS);
    assert_int_equal(wi_fewshot_from_photos(&model, &training, &heads[1], NULL), WI_OK);
    for (int h = 0; h < 2; h++) {
        assert_true(accept_rate(heads[h], fresh, FRESH) == 1); /* not calibrated: never none */
        for (int r = 1; r <= 2; r++) {
            wi_calibration how = {unknown, N, DIM, 0.05 * r, {0}};
            wi_head *sure = NULL;
            assert_int_equal(wi_none_calibrate(heads[h], &how, &sure, NULL), WI_OK);
            assert_true(accept_rate(sure, unknown, N) <= 0.05 * r + 1e-9);
            assert_true(fabs(accept_rate(sure, fresh, FRESH) - 0.05 * r) < 0.03);
            wi_head_info info;
            wi_head_get_info(sure, &info);
            assert_true(info.none_rate == (float)(0.05 * r) && !isnan(info.none_threshold));
            if (h == 1) /* photos of known things pass */
                assert_true(accept_rate(sure, x, 5 * N_LABELS) > 0.95);
            wi_head_close(&sure);
        }
        wi_head_close(&heads[h]);
    }
    free_labels(w.labels, N_LABELS);
}

/* With --multi, each label says yes to an unknown photo at the stated rate. */
static void sigmoid_labels_are_calibrated_one_by_one(void **state)
{
    (void)state;
    enum { N = 400, FRESH = 2000 };
    static float unknown[N * DIM], fresh[FRESH * DIM];
    world w;
    make_world(&w, 19);
    take_unknown(&w, N, unknown);
    take_unknown(&w, FRESH, fresh);
    wi_head *words = words_head(&w), *many = NULL, *sure = NULL;
    wi_head_parts parts = words->parts;
    parts.sigmoid = true;
    assert_int_equal(wi_head_copy(&parts, &many, NULL), WI_OK);
    wi_calibration how = {unknown, N, DIM, 0.1, {0}};
    assert_int_equal(wi_none_calibrate(many, &how, &sure, NULL), WI_OK);
    size_t n_yes[N_LABELS] = {0};
    for (size_t i = 0; i < FRESH; i++) {
        float score[N_LABELS];
        assert_int_equal(wi_head_scores(sure, fresh + i * DIM, DIM, score, NULL, NULL, NULL),
                         WI_OK);
        for (size_t l = 0; l < N_LABELS; l++)
            n_yes[l] += score[l] > 0.5f;
    }
    for (size_t l = 0; l < N_LABELS; l++)
        assert_true(fabs((double)n_yes[l] / FRESH - 0.1) < 0.05);
    assert_true(fabs(accept_rate(sure, fresh, FRESH) - 0.1) < 0.04);
    wi_head_close(&words);
    wi_head_close(&many);
    wi_head_close(&sure);
    free_labels(w.labels, N_LABELS);
}

/* By drawing, and where there is a closed form. */
static void ranges_hold_nine_times_in_ten(void **state)
{
    (void)state;
    enum { N = 60, DRAWS = 4000 };
    double low, high;
    dice d = {29};
    size_t n_inside = 0, n_below = 0;
    wi_calibration_range(N, 0.1, &low, &high); /* Beta(6, 55): F(low) = 0.05, F(high) = 0.95 */
    for (size_t i = 0; i < DRAWS; i++) {
        double largest[6] = {0}; /* of N uniform numbers; the threshold is the least of them */
        for (size_t k = 0; k < N; k++) {
            double x = dice_uniform(&d);
            for (size_t at = 0; at < 6; at++)
                if (x > largest[at]) {
                    double moved = largest[at];
                    largest[at] = x;
                    x = moved;
                }
        }
        n_inside += 1 - largest[5] >= low && 1 - largest[5] <= high;
        n_below += 1 - largest[5] < low;
    }
    assert_true(fabs((double)n_inside / DRAWS - 0.9) < 0.02);
    assert_true(fabs((double)n_below / DRAWS - 0.05) < 0.015);
    wi_calibration_range(19, 0.05, &low, &high); /* Beta(1, 19) has a closed form */
    assert_true(fabs(low - (1 - pow(0.95, 1.0 / 19))) < 1e-5 &&
                fabs(high - (1 - pow(0.05, 1.0 / 19))) < 1e-5);
    wi_calibration_range(100000, 0.05, &low, &high);
    assert_true(low > 0.0485 && low < 0.05 && high > 0.05 && high < 0.0515);
}

static void too_few_unknown_photos_are_told(void **state)
{
    (void)state;
    world w;
    make_world(&w, 23);
    float unknown[20 * DIM];
    take_unknown(&w, 20, unknown);
    wi_head *words = words_head(&w), *out = NULL;
    wi_error error;
    wi_calibration how = {unknown, 18, DIM, 0.05, {0}};
    assert_int_equal(wi_none_calibrate(words, &how, &out, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "at least 19"));
    how.n = 19;
    assert_int_equal(wi_none_calibrate(words, &how, &out, &error), WI_OK);
    wi_head_close(&out);
    how.rate = 1;
    assert_int_equal(wi_none_calibrate(words, &how, &out, &error), WI_ERR_ARG);
    how.rate = 0.2;
    unknown[3 * DIM] = NAN;
    assert_int_equal(wi_none_calibrate(words, &how, &out, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "unknown photo 4"));
    how.dim = 7;
    assert_int_equal(wi_none_calibrate(words, &how, &out, &error), WI_ERR_MISMATCH);
    assert_null(out);
    wi_head_close(&words);
    free_labels(w.labels, N_LABELS);
}

/* Distractors: the measure is the labels' share against theirs; a label's own name is no
 * distractor. */
/* Words and photos: what photos add to the labels says which of them is meant, not that one is. */
static void photos_weigh_in_with_background_words(void **state)
{
    (void)state;
    world w;
    make_world(&w, 37);
    float x[4 * N_LABELS * DIM], background[4 * DIM], known, nearest[2];
    uint32_t label[4 * N_LABELS];
    take_photos(&w, 4, x, label);
    random_unit_rows(&w.d, 4, DIM, background);
    wi_head *words = words_head(&w), *all = NULL, *mixed = NULL;
    wi_head_parts parts = words->parts;
    parts.background = background;
    parts.n_background = 4;
    assert_int_equal(wi_head_copy(&parts, &all, NULL), WI_OK);
    wi_photos photos = {x, label, 4 * N_LABELS, DIM};
    assert_int_equal(wi_fewshot_add(all, &photos, NULL, &mixed, NULL), WI_OK);
    assert_true(mixed->parts.words_weight != 1);
    for (int unknown = 0; unknown < 2; unknown++) {
        float embedding[DIM], plain;
        double sum = 0;
        take_photo(&w, unknown ? N_LABELS : 0, embedding);
        assert_int_equal(wi_none_known(all, embedding, DIM, &plain, NULL, NULL), WI_OK);
        assert_int_equal(wi_none_known(mixed, embedding, DIM, &known, NULL, NULL), WI_OK);
        assert_int_equal(wi_unit(embedding, DIM, embedding, "a row", NULL), WI_OK);
        for (size_t i = 0; i < 4 * N_LABELS; i++) {
            double dot = 0;
            for (size_t j = 0; j < DIM; j++)
                dot += (double)mixed->parts.keys[i * DIM + j] * (double)embedding[j];
            sum += exp(10 * dot);
        }
        nearest[unknown] = (float)log(sum);
        assert_true(fabsf(known - plain - nearest[unknown]) < 1e-3f);
    }
    assert_true(nearest[0] > nearest[1] + 1);
    wi_head_close(&words);
    wi_head_close(&all);
    wi_head_close(&mixed);
    free_labels(w.labels, N_LABELS);
}

static void background_words_weigh_in(void **state)
{
    (void)state;
    static const char *const labels[] = {"cat|kitty", "dog"};
    static const char *const words[] = {"car", "kitty", "tree", "house", "bolt", "song"};
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {
        .labels = labels, .n_labels = 2, .distractors = words, .n_distractors = 6};
    wi_head *head = NULL;
    wi_error error = {0};
    if (wi_zeroshot_build(&encoder, &recipe, &head, NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(head->parts.n_background,
                     4); /* without kitty, and without the closest fifth */
    float x[DIM], logit[2], known;
    bool none;
    double share = 0, other = 0;
    fake_embedding("a photo of a cat.", DIM, x);
    assert_int_equal(wi_head_scores(head, x, DIM, NULL, NULL, logit, NULL), WI_OK);
    assert_int_equal(wi_none_known(head, x, DIM, &known, &none, NULL), WI_OK);
    assert_false(none);
    assert_int_equal(wi_unit(x, DIM, x, "a row", NULL), WI_OK);
    for (size_t b = 0; b < 4; b++) {
        double dot = 0;
        for (size_t j = 0; j < DIM; j++)
            dot += (double)head->parts.background[b * DIM + j] * (double)x[j];
        other += exp(100 * (dot - 1));
    }
    for (int l = 0; l < 2; l++)
        share += exp((double)logit[l] - 100);
    assert_true(fabs((double)known - log(share / other)) < 1e-2);
    fake_embedding("a photo of a tree.", DIM, x);
    assert_int_equal(wi_none_known(head, x, DIM, &known, &none, NULL), WI_OK);
    assert_true(none || head->parts.n_background < 5);
    wi_head_close(&head);
}

/* Independent answers of a softmax model are weighed against neutral words. */
static void sigmoid_heads_get_neutral_words(void **state)
{
    (void)state;
    static const char *const labels[] = {"cat", "thing"};
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {.labels = labels, .n_labels = 2, .sigmoid = true};
    wi_head *head = NULL;
    float x[DIM], score[2];
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, NULL), WI_OK);
    assert_int_equal(head->parts.n_background, 15); /* "thing" is a label here */
    fake_embedding("a photo of a cat.", DIM, x);
    assert_int_equal(wi_head_scores(head, x, DIM, score, NULL, NULL, NULL), WI_OK);
    assert_true(score[0] > 0.99f && score[1] < 0.01f);
    fake_embedding("a photo of a scene.", DIM, x);
    assert_int_equal(wi_head_scores(head, x, DIM, score, NULL, NULL, NULL), WI_OK);
    assert_true(score[0] < 0.01f && score[1] < 0.01f);
    wi_head_close(&head);
    encoder.model.sigmoid = true; /* a model that was trained for it needs none */
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, NULL), WI_OK);
    assert_int_equal(head->parts.n_background, 0);
    wi_head_close(&head);
    recipe.sigmoid = false; /* and judges each label for itself unless the set is asked for */
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, NULL), WI_OK);
    assert_true(head->parts.sigmoid);
    wi_head_close(&head);
    recipe.softmax = true;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, NULL), WI_OK);
    assert_false(head->parts.sigmoid);
    wi_head_close(&head);
}

int main(void)
{
    model.kern = test_kern();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(photos_improve_words),
        cmocka_unit_test(good_words_keep_their_say),
        cmocka_unit_test(labels_without_photos_keep_their_say),
        cmocka_unit_test(a_single_photo_is_doubted),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(searches_stop_where_they_take_long),
        cmocka_unit_test(photos_can_be_added_later),
        cmocka_unit_test(photos_alone_make_a_head),
        cmocka_unit_test(means_are_means),
        cmocka_unit_test(refuses_bad_examples),
        cmocka_unit_test(thresholds_keep_their_rate),
        cmocka_unit_test(sigmoid_labels_are_calibrated_one_by_one),
        cmocka_unit_test(ranges_hold_nine_times_in_ten),
        cmocka_unit_test(too_few_unknown_photos_are_told),
        cmocka_unit_test(photos_weigh_in_with_background_words),
        cmocka_unit_test(background_words_weigh_in),
        cmocka_unit_test(sigmoid_heads_get_neutral_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
