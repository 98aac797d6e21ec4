/* A tower kind of one's own: the first half of this file is all that it takes, with a line in the
 * table of kinds. The table here replaces the library's. */
#include "base/mem.h"
#include "model/session.h"
#include "nn/pixels.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

/* --- the kind: means of a grid of squares, and one matrix --- */

typedef struct mean_params {
    uint32_t image_px, grid;
} mean_params;

typedef struct mean_tower {
    mean_params params;
    uint32_t embedding_dim;
    float mean[3], std[3];
    wi_mat hidden, projection;
} mean_tower;

typedef struct mean_memory {
    float *means, *hidden, *projected, *values;
} mean_memory;

enum { HIDDEN = 32 };

static const wi_field mean_fields[] = {
    WI_U32("whatsit.image.size_px", mean_params, image_px, WI_MAX_IMAGE_PX, WI_FIELD_REQUIRED, 0),
    WI_U32("whatsit.image.grid", mean_params, grid, 64, 0, 2),
    {NULL, WI_FIELD_U32, 0, 0, 0, 0, 0}};

static wi_status mean_check(const void *values, wi_error *error)
{
    (void)error;
    const mean_params *p = values;
    return p->image_px && p->grid && p->image_px % p->grid == 0 ? WI_OK : WI_ERR_FORMAT;
}

static void mean_describe(const void *values, wi_tower_facts *out)
{
    const mean_params *p = values;
    *out = (wi_tower_facts){.image_px = p->image_px, .activation = "relu"};
}

static size_t mean_bytes(const void *values)
{
    (void)values;
    return sizeof(mean_tower);
}

static void mean_open(const void *values, const wi_tower_setting *setting, void *tower)
{
    mean_tower *t = tower;
    t->params = *(const mean_params *)values;
    t->embedding_dim = setting->embedding_dim;
    memcpy(t->mean, setting->mean, sizeof t->mean);
    memcpy(t->std, setting->std, sizeof t->std);
}

static uint32_t n_means(const mean_tower *t)
{
    return 3 * t->params.grid * t->params.grid;
}

static void mean_walk(void *tower, wi_walker *w)
{
    mean_tower *t = tower;
    wi_walk_linear(w, "v.", "hidden", &t->hidden, HIDDEN, n_means(t), true);
    wi_walk_projection(w, "v.", "proj", &t->projection, t->embedding_dim, HIDDEN, false);
}

static uint64_t mean_macs(const void *tower)
{
    const mean_tower *t = tower;
    return (uint64_t)HIDDEN * (n_means(t) + t->embedding_dim);
}

static void mean_need(const void *tower, size_t max, wi_run_need *need)
{
    const mean_tower *t = tower;
    wi_need_mat(need, &t->hidden, max);
    wi_need_mat(need, &t->projection, max);
}

static void mean_take(const void *tower, size_t max, size_t n_threads, void *memory,
                      wi_arena *arena)
{
    const mean_tower *t = tower;
    mean_memory *m = memory;
    (void)n_threads;
    m->means = wi_arena_take(arena, max, wi_ld(n_means(t)) * sizeof(float));
    m->hidden = wi_arena_take(arena, max, wi_ld(HIDDEN) * sizeof(float));
    m->projected = wi_arena_take(arena, max, wi_ld(t->embedding_dim) * sizeof(float));
    m->values = wi_arena_take(arena, 3 * 256, sizeof(float));
}

static void mean_prepare(const void *tower, void *memory)
{
    const mean_tower *t = tower;
    wi_pixel_values(t->mean, t->std, ((mean_memory *)memory)->values);
}

static void mean_of_square(const mean_tower *t, const float *values, const uint8_t *pixels,
                           uint32_t square, float out[3])
{
    const uint32_t px = t->params.image_px, side = px / t->params.grid;
    const uint32_t y0 = square / t->params.grid * side, x0 = square % t->params.grid * side;
    for (uint32_t c = 0; c < 3; c++) {
        out[c] = 0;
        for (uint32_t i = 0; i < side * side; i++) {
            const size_t at = (size_t)(y0 + i / side) * px + x0 + i % side;
            out[c] += values[c * 256 + pixels[3 * at + c]] / (float)(side * side);
        }
    }
}

