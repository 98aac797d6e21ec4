/* CoCa against open_clip (data/make_originals.py: make_coca): what its decoder sees, the logits of every
 * step and the sentences of its own search; through a file, in batches, on threads, in int8. Embeddings
 * are compared by test_originals.c. */
#include "checkpoint/checkpoint.h"
#include "model/beam.h"
#include "model/describer.h"
#include "sayer.h"
#include "support/scratch.h"
#include "support/torture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

#define ORIGINALS WHATSIT_SOURCE_DIR "/tests/model/data/originals/"
enum { PICTURES = 4, QUERIES = 6, WIDTH = 16, MAX_STEPS = 16, MAX_WORDS = 520, START = 518 };

static golden_tensors file;

static const void *reference(const char *name, size_t *n)
{
    return sayer_reference(&file, name, n);
}

static wi_session *open_session(const wi_model *model, uint32_t n)
{
    return sayer_session(model, WI_TOWER_IMAGE | WI_TOWER_DECODER, n);
}

/* Looks at n pictures from `first` on, as a describer does. */
static void look(wi_session *session, size_t first, size_t n, float *grid)
{
    size_t n_pixels, n_shown;
    float embedding[PICTURES * WIDTH];
    const uint8_t *pixels = golden_tensor(&file, "pixels", &n_pixels);
    const float *shown = reference("shown", &n_shown);
    const size_t cells = (QUERIES - 1) * WIDTH;
    assert_int_equal(
        wi_ses_images(session, pixels + first * n_pixels / PICTURES, n, embedding, NULL), WI_OK);
    for (size_t i = 0; i < n; i++)
        wi_ses_sight(session, i, grid + i * cells, NULL);
    if (session->model->weights != WI_WEIGHTS_INT8)
        assert_true(sayer_distance(grid, shown + first * cells, n * cells) < 1e-5);
    wi_ses_look(session, grid, NULL, n);
}

/* The logits behind each of the reference's tokens: out[PICTURES, n_tokens, n_words]. */
static size_t run_steps(wi_session *session, float *out)
{
    size_t n_tokens, n_logits;
    float grid[PICTURES * (QUERIES - 1) * WIDTH];
    const int32_t *tokens = reference("tokens", &n_tokens);
    reference("step_logits", &n_logits);
    assert_in_range(n_logits, 1, PICTURES * MAX_STEPS * MAX_WORDS);
    look(session, 0, PICTURES, grid);
    sayer_steps(session, PICTURES, tokens, n_tokens, n_logits / PICTURES / n_tokens, out);
    return n_logits;
}

static float logits[PICTURES * MAX_STEPS * MAX_WORDS], again[PICTURES * MAX_STEPS * MAX_WORDS];

static void open_reference(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s%s/expected.safetensors", ORIGINALS, name);
    golden_open(path, &file);
}

