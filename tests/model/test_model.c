/* Whole models: what a conversion keeps, what damage is noticed, and that results depend on nothing but the input. */
#include "test_source_make.h"

#include "support/scratch.h"
#include "support/torture.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

enum { PICTURE = 3 * SIDE * SIDE, N = 5 };

static const char merges[] = "c a\nca t</w>\nd o\ndo g</w>\no f</w>\na n</w>\n";
static const char *const texts[N] = {"cat", "a cat", "cat of dog", "cat", "dog an cat of x"};

static wi_engine *engine_of(int n_threads, const char *isa)
{
    wi_engine *engine = NULL;
    const wi_engine_options options = {.n_threads = n_threads, .isa = isa};
    assert_int_equal(wi_engine_open(&options, &engine, NULL), WI_OK);
    return engine;
}

static const char *make_folder(bool resnet, uint32_t towers)
{
    const recipe r = {
        .layout = resnet ? LAYOUT_OPEN_CLIP : LAYOUT_HF, .resnet = resnet, .towers = towers};
    static char folder[512];
    char name[600];
    snprintf(folder, sizeof folder, "%s", make_checkpoint(&r));
    snprintf(name, sizeof name, "%s/merges.txt", folder);
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(merges, 1, sizeof merges - 1, f), sizeof merges - 1);
    fclose(f);
    return folder;
}

static const char *convert(wi_engine *engine, const char *from, const char *name,
                           wi_weights weights)
{
    static char path[512];
    wi_error error = {0};
    const wi_convert_options options = {.weights = weights, .name = "tiny"};
    snprintf(path, sizeof path, "%s", scratch_path(name));
    if (wi_model_convert(engine, from, path, &options, &error) != WI_OK)
        fail_msg("%s", error.message);
    return path;
}

static wi_model *open_model(wi_engine *engine, const char *path)
{
    wi_model *model = NULL;
    wi_error error = {0};
    if (wi_model_open(engine, path, NULL, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    return model;
}

static wi_model_info info_of(const wi_model *model)
{
    wi_model_info info;
    assert_int_equal(wi_model_get_info(model, &info, NULL), WI_OK);
    return info;
}

typedef struct answers {
    float image[N * EMBEDDING], text[N * EMBEDDING];
} answers;

static void paint(uint8_t *pixels)
{
    for (size_t i = 0; i < N * PICTURE; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 24);
}

/* Each call with `at_once` inputs. */
static answers encode_with(const wi_model *model, const wi_session_options *options, size_t at_once)
{
    answers a;
    uint8_t pixels[N * PICTURE];
    wi_session *s = NULL;
    wi_error error = {0};
    paint(pixels);
    assert_int_equal(wi_session_open(model, options, &s, &error), WI_OK);
    for (size_t i = 0; i < N; i += at_once) {
        const size_t n = N - i < at_once ? N - i : at_once;
        if (wi_session_encode_images(s, pixels + i * PICTURE, n, a.image + i * EMBEDDING, &error) !=
                WI_OK ||
            wi_session_encode_texts(s, texts + i, n, a.text + i * EMBEDDING, NULL, NULL, &error) !=
                WI_OK)
            fail_msg("%s", error.message);
    }
    wi_session_close(&s);
    return a;
}

/* In batches of max_images and max_tokens. */
static answers encode(const wi_model *model, uint32_t max_images, uint32_t max_tokens,
                      size_t at_once)
{
    const wi_session_options options = {.max_images = max_images, .max_tokens = max_tokens};
    return encode_with(model, &options, at_once);
}

typedef struct apart {
    const wi_model *model;
    answers answers;
} apart;

static void *encode_apart(void *context)
{
    apart *a = context;
    const wi_session_options options = {.max_images = 2, .one_thread = true};
    a->answers = encode_with(a->model, &options, N);
    return NULL;
}

static double lowest_cosine(const float *a, const float *b)
{
    double low = 1.0;
    for (size_t i = 0; i < N; i++) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t j = 0; j < EMBEDDING; j++) {
            ab += (double)a[i * EMBEDDING + j] * b[i * EMBEDDING + j];
            aa += (double)a[i * EMBEDDING + j] * a[i * EMBEDDING + j];
            bb += (double)b[i * EMBEDDING + j] * b[i * EMBEDDING + j];
        }
        low = fmin(low, ab / sqrt(aa * bb));
    }
    return low;
}

