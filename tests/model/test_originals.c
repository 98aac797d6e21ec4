/* Small models of every family and option, in data/originals, against what the originals make of
 * them; then once more through a model file of ours. data/make_originals.py makes them. */
#include "checkpoint/checkpoint.h"
#include "model/explain.h"
#include "model/session.h"
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

enum { MAX_DIM = 1024, MAX_ROWS = 16, MAX_TOKENS_IN_ALL = 2048 };

static wi_engine *engine;
static double worst_of_all;

static int open_engine(void **state)
{
    (void)state;
    return scratch_setup(state) || wi_engine_open(NULL, &engine, NULL) != WI_OK;
}

static int close_engine(void **state)
{
    wi_engine_close(&engine);
    return scratch_teardown(state);
}

typedef struct embeddings {
    float image[MAX_ROWS * MAX_DIM], text[MAX_ROWS * MAX_DIM];
    size_t n_images, n_texts, dim;
} embeddings;

static wi_model *must_open(const char *path)
{
    wi_model *model = NULL;
    wi_error error = {0};
    const wi_model_options options = {0};
    if (wi_mdl_open(engine, path, &options, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    return model;
}

/* With ids as they stand in the file, so that no tokenizer is needed. */
static void encode_ids(const wi_session *s, const golden_tensors *file, embeddings *out)
{
    const wi_tower *tower = &s->model->net.tower[WI_ROLE_TEXT];
    size_t n_bytes = 0;
    const int32_t *ids = (const void *)golden_tensor(file, "input_ids", &n_bytes);
    const size_t context = wi_params_context(&s->model->params);
    static int32_t copy[MAX_TOKENS_IN_ALL];
    assert_true(ids && n_bytes / 4 <= MAX_TOKENS_IN_ALL && n_bytes / 4 % context == 0);
    memcpy(copy, ids, n_bytes);
    out->n_texts = n_bytes / 4 / context;
    for (size_t i = 0; i < out->n_texts; i++) {
        size_t n = context;
        while (n > 1 && copy[i * context + n - 1] == 0)
            n--;
        const wi_prompt prompt = {copy + i * context,
                                  tower->kind->used(tower->self, copy + i * context, n)};
        wi_run run = s->run;
        assert_int_equal(tower->kind->texts(tower->self, &run, s->memory[WI_ROLE_TEXT], &prompt, 1,
                                            out->text + i * out->dim),
                         1);
    }
}

static void encode(const wi_model *model, const golden_tensors *file, embeddings *out)
{
    wi_session *s = NULL;
    wi_error error = {0};
    size_t n_bytes = 0;
    const size_t px = wi_params_image_px(&model->params);
    const uint8_t *pixels = golden_tensor(file, "pixels", &n_bytes);
    *out = (embeddings){.dim = model->params.embedding_dim};
    assert_true(out->dim <= MAX_DIM);
    if (wi_ses_open(model, WI_TOWERS_BOTH, &(wi_session_options){.max_images = 4}, &s, &error) !=
        WI_OK)
        fail_msg("%s", error.message);
    if (model->net.tower[WI_ROLE_IMAGE].kind) {
        assert_non_null(pixels);
        out->n_images = n_bytes / (3 * px * px);
        assert_true(out->n_images && out->n_images <= MAX_ROWS);
        assert_int_equal(wi_ses_images(s, pixels, out->n_images, out->image, &error), WI_OK);
    }
    if (model->net.tower[WI_ROLE_TEXT].kind)
        encode_ids(s, file, out);
    wi_ses_close(&s);
}

static void compare(const char *name, const char *what, const golden_tensors *file,
                    const float *got, size_t n, size_t dim)
{
    size_t n_bytes = 0;
    const uint8_t *expected = golden_tensor(file, what, &n_bytes);
    if (!n)
        return;
    assert_non_null(expected);
    assert_true(n_bytes >= n * dim * sizeof(float)); /* regions: of more pictures */
    for (size_t i = 0; i < n; i++) {
        double norm = 0, worst = 0;
        for (size_t j = 0; j < dim; j++) {
            float x;
            memcpy(&x, expected + (i * dim + j) * sizeof x, sizeof x);
            norm += (double)x * (double)x;
            worst = fmax(worst, fabs((double)x - (double)got[i * dim + j]));
        }
        worst_of_all = fmax(worst_of_all, worst / sqrt(norm));
        if (!(worst <= 1e-5 * sqrt(norm)))
            fail_msg("%s: %s %zu is off by %g of its length", name, what, i, worst / sqrt(norm));
    }
}

static void check_shares(const char *name, const wi_unit *units, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(units[i].share <= 1.0f) || (i && units[i].share > units[i - 1].share))
            fail_msg("%s: share %zu is %g", name, i, (double)units[i].share);
    assert_true(units[0].share > 0);
}

/* Each place's own embedding, where the original's stands in the file; what the units add, where
 * they have it in them; and a session that is as it was before. */
static void look_inside(const char *name, const wi_model *model, const golden_tensors *file)
{
    enum { MAX_UNITS = 4096, MAX_PLACES = 256 };
    static float got[MAX_PLACES * MAX_DIM], before[MAX_DIM], after[MAX_DIM];
    static wi_unit units[MAX_UNITS];
    wi_session *s = NULL;
    size_t n_bytes = 0, n = 0;
    uint32_t side = 0;
    const uint8_t *pixels = golden_tensor(file, "pixels", &n_bytes);
    if (!model->net.tower[WI_ROLE_IMAGE].kind)
        return;
    assert_int_equal(wi_ses_open(model, WI_TOWER_IMAGE, &(wi_session_options){0}, &s, NULL), WI_OK);
    if (!model->net.tower[WI_ROLE_IMAGE].kind->explain) { /* CoCa's: by occlusion alone */
        assert_int_equal(wi_ses_grid(s, &side, NULL), WI_ERR_UNSUPPORTED);
        wi_ses_close(&s);
        return;
    }
    assert_int_equal(wi_ses_grid(s, &side, NULL), WI_OK);
    assert_true(side && side * side <= MAX_PLACES);
    assert_int_equal(wi_ses_images(s, pixels, 1, before, NULL), WI_OK);
    assert_int_equal(wi_ses_regions(s, pixels, got, NULL), WI_OK);
    if (golden_tensor(file, "regions", &n_bytes))
        compare(name, "regions", file, got, 1, (size_t)side * side * model->params.embedding_dim);
    assert_int_equal(wi_ses_units(s, pixels, MAX_UNITS, units, NULL, &n, NULL), WI_OK);
    check_shares(name, units, n);
    assert_int_equal(wi_ses_images(s, pixels, 1, after, NULL), WI_OK);
    assert_memory_equal(before, after, model->params.embedding_dim * sizeof *before);
    wi_ses_close(&s);
}

static void one_original(const char *name)
{
    static embeddings folder, converted;
    char path[600];
    golden_tensors file;
    wi_error error = {0};
    snprintf(path, sizeof path, "%s/tests/model/data/originals/%s/expected.safetensors",
             WHATSIT_SOURCE_DIR, name);
    golden_open(path, &file);
    *strrchr(path, '/') = '\0';
    wi_model *model = must_open(path);
    encode(model, &file, &folder);
    compare(name, "image_embeds", &file, folder.image, folder.n_images, folder.dim);
    compare(name, "text_embeds", &file, folder.text, folder.n_texts, folder.dim);
    look_inside(name, model, &file);
    if (wi_mdl_write(model, scratch_path("model.gguf"), NULL, &error) != WI_OK)
        fail_msg("%s: %s", name, error.message);
    wi_model *again = must_open(scratch_path("model.gguf"));
    encode(again, &file, &converted);
    assert_memory_equal(&folder, &converted, sizeof folder);
    assert_int_equal(again->params.preprocess.fill, model->params.preprocess.fill);
    assert_int_equal(wi_model_verify(again, NULL, &error), WI_OK);
    wi_mdl_close(&again);
    wi_mdl_close(&model);
    golden_close(&file);
}

static void all_originals(void **state)
{
    (void)state;
    char folder[600];
    size_t n = 0;
    snprintf(folder, sizeof folder, "%s/tests/model/data/originals", WHATSIT_SOURCE_DIR);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            one_original(entry->d_name);
            n++;
        }
    closedir(dir);
    print_message("%zu originals, at most %.1e of an embedding's length away\n", n, worst_of_all);
    assert_true(n >= 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_originals, open_engine, close_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
