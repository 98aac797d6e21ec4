/* Networks of inverted residual blocks against a plain forward pass in double precision that is written
 * from the definition, on small random checkpoints under the published names. */
#include "checkpoint/source.h"
#include "model/mbconv_make.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

enum { N = 3 };

static const mbconv_plan plans[] = {
    /* Odd and even sides, residuals, widths that are no whole panels, all three kernels. */
    {37,
     24,
     6,
     {{8, 1, 3, 1}, {12, 6, 5, 2}, {12, 6, 5, 1}, {20, 3, 7, 2}, {20, 3, 7, 1}, {28, 2, 3, 1}},
     "softmax",
     true,
     3},
    {64, 32, 4, {{16, 1, 3, 1}, {24, 6, 3, 2}, {24, 6, 3, 1}, {40, 6, 5, 2}}, "gelu", true, 0},
    {32, 16, 3, {{16, 1, 5, 2}, {16, 4, 3, 1}, {16, 4, 3, 1}}, NULL, false, 0},
    {48, 24, 3, {{16, 1, 3, 1}, {20, 4, 3, 2}, {20, 4, 3, 1}}, NULL, true, 17},
};
enum { N_PLANS = sizeof plans / sizeof *plans };

/* --- the definition --- */

typedef struct map {
    double *x; /* [channels, side, side] */
    uint32_t channels, side;
} map;

/* A convolution with its batch norm; groups: 1, or the channels. */
static map convolve(const mbconv_tensors *t, const char *conv, const char *norm, const map *in,
                    uint32_t out, uint32_t size, uint32_t stride, bool depthwise, bool relu6)
{
    const float *w = mbconv_find(t, "%s.weight", conv), *gamma = mbconv_find(t, "%s.weight", norm);
    const float *beta = mbconv_find(t, "%s.bias", norm),
                *mean = mbconv_find(t, "%s.running_mean", norm);
    const float *var = mbconv_find(t, "%s.running_var", norm);
    assert_non_null(w);
    const uint32_t side = (in->side + stride - 1) / stride, each = depthwise ? 1 : in->channels;
    const int total = (int)((side - 1) * stride + size) - (int)in->side;
    const int pad = total > 0 ? total / 2 : 0;
    map m = {malloc(sizeof(double) * out * side * side), out, side};
    assert_non_null(m.x);
    for (uint32_t o = 0; o < out; o++)
        for (uint32_t y = 0; y < side; y++)
            for (uint32_t x = 0; x < side; x++) {
                double sum = 0;
                for (uint32_t c = 0; c < each; c++)
                    for (uint32_t ky = 0; ky < size; ky++)
                        for (uint32_t kx = 0; kx < size; kx++) {
                            const int sy = (int)(y * stride + ky) - pad,
                                      sx = (int)(x * stride + kx) - pad;
                            const uint32_t from = depthwise ? o : c;
                            if (sy < 0 || sx < 0 || sy >= (int)in->side || sx >= (int)in->side)
                                continue;
                            sum +=
                                (double)w[((o * each + c) * size + ky) * size + kx] *
                                in->x[(from * in->side + (uint32_t)sy) * in->side + (uint32_t)sx];
                        }
                sum = (sum - (double)mean[o]) / sqrt((double)var[o] + 1e-3) * (double)gamma[o] +
                      (double)beta[o];
                m.x[(o * side + y) * side + x] = relu6 ? fmin(fmax(sum, 0), 6) : sum;
            }
    return m;
}

