/* Depthwise convolution, and the products that keep 7 bits for it. */
#include "suite.h"

#include "kern/ref/ref.h"

#include <math.h>
#include <string.h>

typedef struct layer {
    wi_depthwise d;
    size_t channels, taps, ld, ld_out;
    bool absent[WI_DEPTHWISE_MAX]; /* rows outside the picture */
} layer;

/* Widths around tiles and around what is interleaved at a time; the paddings of symmetric and of
 * TensorFlow's convolutions, and none. */
static layer random_layer(uint32_t round)
{
    static const uint32_t widths[] = {1,  2,  3,  4,  7,  8,  9,  14,  15,
                                      16, 17, 28, 63, 64, 65, 66, 113, 129};
    enum { N = sizeof widths / sizeof *widths };
    layer l = {0};
    wi_depthwise *d = &l.d;
    d->size = 1 + round % WI_DEPTHWISE_MAX;
    d->stride = 1 + case_random(2);
    d->width = widths[case_random(N)];
    d->pad_left = case_random(d->size);
    const uint32_t pad_right = case_random(d->size);
    const uint32_t padded = d->pad_left + d->width + pad_right;
    d->out_width = padded < d->size ? 1 : (padded - d->size) / d->stride + 1;
    d->n_panels = 1 + case_random(3);
    l.channels = d->n_panels * WI_PANEL;
    l.taps = d->size * wi_depthwise_pitch(d->size);
    l.ld = l.channels + case_random(3);
    l.ld_out = l.channels + case_random(3);
    const uint32_t above = case_random(d->size), below = case_random(d->size - above);
    for (uint32_t i = 0; i < d->size; i++)
        l.absent[i] = i < above || i >= d->size - below;
    case_name("%u x %u stride %u pad %u, %u to %u px, %zu channels, %u rows above, %u below",
              d->size, d->size, d->stride, d->pad_left, d->width, d->out_width, l.channels, above,
              below);
    return l;
}

/* Whether tap (kx, ky) of output x lies in the picture, and at which column. */
static bool inside(const layer *l, size_t x, size_t kx, size_t ky, size_t *column)
{
    const long at = (long)(x * l->d.stride + kx) - (long)l->d.pad_left;
    *column = (size_t)at;
    return at >= 0 && at < (long)l->d.width && !l->absent[ky];
}

static void f32_layer(const layer *l, wi_depthwise_f32_fn *depthwise, wi_act act, guard_side side)
{
    const wi_depthwise *d = &l->d;
    const float *rows[WI_DEPTHWISE_MAX];
    const size_t row_floats = (d->width - 1) * l->ld + l->channels;
    for (size_t ky = 0; ky < d->size; ky++) {
        float *row = l->absent[ky] ? NULL : guard_take(row_floats * sizeof *row, side);
        for (size_t x = 0; row && x < d->width; x++)
            case_fill(row + x * l->ld, l->channels);
        rows[ky] = row;
    }
    float *w = guard_take(l->channels * l->taps * sizeof *w, side);
    float *bias = guard_take(l->channels * sizeof *bias, side);
    const size_t n_out = (d->out_width - 1) * l->ld_out + l->channels;
    float *out = guard_take(n_out * sizeof *out, side);
    case_fill(w, l->channels * l->taps);
    case_fill(bias, l->channels);
    depthwise(d, rows, l->ld, w, bias, act, out, l->ld_out);
    for (size_t x = 0; x < d->out_width; x++)
        for (size_t c = 0; c < l->channels; c++) {
            double sum = bias[c], size = fabs(sum);
            for (size_t kx = 0; kx < d->size; kx++)
                for (size_t ky = 0, column; ky < d->size; ky++) {
                    const size_t at =
                        (c / WI_PANEL * l->taps + kx * wi_depthwise_pitch(d->size) + ky);
                    if (!inside(l, x, kx, ky, &column))
                        continue;
                    const double y = (double)rows[ky][column * l->ld + c] *
                                     (double)w[at * WI_PANEL + c % WI_PANEL];
                    sum += y;
                    size += fabs(y);
                }
            const double bound = (d->size * d->size + 3.0) * CASE_EPS * size * 1.2 + 1e-30;
            case_near("out", x * l->ld_out + c, (double)out[x * l->ld_out + c], case_act(act, sum),
                      bound + case_act_bound(act, sum));
        }
    guard_release_all();
}

static void f32_shapes(const char *isa, wi_depthwise_f32_fn *depthwise, guard_side side)
{
    (void)isa;
    for (uint32_t round = 0; round < 140; round++) {
        const layer l = random_layer(round);
        f32_layer(&l, depthwise, (wi_act)(round % (WI_RELU6 + 1)), side);
    }
}

void depthwise_f32_shapes(void **unused)
{
    (void)unused;
    CASE_EACH(depthwise_f32, f32_shapes);
}

/* What is infinite or no number stays in its own channel and its own neighbourhood: padding is left out,
 * not multiplied by zero. */
