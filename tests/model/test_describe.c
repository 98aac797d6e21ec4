/* The decoder against PyTorch (make_describer.py): the logits of every step and the sentences of every
 * beam; the same bits on every ISA's integers, for any number of threads, alone and in a batch. */
#include "model/beam.h"
#include "model/describer.h"
#include "nn/decoder.h"
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

#define FOLDER WHATSIT_SOURCE_DIR "/tests/model/data/describer"
enum { PICTURES = 2, N_IDS = 27, MAX_STEPS = 12 };

static golden_tensors file;

static const void *reference(const char *name, size_t *n)
{
    return sayer_reference(&file, name, n);
}

static wi_session *open_session(const wi_model *model, uint32_t n)
{
    return sayer_session(model, WI_TOWER_DECODER, n);
}

static void look(wi_session *session, size_t first, size_t n)
{
    size_t n_grid, n_pooled;
    const float *grid = reference("grid", &n_grid), *pooled = reference("pooled", &n_pooled);
    wi_ses_look(session, grid + first * n_grid / PICTURES, pooled + first * n_pooled / PICTURES, n);
}

/* Behind each of the reference's tokens: out[PICTURES, n_tokens, N_IDS]. */
static void run_steps(wi_session *session, float *out, size_t *n_tokens)
{
    const int32_t *tokens = reference("tokens", n_tokens);
    assert_in_range(*n_tokens, 1, MAX_STEPS);
    look(session, 0, PICTURES);
    sayer_steps(session, PICTURES, tokens, *n_tokens, N_IDS, out);
}

static void expect_logits(const float *got, size_t n, double tolerance, const char *what)
{
    size_t n_expected;
    const float *want = reference("logits", &n_expected);
    assert_int_equal(n, n_expected);
    const double far = sayer_distance(got, want, n);
    if (!(far <= tolerance))
        fail_msg("%s: logits are off by %g of the largest", what, far);
}

static void every_step_is_pytorchs(void **state)
{
    (void)state;
    static const char *const isas[] = {"scalar", "avx2", "avx512", NULL};
    float got[PICTURES * MAX_STEPS * N_IDS];
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        wi_engine *engine = sayer_engine(2, isas[i]);
        size_t n_tokens;
        if (!engine)
            continue; /* this processor has no such ISA */
        wi_model *model = sayer_model(engine, FOLDER);
        wi_session *session = open_session(model, PICTURES);
        run_steps(session, got, &n_tokens);
        expect_logits(got, PICTURES * n_tokens * N_IDS, 1e-5, isas[i] ? isas[i] : "best");
        wi_session_close(&session);
        wi_model_close(&model);
        wi_engine_close(&engine);
    }
}

static void expect_sentences(wi_session *session, const wi_search *search, size_t first, size_t n,
                             bool exact)
{
    wi_beam *beam = NULL;
    wi_error error = {0};
    wi_sentence out[PICTURES * WI_DECODE_ROWS];
    size_t n_out[PICTURES];
    assert_int_equal(wi_beam_open(session, &beam, &error), WI_OK);
    torture_arm(0);
    look(session, first, n);
    assert_true(wi_beam_run(beam, search, n, out, n_out));
    assert_int_equal(torture_count(), 0); /* nothing is allocated while decoding */
    torture_disarm();
    for (size_t p = 0; p < n; p++) {
        char name[32];
        size_t n_want, n_one;
        snprintf(name, sizeof name, "beam.%zu.%u", first + p, search->width);
        const int32_t *want = reference(name, &n_want);
        snprintf(name, sizeof name, "score.%zu.%u", first + p, search->width);
        const float *score = reference(name, &n_one);
        const wi_sentence *s = &out[p * WI_DECODE_ROWS];
        assert_in_range(n_out[p], 1, search->width);
        for (size_t i = 1; i < n_out[p]; i++)
            assert_true(s[i - 1].logprob / pow((double)s[i - 1].n_counted, 0.7) >=
                        s[i].logprob / pow((double)s[i].n_counted, 0.7));
        if (!exact)
            continue;
        assert_int_equal(s->n_tokens, n_want);
        assert_memory_equal(s->tokens, want, n_want * sizeof *want);
        assert_true(fabs(s->logprob - (double)*score) < 1e-3);
    }
    wi_beam_close(&beam);
}