static map run_block(const mbconv_tensors *t, const mbconv_plan *p, uint32_t i, map in)
{
    const char *prefix = p->projection ? "visual." : "";
    const uint32_t *b = p->block[i], hidden = in.channels * b[1];
    char conv[80], norm[80];
    map x = in;
    if (b[1] > 1) {
        snprintf(conv, sizeof conv, "%s_blocks.%u._expand_conv", prefix, i);
        snprintf(norm, sizeof norm, "%s_blocks.%u._bn0", prefix, i);
        x = convolve(t, conv, norm, &in, hidden, 1, 1, false, true);
    }
    snprintf(conv, sizeof conv, "%s_blocks.%u._depthwise_conv", prefix, i);
    snprintf(norm, sizeof norm, "%s_blocks.%u._bn1", prefix, i);
    map d = convolve(t, conv, norm, &x, hidden, b[2], b[3], true, true);
    snprintf(conv, sizeof conv, "%s_blocks.%u._project_conv", prefix, i);
    snprintf(norm, sizeof norm, "%s_blocks.%u._bn2", prefix, i);
    map out = convolve(t, conv, norm, &d, b[0], 1, 1, false, false);
    for (size_t k = 0; b[3] == 1 && in.channels == b[0] && k < (size_t)b[0] * out.side * out.side;
         k++)
        out.x[k] += in.x[k];
    if (x.x != in.x)
        free(x.x);
    free(d.x);
    free(in.x);
    return out;
}

static double act(const char *name, double x)
{
    return strcmp(name, "gelu") == 0 ? 0.5 * x * erfc(-x / sqrt(2)) : x;
}

static void project(const mbconv_tensors *t, const mbconv_plan *p, const double *f, double *out)
{
    double h[BRANCH], sum = 0;
    for (uint32_t o = 0; o < DIM; o++) {
        out[o] = (double)mbconv_find(t, "visual.projection.bias")[o];
        for (uint32_t c = 0; c < HEAD; c++)
            out[o] += (double)mbconv_find(t, "visual.projection.weight")[o * HEAD + c] * f[c];
    }
    for (uint32_t o = 0; p->branch && o < BRANCH; o++) {
        h[o] = (double)mbconv_find(t, "visual.branch.fc1.bias")[o];
        for (uint32_t c = 0; c < HEAD; c++)
            h[o] += (double)mbconv_find(t, "visual.branch.fc1.weight")[o * HEAD + c] * f[c];
        h[o] = strcmp(p->branch, "softmax") == 0 ? exp(h[o]) : act(p->branch, h[o]);
        sum += h[o];
    }
    for (uint32_t o = 0; p->branch && o < DIM; o++)
        for (uint32_t k = 0; k < BRANCH; k++)
            out[o] += (double)mbconv_find(t, "visual.branch.fc2.weight")[o * BRANCH + k] * h[k] /
                      (strcmp(p->branch, "softmax") == 0 ? sum : 1);
}

/* out += what each head sees: the mean of x, weighed by the softmax over places of q x + p. */
static void add_seen(const mbconv_tensors *t, const mbconv_plan *p, const map *x, double *out)
{
    const uint32_t places = x->side * x->side, channels = x->channels, heads = p->look_heads;
    const float *query = mbconv_find(t, "visual.look.query.weight"),
                *at = mbconv_find(t, "visual.look.place");
    const float *o = mbconv_find(t, "visual.look.out.weight");
    for (uint32_t h = 0; h < heads; h++) {
        double weight[32 * 32], all = 0;
        assert_true(places <= 32 * 32);
        for (uint32_t i = 0; i < places; i++) {
            weight[i] = (double)at[h * places + i];
            for (uint32_t c = 0; c < channels; c++)
                weight[i] += (double)query[h * channels + c] * x->x[c * places + i];
            all += weight[i] = exp(weight[i]);
        }
        for (uint32_t c = 0; c < channels; c++) {
            double seen = 0;
            for (uint32_t i = 0; i < places; i++)
                seen += weight[i] / all * x->x[c * places + i];
            for (uint32_t k = 0; k < DIM; k++)
                out[k] += (double)o[(k * heads + h) * channels + c] * seen;
        }
    }
}