static void mean_images(const void *tower, wi_run *run, void *memory, const uint8_t *pixels,
                        size_t n, float *out)
{
    const mean_tower *t = tower;
    mean_memory *m = memory;
    const size_t ld = wi_ld(n_means(t)), ld_out = wi_ld(t->embedding_dim),
                 area = (size_t)t->params.image_px * t->params.image_px;
    for (size_t b = 0; b < n; b++)
        for (uint32_t s = 0; s < n_means(t) / 3; s++)
            mean_of_square(t, m->values, pixels + b * 3 * area, s,
                           m->means + b * ld + (size_t)3 * s);
    wi_input in = wi_prepare(run, &t->hidden, n, m->means, ld);
    wi_linear(run, &t->hidden, n, &in, m->hidden, wi_ld(HIDDEN), (wi_epilogue){.act = WI_RELU});
    in = wi_prepare(run, &t->projection, n, m->hidden, wi_ld(HIDDEN));
    wi_linear(run, &t->projection, n, &in, m->projected, ld_out, (wi_epilogue){0});
    for (size_t b = 0; b < n; b++)
        memcpy(out + b * t->embedding_dim, m->projected + b * ld_out,
               t->embedding_dim * sizeof *out);
}

static const wi_tower_kind mean_kind = {.name = "means",
                                        .role = WI_ROLE_IMAGE,
                                        .fields = mean_fields,
                                        .values_bytes = sizeof(mean_params),
                                        .check = mean_check,
                                        .describe = mean_describe,
                                        .bytes = mean_bytes,
                                        .open = mean_open,
                                        .walk = mean_walk,
                                        .macs = mean_macs,
                                        .memory_bytes = sizeof(mean_memory),
                                        .need = mean_need,
                                        .take = mean_take,
                                        .prepare = mean_prepare,
                                        .images = mean_images};

extern const wi_tower_kind wi_text_kind;
const wi_tower_kind *const wi_tower_kinds[] = {&mean_kind, &wi_text_kind, NULL};

/* --- what the library does with it --- */

enum { PX = 16, GRID = 4, DIM = 24 };

static wi_engine *engine;

static float weight(size_t row, size_t col)
{
    return (float)((int)(row * 7 + col * 5) % 17 - 8) / 8.0f;
}

static wi_status fill_part(void *context, const wi_part *part, wi_error *error)
{
    wi_owned *owned = context;
    const size_t panels = (part->n + WI_PANEL - 1) / WI_PANEL;
    float *w = wi_own(owned, panels * WI_PANEL * part->k, sizeof *w, error);
    float *b = wi_own(owned, panels * WI_PANEL, sizeof *b, error);
    assert_true(w && b);
    memset(w, 0, panels * WI_PANEL * part->k * sizeof *w);
    for (size_t r = 0; r < panels * WI_PANEL; r++) {
        b[r] = r < part->n ? 0.25f : 0;
        for (size_t i = 0; i < part->k && r < part->n; i++)
            w[(r / WI_PANEL * part->k + i) * WI_PANEL + r % WI_PANEL] = weight(r, i);
    }
    *part->mat = (wi_mat){.type = WI_MAT_F32,
                          .n = part->n,
                          .k = part->k,
                          .panels = w,
                          .bias = part->has_bias ? b : NULL};
    return WI_OK;
}