static void every_beam_is_pytorchs(void **state)
{
    (void)state;
    wi_engine *engine = sayer_engine(1, NULL);
    wi_model *model = sayer_model(engine, FOLDER);
    wi_session *session = open_session(model, PICTURES);
    static const uint32_t widths[] = {1, 3, 8};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const wi_search search = {.width = widths[i], .max_tokens = 12, .power = 0.7f};
        expect_sentences(session, &search, 0, 1, true);
        expect_sentences(session, &search, 1, 1, true);
        expect_sentences(session, &search, 0, 2, true); /* both at once, a session used again */
    }
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

/* int8 is near the original, and the same bits whatever runs it. */
static void int8_is_the_same_everywhere(void **state)
{
    (void)state;
    char path[300];
    wi_error error = {0};
    wi_engine *engine = sayer_engine(1, NULL);
    snprintf(path, sizeof path, "%s", scratch_path("describer.gguf"));
    const wi_convert_options options = {.weights = WI_WEIGHTS_INT8, .name = "small"};
    if (wi_model_convert(engine, FOLDER, path, &options, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_engine_close(&engine);
    float first[PICTURES * MAX_STEPS * N_IDS], got[PICTURES * MAX_STEPS * N_IDS];
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        size_t n_tokens;
        engine = sayer_engine(n_threads, NULL);
        wi_model *model = sayer_model(engine, path);
        wi_model_info info;
        assert_int_equal(wi_model_get_info(model, &info, &error), WI_OK);
        assert_true(info.decoder.present && !info.image.present && info.weights == WI_WEIGHTS_INT8);
        assert_int_equal(wi_model_verify(model, NULL, &error), WI_OK);
        wi_session *session = open_session(model, PICTURES);
        run_steps(session, got, &n_tokens);
        expect_logits(got, PICTURES * n_tokens * N_IDS, 0.1, "int8");
        if (n_threads == 1)
            memcpy(first, got, sizeof first);
        assert_memory_equal(first, got, PICTURES * n_tokens * N_IDS * sizeof *got);
        const wi_search search = {.width = 3, .max_tokens = 12, .power = 0.7f};
        expect_sentences(session, &search, 0, 2, false);
        wi_session_close(&session);
        wi_model_close(&model);
        wi_engine_close(&engine);
    }
}

/* What a search is asked: first words, few tokens. */
static void searches_obey(void **state)
{
    (void)state;
    wi_engine *engine = sayer_engine(1, NULL);
    wi_model *model = sayer_model(engine, FOLDER);
    wi_session *session = open_session(model, 1);
    wi_beam *beam = NULL;
    wi_error error = {0};
    wi_sentence out[WI_DECODE_ROWS];
    size_t n_out;
    static const int32_t prompt[] = {4, 9};
    assert_int_equal(wi_beam_open(session, &beam, &error), WI_OK);
    for (uint32_t most = 1; most <= 10; most++) {
        const wi_search search = {.width = 4, .max_tokens = most, .power = 0.7f, prompt, 2};
        look(session, 0, 1);
        wi_beam_run(beam, &search, 1, out, &n_out);
        assert_true(n_out >= 1);
        for (size_t i = 0; i < n_out; i++) {
            assert_memory_equal(out[i].tokens, prompt, sizeof prompt);
            assert_in_range(out[i].n_counted, 1, most);
            assert_in_range(out[i].n_tokens, 2, 2 + most);
            for (size_t j = 0; j < out[i].n_tokens; j++)
                assert_in_range(out[i].tokens[j], 0, N_IDS - 3); /* no marker */
        }
    }
    wi_beam_close(&beam);
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

typedef struct heard {
    size_t n_calls, stop_at;
    int32_t tokens[MAX_STEPS];
    size_t n_tokens;
} heard;

static bool hear(void *context, const int32_t *tokens, size_t n_tokens)
{
    heard *h = context;
    assert_in_range(n_tokens, 0, MAX_STEPS);
    h->n_tokens = n_tokens;
    memcpy(h->tokens, tokens, n_tokens * sizeof *tokens);
    return ++h->n_calls != h->stop_at;
}

/* Whoever listens hears one word more with each step, and can stop it at any; then it works as before. */
static void searches_are_heard_and_stopped(void **state)
{
    (void)state;
    wi_engine *engine = sayer_engine(1, NULL);
    wi_model *model = sayer_model(engine, FOLDER);
    wi_session *session = open_session(model, PICTURES);
    wi_beam *beam = NULL;
    wi_error error = {0};
    wi_sentence out[PICTURES * WI_DECODE_ROWS];
    size_t n_out[PICTURES], n_steps = 0;
    static const int32_t prompt[] = {4, 9};
    assert_int_equal(wi_beam_open(session, &beam, &error), WI_OK);
    for (size_t stop_at = 0; stop_at <= n_steps; stop_at++) {
        heard h = {.stop_at = stop_at};
        const wi_search search = {.width = 1,
                                  .max_tokens = 6,
                                  .power = 0.7f,
                                  .prompt = prompt,
                                  .n_prompt = 2,
                                  .step = hear,
                                  .context = &h};
        look(session, 0, PICTURES);
        memset(n_out, 0, sizeof n_out);
        assert_int_equal(wi_beam_run(beam, &search, PICTURES, out, n_out), stop_at == 0);
        assert_int_equal(n_out[0] > 0, stop_at == 0);
        assert_memory_equal(h.tokens, prompt, sizeof prompt);
        if (stop_at == 0) { /* of one sentence what is heard is what it begins with */
            n_steps = h.n_calls;
            assert_in_range(n_steps, 1, 6);
            assert_in_range(h.n_tokens, 3, out[0].n_tokens);
            assert_memory_equal(h.tokens, out[0].tokens, h.n_tokens * sizeof *h.tokens);
        } else {
            assert_int_equal(h.n_calls, stop_at);
        }
    }
    const wi_search plain = {.width = 3, .max_tokens = 12, .power = 0.7f};
    expect_sentences(session, &plain, 0, 2, true);
    wi_beam_close(&beam);
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    wi_error error = {0};
    wi_engine *engine = sayer_engine(1, NULL);
    wi_model *decoder = sayer_model(engine, FOLDER), *nano = NULL;
    wi_describer *describer = NULL;
    wi_session *session = NULL;
    assert_int_equal(wi_describer_open(decoder, decoder, NULL, &describer, &error),
                     WI_ERR_UNSUPPORTED);
    assert_int_equal(
        wi_model_open(engine, WHATSIT_SOURCE_DIR "/models/whatsit-nano.gguf", NULL, &nano, &error),
        WI_OK);
    assert_int_equal(wi_describer_open(nano, nano, NULL, &describer, &error), WI_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "no describer"));
    assert_int_equal(wi_describer_open(nano, decoder, NULL, &describer, &error), WI_ERR_MISMATCH);
    assert_non_null(strstr(error.message, "reads 9 places"));
    assert_null(describer);
    const wi_model_options image = {.towers = WI_TOWER_IMAGE}, words = {.towers = WI_TOWER_DECODER};
    wi_model *wrong = NULL;
    assert_int_equal(wi_model_open(engine, FOLDER, &image, &wrong, &error), WI_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "is a describer"));
    assert_int_equal(wi_model_open(engine, WHATSIT_SOURCE_DIR "/models/whatsit-nano.gguf", &words,
                                   &wrong, &error),
                     WI_ERR_UNSUPPORTED);
    assert_int_equal(wi_session_open(decoder, NULL, &session, &error), WI_OK);
    float out[64];
    uint8_t pixels[3] = {0};
    assert_int_equal(wi_session_encode_images(session, pixels, 1, out, &error), WI_ERR_UNSUPPORTED);
    wi_session_close(&session);
    wi_model_close(&nano);
    wi_model_close(&decoder);
    wi_engine_close(&engine);
}

static int setup(void **state)
{
    golden_open(FOLDER "/expected.safetensors", &file);
    return scratch_setup(state);
}

static int teardown(void **state)
{
    golden_close(&file);
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_step_is_pytorchs, setup, teardown),
        cmocka_unit_test_setup_teardown(every_beam_is_pytorchs, setup, teardown),
        cmocka_unit_test_setup_teardown(int8_is_the_same_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(searches_obey, setup, teardown),
        cmocka_unit_test_setup_teardown(searches_are_heard_and_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