static void plain_forward(const mbconv_tensors *t, const mbconv_plan *p, const uint8_t *pixels,
                          double *out)
{
    const char *prefix = p->projection ? "visual." : "";
    char conv[80], norm[80];
    const uint32_t px = p->image_px;
    map x = {malloc(sizeof(double) * 3 * px * px), 3, px};
    assert_non_null(x.x);
    for (size_t i = 0; i < (size_t)px * px; i++)
        for (size_t c = 0; c < 3; c++)
            x.x[c * px * px + i] = ((double)pixels[3 * i + c] - 127) / 128;
    snprintf(conv, sizeof conv, "%s_conv_stem", prefix);
    snprintf(norm, sizeof norm, "%s_bn0", prefix);
    map y = convolve(t, conv, norm, &x, p->stem, 3, 2, false, true);
    free(x.x);
    for (uint32_t i = 0; i < p->n_blocks; i++)
        y = run_block(t, p, i, y);
    snprintf(conv, sizeof conv, "%s_conv_head", prefix);
    snprintf(norm, sizeof norm, "%s_bn1", prefix);
    map h = convolve(t, conv, norm, &y, HEAD, 1, 1, false, true);
    double f[HEAD];
    for (uint32_t c = 0; c < HEAD; c++) {
        f[c] = 0;
        for (uint32_t i = 0; i < h.side * h.side; i++)
            f[c] += h.x[c * h.side * h.side + i] / (h.side * h.side);
    }
    if (p->projection)
        project(t, p, f, out);
    else
        memcpy(out, f, sizeof f);
    if (p->look_heads)
        add_seen(t, p, &y, out);
    free(y.x);
    free(h.x);
}

/* --- tests --- */

static size_t dim_of(const mbconv_plan *p)
{
    return p->projection ? DIM : HEAD;
}