static void f32_odd_numbers(const char *isa, wi_depthwise_f32_fn *depthwise, guard_side side)
{
    enum { SIZE = 3, WIDTH = 11 };
    const wi_depthwise d = {SIZE, 1, 1, WIDTH, WIDTH, 1};
    float *row = guard_take(WIDTH * WI_PANEL * sizeof *row, side);
    float *w = guard_take(SIZE * 4 * WI_PANEL * sizeof *w, side);
    float *bias = guard_take(WI_PANEL * sizeof *bias, side);
    float *out = guard_take(WIDTH * WI_PANEL * sizeof *out, side);
    case_name("%s: a NaN", isa);
    for (size_t i = 0; i < WIDTH * WI_PANEL; i++)
        row[i] = 1.0f;
    for (size_t i = 0; i < SIZE * 4 * WI_PANEL; i++)
        w[i] = 0.25f;
    memset(bias, 0, WI_PANEL * sizeof *bias);
    row[5 * WI_PANEL + 3] = NAN;
    const float *rows[SIZE] = {NULL, row, NULL};
    depthwise(&d, rows, WI_PANEL, w, bias, WI_NO_ACT, out, WI_PANEL);
    for (size_t x = 0; x < WIDTH; x++)
        for (size_t c = 0; c < WI_PANEL; c++) {
            const bool hit = c == 3 && x >= 4 && x <= 6;
            const float want = x == 0 || x == WIDTH - 1 ? 0.5f : 0.75f, got = out[x * WI_PANEL + c];
            if (hit ? !isnan(got) : got != want)
                fail_msg("%s: out[%zu, %zu] is %g", case_now(), x, c, (double)got);
        }
    guard_release_all();
}

void depthwise_f32_odd_numbers(void **unused)
{
    (void)unused;
    CASE_EACH(depthwise_f32, f32_odd_numbers);
}

/* Whether the weight at i of an int8 panel stands for a row below the last. */
static bool is_padding(const wi_depthwise *d, size_t i)
{
    const size_t group = i / (WI_PANEL * 4) % (wi_depthwise_pitch(d->size) / 4);
    return group * 4 + i % 4 >= d->size;
}

/* spread: how far sums are scaled, so that some are clamped on both sides and most are not. */
static void s8_layer(const layer *l, wi_depthwise_s8_fn *depthwise, int8_t weight, float spread,
                     guard_side side)
{
    const wi_depthwise *d = &l->d;
    const uint8_t pad = weight ? 127 : (uint8_t)case_random(128);
    const uint8_t *rows[WI_DEPTHWISE_MAX];
    const size_t row_bytes = (d->width - 1) * l->ld + l->channels;
    for (size_t ky = 0; ky < d->size; ky++) {
        uint8_t *row = l->absent[ky] ? NULL : guard_take(row_bytes, side);
        if (row)
            case_fill_bytes(row, row_bytes, weight ? 127 : 0, 127);
        rows[ky] = row;
    }
    int8_t *w = guard_take(l->channels * l->taps, side);
    float *scale = guard_take(l->channels * sizeof *scale, side);
    float *bias = guard_take(l->channels * sizeof *bias, side);
    const size_t n_out = (d->out_width - 1) * l->ld_out + l->channels;
    uint8_t *out = guard_take(n_out, side), want[129 * 3 * 20];
    case_fill_bytes(w, l->channels * l->taps, 0, 255);
    for (size_t i = 0; i < l->channels * l->taps; i++)
        w[i] = is_padding(d, i) || w[i] == -128 ? 0 : weight ? weight : w[i];
    for (size_t i = 0; i < l->channels; i++) {
        scale[i] = case_uniform(0.0f, spread);
        bias[i] = case_uniform(-20.0f, 150.0f);
    }
    assert_true(n_out <= sizeof want);
    memset(out, 255, n_out);
    memset(want, 255, n_out);
    wi_kern_ref.depthwise_s8(d, rows, l->ld, pad, w, scale, bias, want, l->ld_out);
    depthwise(d, rows, l->ld, pad, w, scale, bias, out, l->ld_out);
    case_same_bits("out", out, want, n_out);
    for (size_t x = 0; x < d->out_width; x++) /* the reference itself, from the definition */
        for (size_t c = 0; c < l->channels; c += 5) {
            long sum = 0;
            for (size_t kx = 0; kx < d->size; kx++)
                for (size_t ky = 0, column; ky < d->size; ky++) {
                    const size_t k = kx * wi_depthwise_pitch(d->size) + ky;
                    const size_t at = c / WI_PANEL * l->taps * WI_PANEL + k / 4 * WI_PANEL * 4;
                    const long q =
                        inside(l, x, kx, ky, &column) ? rows[ky][column * l->ld + c] : pad;
                    sum += q * w[at + c % WI_PANEL * 4 + k % 4];
                }
            const double y = (double)sum * (double)scale[c] + (double)bias[c];
            const double clamped = y < 0.0 ? 0.0 : y > 127.0 ? 127.0 : y;
            case_near("reference", x * l->ld_out + c, (double)out[x * l->ld_out + c], clamped,
                      0.5 + 1e-6 * fabs(y) + 1e-4);
        }
    guard_release_all();
}

