/* The towers against float64 embeddings that a NumPy program computed from the equations (data/make_reference.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

#define DATA WHATSIT_SOURCE_DIR "/tests/model/data/"

enum { N_IMAGES = 2, N_TEXTS = 5, MAX_DIM = 64 };

static const char *const texts[N_TEXTS] = {
    "cat", "a cat of dog", "an x!", "",
    "dog dog dog dog dog dog dog dog dog dog dog dog dog dog dog dog dog"};

static void assert_close(const float *got, const wi_tensor *expected, double tolerance)
{
    for (size_t i = 0; i < expected->n_bytes / sizeof(float); i++) {
        float want;
        memcpy(&want, (const char *)expected->data + i * sizeof want, sizeof want);
        if (!(fabs((double)got[i] - want) <= tolerance))
            fail_msg("%s[%zu]: %.8g, expected %.8g", expected->name, i, (double)got[i],
                     (double)want);
    }
}

static void check_isa(const char *isa)
{
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_tensors *expected = NULL;
    wi_tensor pixels, image, text;
    wi_error error = {0};
    size_t n_truncated = 0;
    float out[N_TEXTS * MAX_DIM];
    const wi_engine_options options = {.n_threads = 2, .isa = isa};
    if (wi_engine_open(&options, &engine, NULL) != WI_OK)
        return; /* another processor's */
    print_message("%s\n", isa);
    if (wi_model_open(engine, DATA "vit", NULL, &model, &error) != WI_OK ||
        wi_tensors_open(DATA "vit_expected.safetensors", &expected, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(wi_tensors_get(expected, "pixels", &pixels, NULL), WI_OK);
    assert_int_equal(wi_tensors_get(expected, "image", &image, NULL), WI_OK);
    assert_int_equal(wi_tensors_get(expected, "text", &text, NULL), WI_OK);
    assert_true(image.shape[1] <= MAX_DIM);
    assert_int_equal(wi_session_open(model, NULL, &session, NULL), WI_OK);
    assert_int_equal(wi_session_encode_images(session, pixels.data, N_IMAGES, out, NULL), WI_OK);
    assert_close(out, &image, 2e-5);
    assert_int_equal(
        wi_session_encode_texts(session, texts, N_TEXTS, out, &n_truncated, NULL, NULL), WI_OK);
    assert_close(out, &text, 2e-5);
    assert_int_equal(n_truncated, 1);
    wi_session_close(&session);
    wi_tensors_close(&expected);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

static void embeddings_are_the_equations(void **state)
{
    (void)state;
    static const char *const isas[] = {"scalar",     "avx2", "avxvnni", "avx512",
                                       "avx512vnni", "neon", "dotprod"};
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
        check_isa(isas[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(embeddings_are_the_equations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
