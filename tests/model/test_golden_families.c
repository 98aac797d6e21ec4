/* The reference models of other families: tokens, embeddings and logits against the originals', of
 * the folder and of the model files made from it, on every ISA of this machine. */
#include "model/expected.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

static const char *texts[N_TEXTS];

enum { MAX_FAMILIES = 64 };

/* tolerance: of normalised embeddings, as the README of the reference data gives it. */
typedef struct family {
    char name[80];
    double tolerance;
} family;

typedef struct families {
    family list[MAX_FAMILIES];
    size_t n;
    bool are_own;
} families;
/* In this repository (tests/model/data/make_families.py). */
static families ours = {.list = {{"siglip1", 5e-6},
                                 {"siglip2", 5e-6},
                                 {"chinese_clip", 5e-6},
                                 {"metaclip2", 5e-6},
                                 {"clipa", 5e-6}},
                        .n = 5,
                        .are_own = true};
static families theirs; /* whatever models of both towers lie in the reference data */

static double tolerance_of(const char *name)
{
    static const char *const convolutions[] = {"mobileclip", "convnext"};
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++)
        if (strncmp(name, convolutions[i], strlen(convolutions[i])) == 0)
            return 2e-5;
    return 5e-6;
}

static bool has_both_towers(const char *folder, const char *name)
{
    char path[900];
    wi_tensors *inputs = NULL;
    wi_tensor t;
    snprintf(path, sizeof path, "%s/%s/inputs.safetensors", folder, name);
    const bool both = wi_tensors_open(path, &inputs, NULL) == WI_OK &&
                      wi_tensors_get(inputs, "input_ids", &t, NULL) == WI_OK;
    wi_tensors_close(&inputs);
    return both;
}

static int find_theirs(void **state)
{
    (void)state;
    char folder[600];
    DIR *dir = golden_folder("families", folder, sizeof folder) ? opendir(folder) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir)) && theirs.n < MAX_FAMILIES;)
        if (strlen(entry->d_name) < sizeof theirs.list->name &&
            has_both_towers(folder, entry->d_name)) {
            family *f = &theirs.list[theirs.n++];
            memcpy(f->name, entry->d_name, strlen(entry->d_name) + 1);
            f->tolerance = tolerance_of(f->name);
        }
    if (dir)
        closedir(dir);
    return 0;
}

static void check_logits(const wi_model_info *info, const wi_tensors *expected, const float *image,
                         const float *text, double most)
{
    const size_t d = info->embedding_dim;
    float logits[N_IMAGES * N_TEXTS];
    for (size_t i = 0; i < N_IMAGES; i++)
        for (size_t j = 0; j < N_TEXTS; j++) {
            double dot = 0.0;
            for (size_t k = 0; k < d; k++)
                dot += (double)image[i * d + k] * text[j * d + k];
            logits[i * N_TEXTS + j] = (float)(info->logit_scale * dot + info->logit_bias);
        }
    const double l = expected_worst(logits, expected_tensor(expected, "logits_per_image").data,
                                    N_IMAGES * N_TEXTS);
    print_message(", logits %.2g\n", l);
    assert_true(l <= most);
}

/* Tokens as the original pads them. */
static void check_tokens(const wi_model *model, const wi_model_info *info, const wi_tensors *inputs)
{
    const wi_tensor expected = expected_tensor(inputs, "input_ids");
    int32_t *ids = calloc(info->context_length, sizeof *ids);
    assert_non_null(ids);
    assert_int_equal(expected.rank, 2);
    const size_t length = (size_t)expected.shape[1];
    assert_true(length <= info->context_length);
    for (size_t i = 0; i < N_TEXTS; i++) {
        assert_int_equal(
            wi_model_tokenize(model, texts[i], strlen(texts[i]), ids, NULL, NULL, NULL), WI_OK);
        if (memcmp(ids, (const int32_t *)expected.data + i * length, length * sizeof *ids) != 0)
            fail_msg("tokens of '%s' differ", texts[i]);
    }
    free(ids);
}