static const char *write_model(void)
{
    wi_error error = {0};
    wi_model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    model->engine = engine;
    model->name = strdup("means");
    model->licence = strdup("");
    model->source = strdup("");
    model->params = wi_params_default();
    model->params.embedding_dim = DIM;
    model->params.logit_scale = 100;
    model->params.preprocess = (wi_preprocess){.size_px = PX, .std = {1, 1, 1}};
    wi_tower_params_set(&model->params.tower[WI_ROLE_IMAGE], &mean_kind, &(mean_params){PX, GRID});
    assert_int_equal(wi_params_check(&model->params, &error), WI_OK);
    assert_int_equal(wi_net_open(&model->params, &model->net, &error), WI_OK);
    assert_int_equal(wi_net_walk(&model->net, fill_part, &model->owned, &error), WI_OK);
    const char *path = scratch_path("means.gguf");
    if (wi_mdl_write(model, path, NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_mdl_close(&model);
    return path;
}

static void expected(const uint8_t *pixels, double out[DIM])
{
    double means[3 * GRID * GRID] = {0}, hidden[HIDDEN];
    for (size_t y = 0; y < PX; y++)
        for (size_t x = 0; x < PX; x++)
            for (size_t c = 0; c < 3; c++)
                means[(y / 4 * GRID + x / 4) * 3 + c] += pixels[(y * PX + x) * 3 + c] / 255.0 / 16;
    for (size_t r = 0; r < HIDDEN; r++) {
        hidden[r] = 0.25;
        for (size_t i = 0; i < 3 * GRID * GRID; i++)
            hidden[r] += (double)weight(r, i) * means[i];
        hidden[r] = fmax(hidden[r], 0);
    }
    for (size_t r = 0; r < DIM; r++) {
        out[r] = 0;
        for (size_t i = 0; i < HIDDEN; i++)
            out[r] += (double)weight(r, i) * hidden[i];
    }
}

static void expect_embedding(const char *path, double tolerance)
{
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_error error = {0};
    uint8_t pixels[2 * PX * PX * 3];
    float got[2 * DIM];
    double want[DIM];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 11);
    if (wi_model_open(engine, path, NULL, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(wi_session_open(model, NULL, &session, &error), WI_OK);
    assert_int_equal(wi_session_encode_images(session, pixels, 2, got, &error), WI_OK);
    for (size_t b = 0; b < 2; b++) {
        double norm = 0;
        expected(pixels + b * PX * PX * 3, want);
        for (size_t j = 0; j < DIM; j++)
            norm += want[j] * want[j];
        for (size_t j = 0; j < DIM; j++)
            if (!(fabs((double)got[b * DIM + j] - want[j]) <= tolerance * sqrt(norm)))
                fail_msg("%s: picture %zu, number %zu: %g, not %g", path, b, j,
                         (double)got[b * DIM + j], want[j]);
    }
    uint32_t side = 0;
    assert_int_equal(wi_explain_grid(session, &side, &error), WI_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "means cannot be looked into"));
    wi_session_close(&session);
    assert_int_equal(wi_model_verify(model, NULL, &error), WI_OK);
    wi_model_close(&model);
}

static void one_file_and_one_line(void **state)
{
    (void)state;
    wi_error error = {0};
    wi_model_info info;
    wi_model *model = NULL;
    assert_int_equal(wi_engine_open(NULL, &engine, &error), WI_OK);
    char path[300], small[300];
    snprintf(path, sizeof path, "%s", write_model());
    expect_embedding(path, 1e-5);
    assert_int_equal(wi_model_open(engine, path, NULL, &model, &error), WI_OK);
    assert_int_equal(wi_model_get_info(model, &info, &error), WI_OK);
    assert_string_equal(info.image.kind, "means");
    assert_int_equal(info.image.n_parameters, HIDDEN * (3 * GRID * GRID + 1) + DIM * HIDDEN);
    assert_int_equal(info.image.macs, HIDDEN * (3 * GRID * GRID + DIM));
    assert_false(info.text.present);
    wi_model_close(&model);
    /* The converter finds outliers by running it, and makes it smaller by its walk. */
    snprintf(small, sizeof small, "%s", scratch_path("small.gguf"));
    const wi_convert_options options = {.weights = WI_WEIGHTS_INT8};
    if (wi_model_convert(engine, path, small, &options, &error) != WI_OK)
        fail_msg("%s", error.message);
    expect_embedding(small, 0.1);
    wi_engine_close(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_file_and_one_line, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