/* out[N, dim] with this many threads and this ISA, batch pictures at a time. */
static void encode(const char *path, const mbconv_plan *p, const uint8_t *pixels, int n_threads,
                   const char *isa, size_t batch, float *out)
{
    const wi_engine_options options = {.n_threads = n_threads, .isa = isa};
    const wi_session_options memory = {.max_images = (uint32_t)batch};
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_error error = {0};
    const size_t bytes = 3 * (size_t)p->image_px * p->image_px;
    assert_int_equal(wi_engine_open(&options, &engine, &error), WI_OK);
    if (wi_model_open(engine, path, NULL, &model, &error) != WI_OK ||
        wi_session_open(model, &memory, &session, &error) != WI_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < N; i += batch)
        assert_int_equal(wi_session_encode_images(session, pixels + i * bytes,
                                                  N - i < batch ? N - i : batch,
                                                  out + i * dim_of(p), &error),
                         WI_OK);
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static const char *convert(const char *folder, wi_weights weights)
{
    static char path[512];
    wi_engine *engine = NULL;
    wi_error error = {0};
    const wi_convert_options options = {.weights = weights, .name = "tiny"};
    snprintf(path, sizeof path, "%s", scratch_path("mbconv.gguf"));
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    if (wi_model_convert(engine, folder, path, &options, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_engine_close(&engine);
    return path;
}

/* The same numbers whatever the threads and batches; the same to the bit on every ISA in int8. */
static void check_ways(const char *path, const mbconv_plan *p, const uint8_t *pixels,
                       const float *want, bool every_isa)
{
    static const char *const isas[] = {NULL, "scalar", "avx2", "avx512", "neon"};
    float got[N * HEAD];
    const size_t n = N * dim_of(p) * sizeof *got;
    for (int threads = 1; threads <= 5; threads++)
        for (size_t batch = 1; batch <= N; batch += 2) {
            encode(path, p, pixels, threads, NULL, batch, got);
            assert_memory_equal(got, want, n);
        }
    for (size_t i = 1; every_isa && i < sizeof isas / sizeof *isas; i++) {
        const wi_engine_options options = {.n_threads = 1, .isa = isas[i]};
        wi_engine *engine = NULL;
        if (wi_engine_open(&options, &engine, NULL) != WI_OK)
            continue;
        wi_engine_close(&engine);
        encode(path, p, pixels, 1, isas[i], 1, got);
        for (size_t k = 0; k < N * dim_of(p); k++)
            if (fabsf(got[k] - want[k]) > 2e-5f * (1 + fabsf(want[k])))
                fail_msg("%s: [%zu] is %g, elsewhere %g", isas[i], k, (double)got[k],
                         (double)want[k]);
    }
}

static void test_plan(const mbconv_plan *p)
{
    mbconv_tensors t;
    const size_t bytes = 3 * (size_t)p->image_px * p->image_px, dim = dim_of(p);
    uint8_t *pixels = malloc(N * bytes);
    float f32[N * HEAD], half[N * HEAD], s8[N * HEAD];
    assert_non_null(pixels);
    mbconv_make(p, &t);
    char folder[512];
    snprintf(folder, sizeof folder, "%s", mbconv_write(p, &t, NULL));
    for (uint32_t i = 0; i < N; i++)
        mbconv_paint(p, i + 1, pixels + i * bytes);
    encode(folder, p, pixels, 1, NULL, 1, f32);
    for (size_t i = 0; i < N; i++) {
        double want[HEAD], most = 0;
        plain_forward(&t, p, pixels + i * bytes, want);
        for (size_t k = 0; k < dim; k++)
            most = fmax(most, fabs(want[k]));
        for (size_t k = 0; k < dim; k++)
            if (!(fabs((double)f32[i * dim + k] - want[k]) <= 1e-5 * most + 1e-6))
                fail_msg("%u px, picture %zu: [%zu] is %.7g, should be %.7g", p->image_px, i, k,
                         (double)f32[i * dim + k], want[k]);
    }
    const char *path = convert(folder, WI_WEIGHTS_F32);
    check_ways(path, p, pixels, f32, true);
    encode(convert(folder, WI_WEIGHTS_F16), p, pixels, 2, NULL, 2, half);
    encode(convert(folder, WI_WEIGHTS_INT8), p, pixels, 1, NULL, 1, s8);
    check_ways(path, p, pixels, s8, true);
    for (size_t i = 0; i < N; i++) {
        assert_true(cosine(half + i * dim, f32 + i * dim, dim) > 0.99999);
        /* A softmax over places makes more of what rounding did to the last block. */
        if (!(cosine(s8 + i * dim, f32 + i * dim, dim) > (p->look_heads ? 0.993 : 0.995)))
            fail_msg("%u px, picture %zu: int8's cosine is %.4f", p->image_px, i,
                     cosine(s8 + i * dim, f32 + i * dim, dim));
    }
    free(pixels);
    mbconv_free(&t);
}

static void forward_is_the_definition(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PLANS; i++)
        test_plan(&plans[i]);
}

/* The published implementation's own results. */
static void reference_model(void **state)
{
    enum { PICTURES = 6, WIDTH = 1280 };
    char folder[600], path[700];
    wi_tensors *inputs = NULL, *expected = NULL;
    wi_tensor pixels, want;
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_error error = {0};
    (void)state;
    if (!golden_folder("families/efficientnet_lite_w035_f16", folder, sizeof folder))
        skip();
    snprintf(path, sizeof path, "%s/inputs.safetensors", folder);
    assert_int_equal(wi_tensors_open(path, &inputs, NULL), WI_OK);
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    assert_int_equal(wi_tensors_open(path, &expected, NULL), WI_OK);
    assert_int_equal(wi_tensors_get(inputs, "pixels_u8", &pixels, NULL), WI_OK);
    assert_int_equal(wi_tensors_get(expected, "image_embeds_norm", &want, NULL), WI_OK);
    assert_int_equal(want.n_bytes, PICTURES * WIDTH * sizeof(float));
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    if (wi_model_open(engine, folder, NULL, &model, &error) != WI_OK ||
        wi_session_open(model, NULL, &session, &error) != WI_OK)
        fail_msg("%s", error.message);
    static float got[PICTURES * WIDTH], truth[PICTURES * WIDTH];
    assert_int_equal(wi_session_encode_images(session, pixels.data, PICTURES, got, &error), WI_OK);
    wi_normalise(got, PICTURES, WIDTH);
    memcpy(truth, want.data, sizeof truth);
    for (size_t i = 0; i < PICTURES * WIDTH; i++)
        if (!(fabsf(got[i] - truth[i]) <= 2e-5f))
            fail_msg("[%zu] is %.7g, should be %.7g", i, (double)got[i], (double)truth[i]);
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
    wi_tensors_close(&inputs);
    wi_tensors_close(&expected);
}

static void expect_refusal(const char *folder, const char *words)
{
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_error error = {0};
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    assert_int_not_equal(wi_model_open(engine, folder, NULL, &model, &error), WI_OK);
    if (!strstr(error.message, words))
        fail_msg("'%s' does not say '%s'", error.message, words);
    wi_engine_close(&engine);
}

/* Nothing is guessed: what the weights cannot tell is asked for. */
static void what_is_not_known_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"{\"image_size\": 64}", "strides"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1]}", "'strides' has 3 numbers for 4 blocks"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1, 3]}", "other than 1 and 2"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"activation\": \"swish\"}", "swish"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"padding\": \"valid\"}", "valid"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"branch_activation\": \"tanh\"}",
         "tanh"},
        {"{\"strides\": [1, 2, 1, 2]}", "image size"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"interpolation\": \"box\"}", "box"},
        {"{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"resize_mode\": \"longest\"}",
         "longest"},
    };
    mbconv_tensors t;
    (void)state;
    mbconv_make(&plans[1], &t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(mbconv_write(&plans[1], &t, cases[i][0]), cases[i][1]);
    for (size_t i = 0; i < t.n; i++)
        if (strcmp(t.names[i], "visual._blocks.2._bn1.running_var") == 0)
            strcpy(t.names[i], "visual._blocks.2._se_reduce.weight");
    expect_refusal(mbconv_write(&plans[1], &t, NULL), "visual._blocks.2._bn1.running_var");
    mbconv_free(&t);
    const mbconv_plan adds = {32, 16, 2, {{16, 1, 3, 1}, {24, 4, 3, 2}}, NULL, true, 0};
    mbconv_make(&adds, &t);
    expect_refusal(mbconv_write(&adds, &t, NULL), "adds its input");
    mbconv_free(&t);
}