static void a_conversion_keeps_every_bit(void **state)
{
    (void)state;
    wi_engine *engine = engine_of(2, NULL);
    const char *folder = make_folder(false, 3);
    wi_model *a = open_model(engine, folder),
             *b = open_model(engine, convert(engine, folder, "a.gguf", WI_WEIGHTS_AUTO));
    const wi_model_info ia = info_of(a), ib = info_of(b);
    assert_string_equal(ia.fingerprint, ib.fingerprint);
    assert_int_equal(strlen(ia.fingerprint), 64);
    assert_string_equal(ib.name, "tiny");
    assert_true(ib.file_bytes > 0);
    const answers x = encode(a, 2, 0, N), y = encode(b, 2, 0, N);
    assert_memory_equal(&x, &y, sizeof x);
    assert_int_equal(wi_model_verify(b, NULL, NULL), WI_OK);
    wi_model_close(&a);
    wi_model_close(&b);
    wi_engine_close(&engine);
}

static void smaller_types_stay_close(void **state)
{
    (void)state;
    static const struct {
        wi_weights weights;
        double cosine;
    } types[] = {{WI_WEIGHTS_F16, 0.99999}, {WI_WEIGHTS_BF16, 0.9999}, {WI_WEIGHTS_INT8, 0.995}};
    wi_engine *engine = engine_of(1, NULL);
    const char *folder = make_folder(false, 3);
    wi_model *exact = open_model(engine, folder);
    const answers x = encode(exact, 1, 0, N);
    for (size_t i = 0; i < 3; i++) {
        wi_model *model = open_model(engine, convert(engine, folder, "t.gguf", types[i].weights));
        const answers y = encode(model, 1, 0, N);
        assert_int_equal(info_of(model).weights, types[i].weights);
        assert_string_not_equal(info_of(model).fingerprint, info_of(exact).fingerprint);
        assert_true(lowest_cosine(x.image, y.image) >= types[i].cosine);
        assert_true(lowest_cosine(x.text, y.text) >= types[i].cosine);
        assert_int_equal(wi_model_verify(model, NULL, NULL), WI_OK);
        wi_model_close(&model);
    }
    wi_model_close(&exact);
    wi_engine_close(&engine);
}

/* Neither the batch, nor what shares it, nor the number of threads may change a bit, for any type of weights. */
static void results_depend_on_the_input_alone(void **state)
{
    (void)state;
    static const wi_weights types[] = {WI_WEIGHTS_F32, WI_WEIGHTS_F16, WI_WEIGHTS_INT8};
    for (int resnet = 0; resnet < 2; resnet++)
        for (size_t t = 0; t < 3; t++) {
            wi_engine *one = engine_of(1, NULL), *three = engine_of(3, NULL);
            const char *path = convert(one, make_folder(resnet, 3), "d.gguf", types[t]);
            wi_model *a = open_model(one, path), *b = open_model(three, path);
            const answers alone = encode(a, 1, 0, 1), together = encode(a, N, 4096, N);
            const answers threads = encode(b, 2, CONTEXT, N);
            assert_memory_equal(&alone, &together, sizeof alone);
            assert_memory_equal(&alone, &threads, sizeof alone);
            /* sessions that leave the engine's threads alone, while another uses them */
            apart beside[2] = {{.model = b}, {.model = b}};
            pthread_t running[2];
            for (size_t i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&running[i], NULL, encode_apart, &beside[i]), 0);
            const answers meanwhile = encode(b, 2, CONTEXT, N);
            assert_memory_equal(&alone, &meanwhile, sizeof alone);
            for (size_t i = 0; i < 2; i++) {
                assert_int_equal(pthread_join(running[i], NULL), 0);
                assert_memory_equal(&alone, &beside[i].answers, sizeof alone);
            }
            wi_model_close(&a);
            wi_model_close(&b);
            wi_engine_close(&one);
            wi_engine_close(&three);
        }
}

static uint8_t *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = aligned_alloc(64, (*n + 63) / 64 * 64);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static void expect_refusal(wi_engine *engine, const uint8_t *bytes, size_t n)
{
    wi_model *model = NULL;
    wi_error error = {0};
    assert_int_not_equal(wi_model_open_memory(engine, bytes, n, NULL, &model, &error), WI_OK);
    assert_null(model);
    assert_true(error.message[0] != '\0');
    assert_null(strchr(error.message, '\n'));
}

static void damage_is_noticed(void **state)
{
    (void)state;
    wi_engine *engine = engine_of(1, "scalar");
    size_t n = 0;
    uint8_t *bytes =
        read_file(convert(engine, make_folder(false, 3), "x.gguf", WI_WEIGHTS_INT8), &n);
    for (size_t cut = 0; cut < n; cut += cut < 4096 ? 1 : 977) {
        uint8_t *part = aligned_alloc(64, (cut + 64) / 64 *
                                              64); /* its own block: reading past it is an error */
        memcpy(part, bytes, cut);
        expect_refusal(engine, part, cut);
        free(part);
    }
    /* A flipped bit in the weights opens, but does not verify. */
    wi_model *model = NULL;
    bytes[n - 100] ^= 4;
    assert_int_equal(wi_model_open_memory(engine, bytes, n, NULL, &model, NULL), WI_OK);
    assert_int_equal(wi_model_verify(model, NULL, NULL), WI_ERR_FORMAT);
    wi_model_close(&model);
    /* Tensors that do not stand on a cache line are refused rather than read slowly or wrongly. */
    uint8_t *shifted = aligned_alloc(64, (n + 127) / 64 * 64);
    memcpy(shifted + 4, bytes, n);
    expect_refusal(engine, shifted + 4, n);
    free(shifted);
    free(bytes);
    wi_engine_close(&engine);
}