static void steps_of(const char *name)
{
    char path[300];
    wi_error error = {0};
    size_t n_want;
    wi_engine *engine = sayer_engine(2, NULL);
    open_reference(name);
    snprintf(path, sizeof path, "%s%s", ORIGINALS, name);
    wi_model *model = sayer_model(engine, path);
    wi_session *session = open_session(model, PICTURES);
    const size_t n = run_steps(session, logits);
    const float *want = reference("step_logits", &n_want);
    const double far = sayer_distance(logits, want, n);
    print_message("%s: logits at most %.1e of the largest away\n", name, far);
    assert_true(far < 1e-5);
    wi_session_close(&session);
    if (wi_mdl_write(model, scratch_path("coca.gguf"), NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_model_close(&model);
    wi_engine_close(&engine);
    engine = sayer_engine(1, NULL);
    model = sayer_model(engine, scratch_path("coca.gguf"));
    session = open_session(model, PICTURES);
    run_steps(session, again);
    assert_memory_equal(logits, again, n * sizeof *logits);
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
    golden_close(&file);
}

static void every_step_is_the_originals(void **state)
{
    (void)state;
    steps_of("open_clip_coca");
    steps_of("open_clip_coca_equal");
}

/* The reference has markers: the start always, the end where there was room. */
static void expect_sentence(const char *kind, size_t picture, const wi_sentence *got)
{
    char name[32];
    size_t n;
    snprintf(name, sizeof name, "%s.%zu", kind, picture);
    const int32_t *want = reference(name, &n);
    if (want[n - 1] == START + 1)
        n--;
    assert_int_equal(got->n_tokens, n - 1);
    assert_memory_equal(got->tokens, want + 1, (n - 1) * sizeof *want);
    assert_true(got->logprob < 0 && isfinite(got->logprob));
}

static void search_in(wi_session *session, const wi_search *search, const char *kind)
{
    wi_beam *beam = NULL;
    wi_error error = {0};
    wi_sentence out[PICTURES * WI_DECODE_ROWS];
    size_t n_out[PICTURES];
    float grid[PICTURES * (QUERIES - 1) * WIDTH];
    assert_int_equal(wi_beam_open(session, &beam, &error), WI_OK);
    for (size_t p = 0; p < PICTURES; p++) {
        look(session, p, 1, grid);
        wi_beam_run(beam, search, 1, out, n_out);
        expect_sentence(kind, p, out);
    }
    look(session, 0, PICTURES, grid);
    wi_beam_run(beam, search, PICTURES, out, n_out);
    for (size_t p = 0; p < PICTURES; p++)
        expect_sentence(kind, p, &out[p * WI_DECODE_ROWS]);
    wi_beam_close(&beam);
}

static void searches_find_what_the_original_finds(void **state)
{
    (void)state;
    wi_engine *engine = sayer_engine(2, NULL);
    open_reference("open_clip_coca");
    wi_model *model = sayer_model(engine, ORIGINALS "open_clip_coca");
    wi_session *session = open_session(model, PICTURES);
    search_in(session, &(wi_search){.width = 1, .max_tokens = 28}, "greedy");
    search_in(session, &(wi_search){.width = 2, .max_tokens = 29}, "beam");
    search_in(session, &(wi_search){.width = 4, .max_tokens = 29}, "beam4");
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
    golden_close(&file);
}

typedef struct listener {
    size_t n_calls, stop_at;
    char longest[WI_CAPTION_BYTES];
} listener;

static bool hear(void *context, const char *begun)
{
    listener *l = context;
    if (l->n_calls == 0)
        assert_string_equal(begun, "");
    if (strlen(begun) > strlen(l->longest))
        snprintf(l->longest, sizeof l->longest, "%s", begun);
    return ++l->n_calls != l->stop_at;
}

/* Whoever listens hears the sentence grow; whoever has heard enough stops it. */
static void listen(wi_describer *describer, const uint8_t *pixels, const char *sentence)
{
    wi_error error = {0};
    static wi_caption out[1];
    size_t n_out = 0;
    listener l = {0};
    wi_describe_options how = {.beam = 1, .step = hear, .context = &l};
    assert_int_equal(wi_describe(describer, pixels, 1, &how, out, &n_out, NULL, &error), WI_OK);
    assert_string_equal(out[0].text, sentence);
    assert_true(l.n_calls > 2 && l.longest[0]);
    assert_memory_equal(l.longest, sentence, strlen(l.longest));
    const size_t n_calls = l.n_calls;
    for (size_t stop_at = 1; stop_at <= n_calls; stop_at++) {
        l = (listener){.stop_at = stop_at};
        n_out = 0;
        assert_int_equal(wi_describe(describer, pixels, 1, &how, out, &n_out, NULL, &error),
                         WI_ERR_CANCELLED);
        assert_int_equal(l.n_calls, stop_at);
        assert_int_equal(n_out, 0);
    }
}

/* One file sees and speaks; what it is not asked is as the original does it. */
static void a_describer_asks_as_the_original(void **state)
{
    (void)state;
    wi_error error = {0};
    wi_engine *engine = sayer_engine(1, NULL);
    wi_describer *describer = NULL;
    size_t n_pixels, n_out[PICTURES];
    static wi_caption greedy[PICTURES], out[PICTURES * 3];
    open_reference("open_clip_coca");
    const uint8_t *pixels = golden_tensor(&file, "pixels", &n_pixels);
    wi_model *model = sayer_model(engine, ORIGINALS "open_clip_coca");
    const wi_describer_options room = {.max_images = 3};
    if (wi_describer_open(model, model, &room, &describer, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(wi_describe(describer, pixels, PICTURES, NULL, out, n_out, NULL, &error),
                     WI_OK);
    for (size_t p = 0; p < PICTURES; p++) {
        char name[32];
        size_t n;
        snprintf(name, sizeof name, "beam.%zu", p);
        reference(name, &n);
        assert_int_equal(n_out[p], 1);
        assert_int_equal(out[p].n_tokens, n - 1); /* the end is counted, or was not reached */
        assert_true(out[p].sure && out[p].mean_prob > 0 && out[p].mean_prob < 1);
    }
    const wi_describe_options one = {.beam = 1}, three = {.n_captions = 3, .about = "cat"};
    assert_int_equal(wi_describe(describer, pixels, PICTURES, &one, greedy, n_out, NULL, &error),
                     WI_OK);
    assert_int_equal(wi_describe(describer, pixels, PICTURES, &three, out, n_out, NULL, &error),
                     WI_OK);
    assert_false(wi_describer_has_scale(describer));
    torture_arm(0);
    assert_int_equal(wi_describe(describer, pixels, PICTURES, &one, greedy, n_out, NULL, &error),
                     WI_OK);
    assert_int_equal(torture_count(), 0); /* nothing is allocated while describing */
    torture_disarm();
    listen(describer, pixels, greedy[0].text);
    for (size_t p = 0; p < PICTURES; p++) {
        assert_in_range(n_out[p], 1, 3);
        for (size_t i = 0; i < n_out[p]; i++)
            assert_memory_equal(out[3 * p + i].text, "cat", 3);
    }
    wi_describer_close(&describer);
    wi_model_close(&model);
    wi_engine_close(&engine);
    golden_close(&file);
}

static void int8_is_near_and_the_same_everywhere(void **state)
{
    (void)state;
    wi_error error = {0};
    wi_engine *engine = sayer_engine(1, NULL);
    open_reference("open_clip_coca");
    const wi_convert_options options = {.weights = WI_WEIGHTS_INT8, .name = "small"};
    if (wi_model_convert(engine, ORIGINALS "open_clip_coca", scratch_path("coca.gguf"), &options,
                         &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_engine_close(&engine);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        size_t n_want;
        engine = sayer_engine(n_threads, NULL);
        wi_model *model = sayer_model(engine, scratch_path("coca.gguf"));
        assert_int_equal(model->weights, WI_WEIGHTS_INT8);
        wi_session *session = open_session(model, PICTURES);
        const size_t n = run_steps(session, n_threads == 1 ? logits : again);
        if (n_threads == 1)
            assert_true(sayer_distance(logits, reference("step_logits", &n_want), n) < 0.15);
        else
            assert_memory_equal(logits, again, n * sizeof *logits);
        wi_session_close(&session);
        wi_model_close(&model);
        wi_engine_close(&engine);
    }
    golden_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_step_is_the_originals, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(searches_find_what_the_original_finds),
        cmocka_unit_test(a_describer_asks_as_the_original),
        cmocka_unit_test_setup_teardown(int8_is_near_and_the_same_everywhere, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