static void how_a_picture_is_resized_is_said(void **state)
{
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_model_info info;
    wi_error error = {0};
    mbconv_tensors t;
    (void)state;
    mbconv_make(&plans[1], &t);
    const char *folder = mbconv_write(
        &plans[1], &t,
        "{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"resize_mode\": \"halfway\"}");
    mbconv_free(&t);
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    if (wi_model_open(engine, folder, NULL, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(wi_model_get_info(model, &info, NULL), WI_OK);
    assert_int_equal(info.preprocess.mode, WI_RESIZE_HALFWAY);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

/* With merges of its own a tokenizer's last id is not CLIP's. */
static void where_a_text_ends_is_said(void **state)
{
    static const struct {
        uint32_t vocabulary, end;
        const char *text;
    } cases[] = {{516, 515, "{\"heads\": 2}"},
                 {49600, 49407, "{\"heads\": 2}"},
                 {49600, 49599, "{\"heads\": 2, \"end_token\": 49599}"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mbconv_tensors t;
        char config[200];
        wi_source *source = NULL;
        wi_error error = {0};
        mbconv_make(&plans[1], &t);
        mbconv_add_text(&t, cases[i].vocabulary);
        snprintf(config, sizeof config,
                 "{\"image_size\": 64, \"strides\": [1, 2, 1, 2], \"text\": %s}", cases[i].text);
        const char *folder = mbconv_write(&plans[1], &t, config);
        mbconv_free(&t);
        if (wi_source_open(folder, NULL, &source, &error) != WI_OK)
            fail_msg("%s", error.message);
        const wi_tower_facts text =
            wi_tower_facts_of(&wi_source_params(source)->tower[WI_ROLE_TEXT]);
        assert_int_equal(text.vocabulary_size, cases[i].vocabulary);
        assert_int_equal(text.end_token, cases[i].end);
        wi_source_close(&source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forward_is_the_definition, scratch_setup, scratch_teardown),
        cmocka_unit_test(reference_model),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_refused, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(how_a_picture_is_resized_is_said, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(where_a_text_ends_is_said, scratch_setup,
                                        scratch_teardown)};
    return cmocka_run_group_tests_name("mbconv", tests, NULL, NULL);
}