static void one_tower_alone(void **state)
{
    (void)state;
    wi_engine *engine = engine_of(1, NULL);
    const uint8_t pixels[PICTURE] = {0};
    float out[EMBEDDING];
    for (uint32_t towers = 1; towers <= 2; towers++) {
        const char *folder = make_folder(false, towers);
        wi_model *model = NULL;
        wi_session *s = NULL;
        const wi_model_options other = {.towers = 3 - towers};
        assert_int_equal(wi_model_open(engine, folder, &other, &model, NULL), WI_ERR_UNSUPPORTED);
        const char *path = convert(engine, folder, "one.gguf", WI_WEIGHTS_AUTO);
        assert_int_equal(wi_model_open(engine, path, &other, &model, NULL), WI_ERR_UNSUPPORTED);
        model = open_model(engine, path);
        assert_int_equal(wi_session_open(model, NULL, &s, NULL), WI_OK);
        assert_int_equal(wi_session_encode_images(s, pixels, 1, out, NULL),
                         towers == 1 ? WI_OK : WI_ERR_UNSUPPORTED);
        assert_int_equal(wi_session_encode_texts(s, texts, 1, out, NULL, NULL, NULL),
                         towers == 2 ? WI_OK : WI_ERR_UNSUPPORTED);
        wi_session_close(&s);
        wi_model_close(&model);
    }
    wi_engine_close(&engine);
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return false;
}

