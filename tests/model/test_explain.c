/* Explanations against float64 figures that a NumPy program computed (data/make_explained.py), and occlusion's
 * own laws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

#define DATA WHATSIT_SOURCE_DIR "/tests/model/data/"

enum { PX = 32, SIDE = 4, DIM = 40, N_UNITS = 8 };

typedef struct fixture {
    wi_engine *engine;
    wi_model *model;
    wi_session *session;
    wi_tensors *inputs, *expected;
    wi_head *head;
    wi_tensor pixels;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    wi_error error = {0};
    const wi_engine_options options = {.n_threads = 2};
    static const char *const labels[] = {"cat", "dog", "an x!"};
    const wi_head_recipe recipe = {.name = "x", .labels = labels, .n_labels = 3};
    if (!f || wi_engine_open(&options, &f->engine, &error) != WI_OK ||
        wi_model_open(f->engine, DATA "vit", NULL, &f->model, &error) != WI_OK ||
        wi_session_open(f->model, NULL, &f->session, &error) != WI_OK ||
        wi_tensors_open(DATA "vit_expected.safetensors", &f->inputs, &error) != WI_OK ||
        wi_tensors_open(DATA "vit_explained.safetensors", &f->expected, &error) != WI_OK ||
        wi_tensors_get(f->inputs, "pixels", &f->pixels, &error) != WI_OK ||
        wi_head_build(f->session, &recipe, &f->head, NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    wi_head_close(&f->head);
    wi_tensors_close(&f->inputs);
    wi_tensors_close(&f->expected);
    wi_session_close(&f->session);
    wi_model_close(&f->model);
    wi_engine_close(&f->engine);
    free(f);
    return 0;
}

static void read_expected(const fixture *f, const char *name, float *out, size_t n)
{
    wi_tensor tensor;
    assert_int_equal(wi_tensors_get(f->expected, name, &tensor, NULL), WI_OK);
    assert_int_equal(tensor.n_bytes, n * sizeof *out);
    memcpy(out, tensor.data, tensor.n_bytes);
}

static void assert_close(const char *what, const float *got, const float *want, size_t n,
                         double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("%s[%zu]: %.8g, expected %.8g", what, i, (double)got[i], (double)want[i]);
}

static void regions_are_the_equations(void **state)
{
    const fixture *f = *state;
    float got[SIDE * SIDE * DIM], want[SIDE * SIDE * DIM];
    uint32_t side = 0;
    assert_int_equal(wi_explain_grid(f->session, &side, NULL), WI_OK);
    assert_int_equal(side, SIDE);
    assert_int_equal(wi_explain_regions(f->session, f->pixels.data, got, NULL), WI_OK);
    read_expected(f, "regions", want, SIDE * SIDE * DIM);
    assert_close("regions", got, want, SIDE * SIDE * DIM, 2e-5);
}

static void units_are_the_equations(void **state)
{
    const fixture *f = *state;
    wi_unit units[N_UNITS];
    float got[N_UNITS * DIM], want[N_UNITS * DIM], table[N_UNITS * 4];
    size_t n = 0;
    assert_int_equal(wi_explain_units(f->session, f->pixels.data, N_UNITS, units, got, &n, NULL),
                     WI_OK);
    assert_int_equal(n, N_UNITS);
    read_expected(f, "units", table, N_UNITS * 4);
    read_expected(f, "directions", want, N_UNITS * DIM);
    for (size_t i = 0; i < N_UNITS; i++) {
        const float row[4] = {(float)units[i].layer, (float)units[i].index, units[i].activation,
                              units[i].share};
        assert_close("units", row, table + 4 * i, 4, 2e-5);
    }
    assert_close("directions", got, want, N_UNITS * DIM, 2e-5);
}

/* A look inside leaves nothing behind in the session. */
static void embeddings_stay_the_same(void **state)
{
    const fixture *f = *state;
    float before[DIM], after[DIM], regions[SIDE * SIDE * DIM];
    wi_unit unit;
    size_t n;
    assert_int_equal(wi_session_encode_images(f->session, f->pixels.data, 1, before, NULL), WI_OK);
    assert_int_equal(wi_explain_regions(f->session, f->pixels.data, regions, NULL), WI_OK);
    assert_int_equal(wi_explain_units(f->session, f->pixels.data, 1, &unit, NULL, &n, NULL), WI_OK);
    assert_int_equal(wi_session_encode_images(f->session, f->pixels.data, 1, after, NULL), WI_OK);
    assert_memory_equal(before, after, sizeof before);
}

/* One window over everything: every pixel has the fall from the whole picture to a plain one. */
static void occlusion_of_everything(void **state)
{
    const fixture *f = *state;
    const wi_occlusion all = {.window_px = PX};
    float heat[PX * PX], again[PX * PX], logit[3], embedding[DIM];
    uint8_t plain[PX * PX * 3];
    double lead[2];
    for (size_t i = 0; i < sizeof plain; i += 3)
        memcpy(plain + i, (const uint8_t[]){128, 102, 77}, 3); /* 0.5, 0.4, 0.3 of 255 */
    for (int k = 0; k < 2; k++) {
        const uint8_t *pixels = k ? plain : f->pixels.data;
        assert_int_equal(wi_session_encode_images(f->session, pixels, 1, embedding, NULL), WI_OK);
        assert_int_equal(wi_head_scores(f->head, embedding, DIM, NULL, NULL, logit, NULL), WI_OK);
        lead[k] = (double)logit[1] - log(exp((double)logit[0]) + exp((double)logit[2]));
    }
    assert_int_equal(wi_explain_occlusion(f->session, f->pixels.data, f->head, 1, &all, heat, NULL),
                     WI_OK);
    for (size_t i = 0; i < PX * PX; i++)
        assert_true(fabs((double)heat[i] - (lead[0] - lead[1])) < 1e-4);
    /* A plain picture in the colour of the windows has nothing to hide. */
    assert_int_equal(wi_explain_occlusion(f->session, plain, f->head, 1, NULL, again, NULL), WI_OK);
    for (size_t i = 0; i < PX * PX; i++)
        assert_true(fabs((double)again[i]) < 1e-6);
}

static void mistakes_are_said(void **state)
{
    const fixture *f = *state;
    const wi_occlusion large = {.window_px = PX + 1};
    float heat[PX * PX];
    wi_error error = {0};
    assert_int_equal(
        wi_explain_occlusion(f->session, f->pixels.data, f->head, 3, NULL, heat, &error),
        WI_ERR_ARG);
    assert_int_equal(
        wi_explain_occlusion(f->session, f->pixels.data, f->head, 0, &large, heat, &error),
        WI_ERR_ARG);
    assert_non_null(strstr(error.message, "window"));
    assert_int_equal(wi_explain_regions(NULL, f->pixels.data, heat, &error), WI_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_are_the_equations), cmocka_unit_test(units_are_the_equations),
        cmocka_unit_test(embeddings_stay_the_same),  cmocka_unit_test(occlusion_of_everything),
        cmocka_unit_test(mistakes_are_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