static void s8_shapes(const char *isa, wi_depthwise_s8_fn *depthwise, guard_side side)
{
    (void)isa;
    for (uint32_t round = 0; round < 140; round++) {
        const layer l = random_layer(round);
        s8_layer(&l, depthwise, 0, 0.02f / (float)l.d.size, side);
    }
}

void depthwise_s8_shapes(void **unused)
{
    (void)unused;
    CASE_EACH(depthwise_s8, s8_shapes);
}

/* All inputs 127 and all weights at an end of their range: no step in between saturates. */
static void s8_largest_sums(const char *isa, wi_depthwise_s8_fn *depthwise, guard_side side)
{
    (void)isa;
    for (uint32_t round = 0; round < 14; round++) {
        const layer l = random_layer(round);
        const float spread = 100.0f / (127.0f * 127.0f * (float)(l.d.size * l.d.size));
        s8_layer(&l, depthwise, round % 2 ? 127 : -127, spread, side);
    }
}

void depthwise_s8_largest_sums(void **unused)
{
    (void)unused;
    CASE_EACH(depthwise_s8, s8_largest_sums);
}

/* --- products that keep 7 bits --- */

static void u7_shapes(const char *isa, wi_gemm_s8_u7_fn *gemm, guard_side side)
{
    enum { MAX_M = 31, MAX_PANELS = 5, MAX_LD = MAX_PANELS * WI_PANEL + 3 };
    for (size_t round = 0; round < 120; round++) {
        const size_t m = 1 + round % MAX_M, panels = 1 + case_random(MAX_PANELS);
        const size_t k4 = 1 + case_random(20), lda = 4 * k4 + case_random(3);
        const size_t n = panels * WI_PANEL, ldo = n + case_random(3), n_out = (m - 1) * ldo + n;
        case_name("%s: %zu rows, %zu panels, k4 %zu", isa, m, panels, k4);
        uint8_t *q = guard_take((m - 1) * lda + 4 * k4, side), *out = guard_take(n_out, side);
        int8_t *w = guard_take(n * 4 * k4, side);
        wi_row_scale *rows = guard_take(m * sizeof *rows, side);
        float *scale = guard_take(n * sizeof *scale, side);
        float *bias = guard_take(n * sizeof *bias, side);
        int32_t *sum = guard_take(n * sizeof *sum, side);
        uint8_t want[MAX_M * MAX_LD];
        case_fill_bytes(q, (m - 1) * lda + 4 * k4, 0, 127);
        case_fill_bytes(w, n * 4 * k4, 0, 2 * (WI_S8_FOUR / 4));
        for (size_t i = 0; i < n * 4 * k4; i++)
            w[i] = (int8_t)(w[i] - WI_S8_FOUR / 4);
        for (size_t i = 0; i < m; i++)
            rows[i] = (wi_row_scale){case_uniform(0.0f, 1.0f), (int32_t)case_random(128)};
        for (size_t j = 0; j < n; j++) {
            scale[j] = case_uniform(0.0f, 0.02f / (float)k4);
            bias[j] = case_uniform(-30.0f, 160.0f);
            sum[j] = (int32_t)case_random(2000) - 1000;
        }
        memset(out, 255, n_out);
        memset(want, 255, n_out);
        wi_kern_ref.gemm_s8_u7(m, panels, k4, q, lda, rows, w, scale, sum, bias, want, ldo);
        gemm(m, panels, k4, q, lda, rows, w, scale, sum, bias, out, ldo);
        case_same_bits("out", out, want, n_out);
        /* The reference itself: the same sums as those of gemm_s8. */
        float plain[MAX_M * MAX_PANELS * WI_PANEL];
        const wi_epilogue e = {.bias = bias};
        wi_kern_ref.gemm_s8(m, panels, k4, q, lda, rows, w, scale, sum, plain, n, &e);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                const double y = (double)plain[i * n + j];
                case_near("reference", i * ldo + j, (double)out[i * ldo + j],
                          y < 0.0     ? 0.0
                          : y > 127.0 ? 127.0
                                      : y,
                          0.5);
            }
        guard_release_all();
    }
}

void gemm_s8_u7_shapes(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_s8_u7, u7_shapes);
}

static void clamp_sizes(const char *isa, wi_clamp_u7_fn *clamp, guard_side side)
{
    for (size_t n = 1; n < 70; n++) {
        float *x = guard_take(n * sizeof *x, side);
        uint8_t *q = guard_take(n, side), want[70];
        case_name("%s: %zu numbers", isa, n);
        case_fill(x, n);
        x[n / 2] = n % 5 == 0 ? NAN : n % 5 == 1 ? INFINITY : n % 5 == 2 ? -INFINITY : 0.5f / 32.0f;
        wi_kern_ref.clamp_u7(n, x, 32.0f, want);
        clamp(n, x, 32.0f, q);
        case_same_bits("q", q, want, n);
        for (size_t i = 0; i < n; i++) {
            const double y = isnan(x[i]) ? 0.0 : (double)x[i] * 32.0;
            case_near("reference", i, (double)want[i], y < 0.0 ? 0.0 : y > 127.0 ? 127.0 : y, 0.5);
        }
        guard_release_all();
    }
}

void clamp_u7_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(clamp_u7, clamp_sizes);
}
