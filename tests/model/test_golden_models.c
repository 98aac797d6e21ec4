/* The reference models: embeddings, logits and probabilities against the originals', layer by layer
 * where they differ. Runs on every ISA of this machine. */
#include "model/expected.h"
#include "support/scratch.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

enum { MAX_MODELS = 32 };

static const char *texts[N_TEXTS];

static char golden[512];

static bool find_golden(void)
{
    const char *from = getenv("WHATSIT_GOLDEN");
    struct stat st;
    snprintf(golden, sizeof golden, "%s", from ? from : WHATSIT_SOURCE_DIR "/../shared/golden");
    return stat(golden, &st) == 0;
}

static void load_texts(void)
{
    char path[600];
    snprintf(path, sizeof path, "%s/models/inputs/inputs.json", golden);
    expected_texts(path, texts);
}

/* --- one model --- */

typedef struct tolerance {
    double embedding, logit, probability, cosine;
} tolerance;

static void check_scores(const wi_model_info *info, const wi_tensors *expected, float *image,
                         float *text, const tolerance *tol)
{
    const size_t d = info->embedding_dim;
    float logits[N_IMAGES * N_TEXTS], probs[N_IMAGES * N_TEXTS];
    wi_normalise(image, N_IMAGES, d);
    wi_normalise(text, N_TEXTS, d);
    for (size_t i = 0; i < N_IMAGES; i++) {
        double sum = 0.0, top = -1e9;
        for (size_t j = 0; j < N_TEXTS; j++) {
            double dot = 0.0;
            for (size_t k = 0; k < d; k++)
                dot += (double)image[i * d + k] * text[j * d + k];
            logits[i * N_TEXTS + j] = (float)(info->logit_scale * dot);
            top = fmax(top, logits[i * N_TEXTS + j]);
        }
        for (size_t j = 0; j < N_TEXTS; j++)
            sum += exp(logits[i * N_TEXTS + j] - top);
        for (size_t j = 0; j < N_TEXTS; j++)
            probs[i * N_TEXTS + j] = (float)(exp(logits[i * N_TEXTS + j] - top) / sum);
    }
    const double l = expected_worst(logits, expected_tensor(expected, "logits_per_image").data,
                                    N_IMAGES * N_TEXTS);
    const double p =
        expected_worst(probs, expected_tensor(expected, "probs").data, N_IMAGES * N_TEXTS);
    print_message("    logits %.2g, probabilities %.2g\n", l, p);
    assert_true(l <= tol->logit);
    assert_true(p <= tol->probability);
}

static void check_model(wi_engine *engine, const char *path, const char *folder,
                        const tolerance *tol)
{
    char file[700];
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_tensors *expected = NULL, *inputs = NULL;
    wi_model_info info;
    wi_error error = {0};
    if (wi_model_open(engine, path, NULL, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(wi_model_get_info(model, &info, &error), WI_OK);
    snprintf(file, sizeof file, "%s/expected.safetensors", folder);
    assert_int_equal(wi_tensors_open(file, &expected, &error), WI_OK);
    snprintf(file, sizeof file, "%s/models/inputs/pixels_%u.safetensors", golden, info.image_px);
    assert_int_equal(wi_tensors_open(file, &inputs, &error), WI_OK);
    const uint8_t *pixels = expected_tensor(inputs, "pixels_u8").data;
    const size_t d = info.embedding_dim;
    float *image = calloc(N_IMAGES * d, sizeof *image), *text = calloc(N_TEXTS * d, sizeof *text);
    const wi_session_options options = {.max_images = 4};
    assert_int_equal(wi_session_open(model, &options, &session, &error), WI_OK);
    if (wi_session_encode_images(session, pixels, N_IMAGES, image, &error) != WI_OK ||
        wi_session_encode_texts(session, texts, N_TEXTS, text, NULL, NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    const double i =
        expected_worst(image, expected_tensor(expected, "image_embeds").data, N_IMAGES * d);
    const double t =
        expected_worst(text, expected_tensor(expected, "text_embeds").data, N_TEXTS * d);
    const double ci =
        expected_cosine(image, expected_tensor(expected, "image_embeds").data, N_IMAGES, d);
    const double ct =
        expected_cosine(text, expected_tensor(expected, "text_embeds").data, N_TEXTS, d);
    print_message("%s\n    image %.2g (cosine 1-%.2g), text %.2g (cosine 1-%.2g)\n",
                  strrchr(path, '/') + 1, i, 1 - ci, t, 1 - ct);
    if (!(i <= tol->embedding) || !(t <= tol->embedding))
        expected_diverging(model, folder, pixels, texts[0], image);
    assert_true(i <= tol->embedding);
    assert_true(t <= tol->embedding);
    assert_true(ci >= tol->cosine && ct >= tol->cosine);
    check_scores(&info, expected, image, text, tol);
    free(image);
    free(text);
    wi_session_close(&session);
    wi_tensors_close(&inputs);
    wi_tensors_close(&expected);
    wi_model_close(&model);
}

static size_t list_models(char folders[MAX_MODELS][600])
{
    char path[600];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/models", golden);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; n < MAX_MODELS && (e = readdir(dir));) {
        struct stat st;
        char file[700];
        snprintf(folders[n], sizeof *folders, "%.300s/%.200s", path, e->d_name);
        snprintf(file, sizeof file, "%s/expected.safetensors", folders[n]);
        if (e->d_name[0] != '.' && stat(file, &st) == 0)
            n++;
    }
    closedir(dir);
    return n;
}

static const tolerance f32 = {2e-5, 1e-3, 1e-4, 0.9999999};
/* Of int8 only the direction is promised; these models have outliers of twenty times the rest. */
static const tolerance int8 = {INFINITY, INFINITY, 1.0, 0.995};

static void every_model_on_every_isa(void **state)
{
    (void)state;
    static const char *const isas[] = {"scalar", "avx2", "avx512", "avx512vnni", "neon", "dotprod"};
    char folders[MAX_MODELS][600];
    if (!find_golden()) {
        print_message("no reference models here\n");
        skip();
    }
    load_texts();
    const size_t n = list_models(folders);
    assert_true(n > 0);
    for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
        wi_engine *engine = NULL;
        const wi_engine_options options = {.n_threads = 2, .isa = isas[k]};
        if (wi_engine_open(&options, &engine, NULL) != WI_OK)
            continue;
        print_message("--- %s\n", isas[k]);
        for (size_t i = 0; i < n; i++)
            check_model(engine, folders[i], folders[i], &f32);
        wi_engine_close(&engine);
    }
}

static void converted_models(void **state)
{
    (void)state;
    static const struct {
        wi_weights weights;
        const tolerance *tol;
    } types[] = {{WI_WEIGHTS_AUTO, &f32}, {WI_WEIGHTS_INT8, &int8}};
    char folders[MAX_MODELS][600];
    if (!find_golden()) {
        print_message("no reference models here\n");
        skip();
    }
    load_texts();
    const size_t n = list_models(folders);
    wi_engine *engine = NULL;
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < n; i++) {
            wi_error error = {0};
            const wi_convert_options options = {.weights = types[t].weights};
            const char *file = scratch_path("converted.gguf");
            if (wi_model_convert(engine, folders[i], file, &options, &error) != WI_OK)
                fail_msg("%s", error.message);
            print_message("%s as a %s file: ", strrchr(folders[i], '/') + 1,
                          t ? "int8" : "lossless");
            check_model(engine, file, folders[i], types[t].tol);
        }
    wi_engine_close(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_on_every_isa),
        cmocka_unit_test_setup_teardown(converted_models, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