/* tolerance NAN: only the direction is compared, to 0.995, as promised of int8. */
static void check_model(wi_engine *engine, const char *path, const char *folder, double tolerance)
{
    char file[800];
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
    snprintf(file, sizeof file, "%s/inputs.safetensors", folder);
    assert_int_equal(wi_tensors_open(file, &inputs, &error), WI_OK);
    const uint8_t *pixels = expected_tensor(inputs, "pixels_u8").data;
    const size_t d = info.embedding_dim;
    float *image = calloc(N_IMAGES * d, sizeof *image), *text = calloc(N_TEXTS * d, sizeof *text);
    check_tokens(model, &info, inputs);
    const wi_session_options options = {.max_images = 4};
    assert_int_equal(wi_session_open(model, &options, &session, &error), WI_OK);
    if (wi_session_encode_images(session, pixels, N_IMAGES, image, &error) != WI_OK ||
        wi_session_encode_texts(session, texts, N_TEXTS, text, NULL, NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_normalise(image, N_IMAGES, d);
    wi_normalise(text, N_TEXTS, d);
    const void *their_image = expected_tensor(expected, "image_embeds_norm").data,
               *their_text = expected_tensor(expected, "text_embeds_norm").data;
    const double i = expected_worst(image, their_image, N_IMAGES * d),
                 t = expected_worst(text, their_text, N_TEXTS * d);
    const double ci = expected_cosine(image, their_image, N_IMAGES, d),
                 ct = expected_cosine(text, their_text, N_TEXTS, d);
    print_message("%s: image %.2g (cosine 1-%.2g), text %.2g (cosine 1-%.2g)",
                  strrchr(folder, '/') + 1, i, 1 - ci, t, 1 - ct);
    if (isnan(tolerance)) {
        print_message("\n");
        assert_true(ci >= 0.995 && ct >= 0.995);
    } else {
        if (!(i <= tolerance) || !(t <= tolerance))
            expected_diverging(model, folder, pixels, texts[0], image);
        assert_true(i <= tolerance && t <= tolerance);
        check_logits(&info, expected, image, text, 1e-3);
    }
    free(image);
    free(text);
    wi_session_close(&session);
    wi_tensors_close(&inputs);
    wi_tensors_close(&expected);
    wi_model_close(&model);
}

static bool find_family(const families *all, size_t i, char folder[600])
{
    char name[128], path[700];
    snprintf(name, sizeof name, "families/%s", all->list[i].name);
    if (all->are_own)
        snprintf(folder, 600, "%s/tests/model/data/%s", WHATSIT_SOURCE_DIR, name);
    else if (!golden_folder(name, folder, 600))
        return false;
    snprintf(path, sizeof path, "%s/expected.json", folder);
    expected_texts(path, texts);
    return true;
}

static void on_every_isa(void **state)
{
    static const char *const isas[] = {"scalar", "avx2", "avx512", "avx512vnni", "neon", "dotprod"};
    const families *all = *state;
    char folder[600];
    if (!all->n)
        skip();
    for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
        wi_engine *engine = NULL;
        const wi_engine_options options = {.n_threads = 2, .isa = isas[k]};
        if (wi_engine_open(&options, &engine, NULL) != WI_OK)
            continue;
        print_message("--- %s\n", isas[k]);
        for (size_t i = 0; i < all->n; i++) {
            if (!find_family(all, i, folder))
                skip();
            check_model(engine, folder, folder, all->list[i].tolerance);
        }
        wi_engine_close(&engine);
    }
}

static void check_converted(const families *all, const char *file)
{
    static const struct {
        wi_weights weights;
        const char *name;
    } types[] = {{WI_WEIGHTS_AUTO, "lossless"}, {WI_WEIGHTS_INT8, "int8"}};
    char folder[600];
    wi_engine *engine = NULL;
    if (!all->n)
        skip();
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < all->n; i++) {
            wi_error error = {0};
            const wi_convert_options options = {.weights = types[t].weights};
            if (!find_family(all, i, folder))
                skip();
            if (wi_model_convert(engine, folder, file, &options, &error) != WI_OK)
                fail_msg("%s", error.message);
            print_message("%s ", types[t].name);
            check_model(engine, file, folder, t ? NAN : all->list[i].tolerance);
        }
    wi_engine_close(&engine);
}

static void ours_converted(void **state)
{
    (void)state;
    check_converted(&ours, scratch_path("converted.gguf"));
}

static void theirs_converted(void **state)
{
    (void)state;
    check_converted(&theirs, scratch_path("converted.gguf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(on_every_isa, &ours),
        cmocka_unit_test_prestate(on_every_isa, &theirs),
        cmocka_unit_test_setup_teardown(ours_converted, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(theirs_converted, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, find_theirs, NULL);
}