static void cancelling_leaves_no_file(void **state)
{
    (void)state;
    wi_engine *engine = engine_of(1, NULL);
    const char *folder = make_folder(false, 3);
    const size_t before = scratch_count("");
    const wi_convert_options options = {.progress = {.report = stop_at_once}};
    assert_int_equal(wi_model_convert(engine, folder, scratch_path("gone.gguf"), &options, NULL),
                     WI_ERR_CANCELLED);
    assert_int_equal(scratch_count(""), before);
    wi_model *model = open_model(engine, folder);
    wi_session *s = NULL;
    float out[N * EMBEDDING];
    assert_int_equal(wi_session_open(model, NULL, &s, NULL), WI_OK);
    assert_int_equal(wi_session_encode_texts(s, texts, N, out, NULL, &options.progress, NULL),
                     WI_ERR_CANCELLED);
    wi_session_close(&s);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

/* However many they are; alone, a text is itself. */
static void several_texts_count_as_one(void **state)
{
    (void)state;
    wi_engine *engine = engine_of(1, NULL);
    wi_model *model = open_model(engine, make_folder(false, 3));
    wi_session *s = NULL;
    float rows[N * EMBEDDING], want[EMBEDDING] = {0}, got[EMBEDDING];
    assert_int_equal(wi_session_open(model, NULL, &s, NULL), WI_OK);
    assert_int_equal(wi_session_encode_texts(s, texts, N, rows, NULL, NULL, NULL), WI_OK);
    wi_normalise(rows, N, EMBEDDING);
    for (size_t i = 0; i < N * EMBEDDING; i++)
        want[i % EMBEDDING] += rows[i];
    wi_normalise(want, 1, EMBEDDING);
    assert_int_equal(wi_session_encode_mean_text(s, texts, N, got, NULL), WI_OK);
    for (size_t i = 0; i < EMBEDDING; i++)
        assert_float_equal(got[i], want[i], 1e-6);
    assert_int_equal(wi_session_encode_mean_text(s, texts + 1, 1, got, NULL), WI_OK);
    for (size_t i = 0; i < EMBEDDING; i++)
        assert_float_equal(got[i], rows[EMBEDDING + i], 1e-6);
    assert_int_equal(wi_session_encode_mean_text(s, texts, 0, got, NULL), WI_ERR_ARG);
    wi_session_close(&s);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

typedef struct countdown {
    size_t left, asked;
} countdown;

static bool stop_after(void *context, uint64_t done, uint64_t total)
{
    countdown *c = context;
    (void)done, (void)total;
    c->asked++;
    return c->left-- > 0;
}

/* Packing and making weights small take longest: they ask for every part, and within large ones. */
static void converting_stops_wherever_it_is_asked(void **state)
{
    (void)state;
    wi_engine *engine = engine_of(1, NULL);
    const char *folder = make_folder(false, 3);
    const size_t before = scratch_count("");
    size_t asked[2];
    for (int i = 0; i < 2; i++) {
        countdown all = {SIZE_MAX, 0};
        const wi_convert_options options = {.weights = i ? WI_WEIGHTS_INT8 : WI_WEIGHTS_F32,
                                            .progress = {stop_after, &all}};
        assert_int_equal(
            wi_model_convert(engine, folder, scratch_path("whole.gguf"), &options, NULL), WI_OK);
        assert_int_equal(remove(scratch_path("whole.gguf")), 0);
        asked[i] = all.asked;
    }
    assert_true(asked[0] >= 20 && asked[1] >= asked[0] + 20);
    for (size_t n = 0; n < asked[1]; n += 1 + n / 8) {
        countdown some = {n, 0};
        const wi_convert_options options = {.weights = WI_WEIGHTS_INT8,
                                            .progress = {stop_after, &some}};
        assert_int_equal(
            wi_model_convert(engine, folder, scratch_path("gone.gguf"), &options, NULL),
            WI_ERR_CANCELLED);
        assert_int_equal(some.asked, n + 1);
        assert_int_equal(scratch_count(""), before);
    }
    wi_engine_close(&engine);
}

/* Whatever list of texts has a hole is refused by the hole's number. */
static void missing_texts_are_refused(void **state)
{
    (void)state;
    static const char *const two[] = {"cat", "dog"}, *const hole[] = {"cat", NULL},
                             *const prompt[] = {"a {}"}, *const no_prompt[] = {NULL};
    const wi_head_recipe recipes[] = {
        {.labels = hole, .n_labels = 2},
        {.labels = two, .groups = hole, .n_labels = 2},
        {.labels = two, .n_labels = 2, .templates = no_prompt, .n_templates = 1},
        {.labels = two, .n_labels = 2, .distractors = hole, .n_distractors = 2},
        {.labels = two, .n_labels = 2, .templates = prompt, .n_templates = 1}};
    static const char *const says[] = {"label 2 is NULL", "group of label 2 is NULL",
                                       "template 1 is NULL", "distractor 2 is NULL", NULL};
    wi_engine *engine = engine_of(1, NULL);
    wi_model *model = open_model(engine, make_folder(false, 3));
    wi_session *s = NULL;
    assert_int_equal(wi_session_open(model, NULL, &s, NULL), WI_OK);
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        wi_head *head = NULL;
        wi_error error = {0};
        wi_head_recipe one = recipes[i];
        one.name = "x";
        assert_int_equal(wi_head_build(s, &one, &head, NULL, &error), says[i] ? WI_ERR_ARG : WI_OK);
        if (says[i])
            assert_string_equal(error.message, says[i]);
        assert_true(!head == !!says[i]);
        wi_head_close(&head);
    }
    wi_session_close(&s);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

/* --- every allocation fails once --- */

typedef struct torture {
    char folder[512], file[512];
} torture;

static wi_status everything(void *context, wi_error *error)
{
    const torture *t = context;
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *s = NULL;
    uint8_t pixels[PICTURE] = {0};
    float out[N * EMBEDDING];
    const wi_engine_options eo = {.n_threads = 1};
    const wi_convert_options co = {.weights = WI_WEIGHTS_INT8};
    wi_status status = wi_engine_open(&eo, &engine, error);
    if (status == WI_OK)
        status = wi_model_convert(engine, t->folder, t->file, &co, error);
    if (status == WI_OK)
        status = wi_model_open(engine, t->file, NULL, &model, error);
    if (status == WI_OK)
        status = wi_session_open(model, NULL, &s, error);
    if (status == WI_OK)
        status = wi_session_encode_images(s, pixels, 1, out, error);
    if (status == WI_OK)
        status = wi_session_encode_texts(s, texts, N, out, NULL, NULL, error);
    wi_session_close(&s);
    wi_model_close(&model);
    wi_engine_close(&engine);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    torture t;
    snprintf(t.folder, sizeof t.folder, "%s", make_folder(false, 3));
    snprintf(t.file, sizeof t.file, "%s", scratch_path("torture.gguf"));
    const long failed = torture_run(everything, &t);
    print_message("%ld allocations failed in turn\n", failed);
    assert_true(failed > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_conversion_keeps_every_bit, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(smaller_types_stay_close, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(results_depend_on_the_input_alone, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(damage_is_noticed, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(one_tower_alone, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(several_texts_count_as_one, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(cancelling_leaves_no_file, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(missing_texts_are_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(converting_stops_wherever_it_is_asked, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
