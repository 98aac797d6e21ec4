/* Operations on one row: widening, layer norm, quantising, softmax, activations. */
#include "suite.h"

#include "kern/half.h"
#include "kern/ref/ref.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Around 4, 8, 16 and 32 lanes, primes, and CLIP's widths. */
static const size_t some_n[] = {1,  2,  3,  4,  5,  7,  8,  9,  11, 15, 16,  17,  23,
                                31, 32, 33, 47, 48, 49, 63, 64, 65, 97, 512, 768, 1024};

/* --- widening --- */

typedef void widen_fn(size_t n, const uint16_t *x, float *out);

static void widen_all(const char *isa, widen_fn *widen, guard_side side, float one(uint16_t),
                      const char *what)
{
    case_name("%s %s", what, isa);
    uint16_t *x = guard_take(65536 * sizeof *x, side);
    float *y = guard_take(65536 * sizeof *y, side);
    for (size_t i = 0; i < 65536; i++)
        x[i] = (uint16_t)i;
    for (size_t first = 0; first < 65536;) { /* in pieces of all sizes */
        size_t n = 1 + case_random(70);
        n = n < 65536 - first ? n : 65536 - first;
        widen(n, x + first, y + first);
        first += n;
    }
    for (size_t i = 0; i < 65536; i++) {
        const float want = one((uint16_t)i);
        if (isnan(want) ? !isnan(y[i]) : memcmp(&want, &y[i], sizeof want) != 0)
            fail_msg("%s: half %04zx became %.9g", case_now(), i, (double)y[i]);
    }
    guard_release_all();
    for (size_t n = 0; n < 40; n++) {
        x = guard_take(n * sizeof *x, side);
        y = guard_take(n * sizeof *y, side);
        case_fill_halves(x, n);
        widen(n, x, y);
        for (size_t i = 0; i < n; i++)
            case_near("widened", i, y[i], one(x[i]), 0.0);
        guard_release_all();
    }
}

static void widen_f16_all(const char *isa, widen_fn *widen, guard_side side)
{
    widen_all(isa, widen, side, wi_f16_to_f32, "widen_f16");
}

static void widen_bf16_all(const char *isa, widen_fn *widen, guard_side side)
{
    widen_all(isa, widen, side, wi_bf16_to_f32, "widen_bf16");
}

void widening_is_exact(void **unused)
{
    (void)unused;
    CASE_EACH(widen_f16, widen_f16_all);
    CASE_EACH(widen_bf16, widen_bf16_all);
}

/* The definition by value, and back again. */
void halves_convert_exactly(void **unused)
{
    (void)unused;
    for (uint32_t h = 0; h < 65536; h++) {
        const int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        const double sign = h & 0x8000 ? -1.0 : 1.0;
        const float x = wi_f16_to_f32((uint16_t)h), y = wi_bf16_to_f32((uint16_t)h);
        case_name("half %04x", (unsigned)h);
        if (exponent == 31) {
            assert_true(fraction ? isnan(x) : isinf(x) && (x < 0) == (sign < 0));
            continue;
        }
        const double want =
            sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
        case_near("f16", h, x, want, 0.0);
        assert_int_equal(wi_f32_to_f16(x), h);
        if (!isnan(y))
            assert_int_equal(wi_f32_to_bf16(y), h);
    }
    /* Ties go to even; past the largest half lies infinity. */
    assert_int_equal(wi_f32_to_f16(2049.0f), wi_f32_to_f16(2048.0f));
    assert_int_equal(wi_f32_to_f16(2051.0f), wi_f32_to_f16(2052.0f));
    assert_int_equal(wi_f32_to_f16(65519.0f), 0x7bff);
    assert_int_equal(wi_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(wi_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(wi_f32_to_f16(ldexpf(1.0f, -25)), 0);
    assert_int_equal(wi_f32_to_f16(ldexpf(1.5f, -25)), 1);
    assert_int_equal(wi_f32_to_bf16(wi_bits_to_f32(0x3f808000)), 0x3f80);
    assert_int_equal(wi_f32_to_bf16(wi_bits_to_f32(0x3f818000)), 0x3f82);
    assert_true(isnan(wi_bf16_to_f32(wi_f32_to_bf16(wi_bits_to_f32(0x7f800001)))));
}

/* --- layer norm --- */

typedef void layer_norm_fn(size_t n, const float *x, const float *w, const float *b, float eps,
                           float *out);

static void one_layer_norm(const char *isa, layer_norm_fn *layer_norm, guard_side side, size_t n,
                           float offset, bool in_place)
{
    case_name("layer_norm %s n=%zu offset=%g in_place=%d", isa, n, (double)offset, in_place);
    float *x = guard_take(n * sizeof *x, side), *w = guard_take(n * sizeof *w, side);
    float *b = guard_take(n * sizeof *b, side);
    float *out = in_place ? x : guard_take(n * sizeof *out, side);
    double *copy = malloc(n * sizeof *copy), sum = 0.0, squares = 0.0, largest = 0.0;
    assert_non_null(copy);
    case_fill(x, n);
    case_fill(w, n);
    case_fill(b, n);
    for (size_t i = 0; i < n; i++) {
        x[i] += offset;
        copy[i] = x[i];
        sum += x[i];
        largest = fmax(largest, fabs(copy[i]));
    }
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (copy[i] - mean) * (copy[i] - mean);
    const double inverse = 1.0 / sqrt(squares / (double)n + 1e-5);
    layer_norm(n, x, w, b, 1e-5f, out);
    /* The mean carries the rounding of n/4 additions of a lane at most, the sum of squares twice
     * that. */
    const double mean_error = CASE_EPS * (8.0 + (double)n / 4.0) * largest;
    const double scale_error = CASE_EPS * (12.0 + (double)n / 4.0) + mean_error * inverse;
    for (size_t i = 0; i < n; i++) {
        const double y = (copy[i] - mean) * inverse, want = y * w[i] + b[i];
        const double bound = fabs((double)w[i]) * (mean_error * inverse + fabs(y) * scale_error) +
                             CASE_EPS * 4.0 * (fabs(y * w[i]) + fabs((double)b[i]));
        case_near("out", i, out[i], want, bound);
    }
    free(copy);
    guard_release_all();
}

static void layer_norms(const char *isa, layer_norm_fn *layer_norm, guard_side side)
{
    for (size_t i = 0; i < COUNT(some_n); i++) {
        one_layer_norm(isa, layer_norm, side, some_n[i], 0.0f, i % 2);
        one_layer_norm(isa, layer_norm, side, some_n[i], 30.0f, i % 3 == 0);
    }
}

void layer_norm_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(layer_norm, layer_norms);
}

/* A NaN anywhere spoils the whole row, as in the reference; equal values give the bias. */
static void layer_norm_odd(const char *isa, layer_norm_fn *layer_norm, guard_side side)
{
    for (size_t t = 0; t < COUNT(some_n); t++) {
        const size_t n = some_n[t], at = case_random((uint32_t)n);
        case_name("layer_norm %s n=%zu odd at %zu", isa, n, at);
        float *x = guard_take(n * sizeof *x, side), *w = guard_take(n * sizeof *w, side);
        float *b = guard_take(n * sizeof *b, side), *out = guard_take(n * sizeof *out, side);
        case_fill(w, n);
        case_fill(b, n);
        for (size_t i = 0; i < n; i++)
            x[i] = 0.5f;
        layer_norm(n, x, w, b, 1e-5f, out);
        for (size_t i = 0; i < n; i++)
            case_near("out of equal values", i, out[i], b[i], 1e-6);
        for (size_t i = 0; i < n; i++)
            x[i] = 1e-40f;
        layer_norm(n, x, w, b, 1e-5f, out);
        for (size_t i = 0; i < n; i++)
            case_near("out of denormals", i, out[i], b[i], 1e-6);
        x[at] = case_random(2) ? NAN : INFINITY;
        layer_norm(n, x, w, b, 1e-5f, out);
        for (size_t i = 0; i < n; i++)
            if (!isnan(out[i]))
                fail_msg("%s: out[%zu] is %g", case_now(), i, (double)out[i]);
        guard_release_all();
    }
}

void layer_norm_odd_numbers(void **unused)
{
    (void)unused;
    CASE_EACH(layer_norm, layer_norm_odd);
}

/* --- quantising --- */

typedef wi_row_scale quantise_fn(size_t n, const float *x, uint8_t *q);

static void same_as_reference(quantise_fn *quantise, size_t n, const float *x, uint8_t *q,
                              wi_row_scale *out)
{
    uint8_t *want = malloc(n + 1);
    assert_non_null(want);
    const wi_row_scale a = quantise(n, x, q), b = wi_kern_ref.quantise_row(n, x, want);
    case_same_bits("scale and zero", &a, &b, sizeof a);
    case_same_bits("q", q, want, n);
    free(want);
    for (size_t i = 0; i < n; i++)
        if (q[i] > 127)
            fail_msg("%s: q[%zu] is %d", case_now(), i, q[i]);
    if (a.zero < 0 || a.zero > 127 || !(a.scale >= 0.0f) || !isfinite(a.scale))
        fail_msg("%s: scale %g, zero %d", case_now(), (double)a.scale, (int)a.zero);
    *out = a;
}

static void quantise_sizes(const char *isa, quantise_fn *quantise, guard_side side)
{
    for (size_t t = 0; t < 3 * COUNT(some_n); t++) {
        const size_t n = some_n[t % COUNT(some_n)];
        const float offset = t % 3 == 0 ? 0.0f : t % 3 == 1 ? 4.0f : -4.0f;
        case_name("quantise_row %s n=%zu offset=%g", isa, n, (double)offset);
        float *x = guard_take(n * sizeof *x, side);
        uint8_t *q = guard_take(n, side);
        case_fill(x, n);
        for (size_t i = 0; i < n; i++)
            x[i] += offset;
        wi_row_scale row;
        same_as_reference(quantise, n, x, q, &row);
        /* Half a step, and what rounding 1/scale adds. */
        for (size_t i = 0; i < n; i++)
            case_near("value", i, (double)row.scale * (q[i] - row.zero), x[i],
                      (double)row.scale * 0.5001 + 1e-30);
        for (size_t i = 0; i < n; i++)
            if (x[i] == 0.0f && q[i] != row.zero)
                fail_msg("%s: zero is not kept", case_now());
        guard_release_all();
    }
}

void quantise_row_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(quantise_row, quantise_sizes);
}

/* Rows of one odd value among small ones, wherever it stands. */
static void quantise_edges(const char *isa, quantise_fn *quantise, guard_side side)
{
    static const float odd[] = {NAN,     INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f,
                                -1e-45f, 1e-42f,   1e-38f,    2e38f,   -0.0f,    0.0f,    1e-30f};
    static const float rest[] = {0.0f, -0.0f, 1.0f, -1.0f, 1e-45f, 1e-39f, -2e38f};
    for (size_t i = 0; i < COUNT(odd); i++)
        for (size_t j = 0; j < COUNT(rest); j++)
            for (size_t n = 1; n <= 37; n += 4) {
                const size_t at = case_random((uint32_t)n);
                case_name("quantise_row %s n=%zu of %g with %g at %zu", isa, n, (double)rest[j],
                          (double)odd[i], at);
                float *x = guard_take(n * sizeof *x, side);
                uint8_t *q = guard_take(n, side);
                for (size_t l = 0; l < n; l++)
                    x[l] = rest[j];
                x[at] = odd[i];
                wi_row_scale row;
                same_as_reference(quantise, n, x, q, &row);
                guard_release_all();
            }
}

void quantise_row_edges(void **unused)
{
    (void)unused;
    CASE_EACH(quantise_row, quantise_edges);
    /* What must stay, not only agree: a step for every 127th, zero where zero is. */
    const wi_row_scale row = wi_row_scale_of(-1.0f, 1.54f);
    case_near("scale", 0, row.scale, 2.54 / 127.0, 1e-8);
    assert_int_equal(row.zero, 50);
    assert_int_equal(wi_row_scale_of(0.0f, 1e-45f).zero, 0);
    assert_true(wi_row_scale_of(0.0f, 1e-45f).scale == 0.0f);
    assert_true(wi_row_scale_of(-FLT_MAX, FLT_MAX).scale == 0.0f);
}

/* --- softmax --- */

typedef void softmax_fn(size_t n, float scale, float *x);

static void softmaxes(const char *isa, softmax_fn *softmax, guard_side side)
{
    static const float scales[] = {0.125f, 1.0f, 14.0f, 100.0f};
    for (size_t t = 0; t < 4 * COUNT(some_n); t++) {
        const size_t n = some_n[t / 4];
        const double scale = scales[t % 4];
        case_name("softmax %s n=%zu scale=%g", isa, n, scale);
        float *x = guard_take(n * sizeof *x, side);
        double *want = malloc(n * sizeof *want), top = -1e30, sum = 0.0, total = 0.0;
        assert_non_null(want);
        case_fill(x, n);
        for (size_t i = 0; i < n; i++)
            if (x[i] > top) /* fmax here stops GCC 12 on AArch64 */
                top = x[i];
        for (size_t i = 0; i < n; i++)
            sum += want[i] = exp(scale * (x[i] - top));
        /* x - top and its product with scale are rounded, then comes exp's own error. */
        for (size_t i = 0; i < n; i++)
            want[i] /= sum;
        double *slope = malloc(n * sizeof *slope);
        assert_non_null(slope);
        for (size_t i = 0; i < n; i++)
            slope[i] = 2.0 * scale * fabs(x[i] - top);
        softmax(n, (float)scale, x);
        for (size_t i = 0; i < n; i++) {
            total += x[i];
            case_near("p", i, x[i], want[i],
                      CASE_EPS * (16.0 + 2.0 * fmin(slope[i], 200.0) + (double)n / 4.0) * want[i] +
                          1e-36);
        }
        case_near("sum", 0, total, 1.0, CASE_EPS * (16.0 + (double)n));
        free(slope);
        free(want);
        guard_release_all();
    }
}

void softmax_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(softmax, softmaxes);
}

/* A NaN must not turn into confident numbers. Infinities: minus is "never", plus spoils the row. */
static void softmax_odd(const char *isa, softmax_fn *softmax, guard_side side)
{
    for (size_t t = 0; t < COUNT(some_n); t++) {
        const size_t n = some_n[t];
        for (size_t at = 0; at < n; at += n < 40 ? 1 : 61) {
            case_name("softmax %s n=%zu odd at %zu", isa, n, at);
            float *x = guard_take(n * sizeof *x, side);
            case_fill(x, n);
            x[at] = NAN;
            softmax(n, 1.0f, x);
            for (size_t i = 0; i < n; i++)
                if (!isnan(x[i]))
                    fail_msg("%s: p[%zu] is %g beside NaN", case_now(), i, (double)x[i]);
            case_fill(x, n);
            x[at] = INFINITY;
            softmax(n, 1.0f, x);
            if (!isnan(x[at]))
                fail_msg("%s: infinity gave %g", case_now(), (double)x[at]);
            case_fill(x, n);
            x[at] = -INFINITY;
            softmax(n, 1.0f, x);
            for (size_t i = 0; i < n && n > 1; i++)
                if (!(x[i] >= 0.0f && x[i] <= 1.0f) || (i == at && x[i] > 1e-36f))
                    fail_msg("%s: p[%zu] is %g beside -infinity", case_now(), i, (double)x[i]);
            guard_release_all();
        }
    }
}

void softmax_odd_numbers(void **unused)
{
    (void)unused;
    CASE_EACH(softmax, softmax_odd);
}

/* --- activations --- */

typedef void activate_fn(size_t n, wi_act act, float *x);

/* All exponents, both signs, some fractions of each; and densely where the curves bend. */
static size_t fill_sweep(float *x, size_t n_max)
{
    size_t n = 0;
    for (uint32_t bits = 0; bits < 0x7f800000u && n + 2 < n_max; bits += 0x3a987u) {
        x[n++] = wi_bits_to_f32(bits);
        x[n++] = wi_bits_to_f32(bits | 0x80000000u);
    }
    for (float y = -12.0f; y < 12.0f && n < n_max; y += case_uniform(0.0005f, 0.0015f))
        x[n++] = y;
    return n;
}

static void activate_sweep(const char *isa, activate_fn *activate, guard_side side)
{
    enum { MAX_SWEEP = 60000 };
    static float x[MAX_SWEEP];
    const size_t n = fill_sweep(x, MAX_SWEEP);
    assert_true(n > 40000 && n < MAX_SWEEP);
    for (wi_act act = WI_NO_ACT; act <= WI_RELU6; act++) {
        case_name("activate %s %s", isa, case_act_name(act));
        float *y = guard_take(n * sizeof *y, side);
        memcpy(y, x, n * sizeof *y);
        activate(n, act, y);
        for (size_t i = 0; i < n; i++)
            case_near("y", i, y[i], case_act(act, x[i]), case_act_bound(act, x[i]));
        guard_release_all();
    }
}

void activations_over_a_sweep(void **unused)
{
    (void)unused;
    CASE_EACH(activate, activate_sweep);
}

static void activate_sizes(const char *isa, activate_fn *activate, guard_side side)
{
    for (size_t t = 0; t < COUNT(some_n); t++)
        for (wi_act act = WI_NO_ACT; act <= WI_RELU6; act++) {
            const size_t n = some_n[t];
            case_name("activate %s %s n=%zu", isa, case_act_name(act), n);
            float *x = guard_take(n * sizeof *x, side), *y = guard_take(n * sizeof *y, side);
            case_fill(x, n);
            memcpy(y, x, n * sizeof *y);
            activate(n, act, y);
            for (size_t i = 0; i < n; i++)
                case_near("y", i, y[i], case_act(act, x[i]), case_act_bound(act, x[i]));
            guard_release_all();
        }
    activate(0, WI_GELU, NULL);
}

void activations_in_place(void **unused)
{
    (void)unused;
    CASE_EACH(activate, activate_sizes);
}

/* NaN stays NaN (ReLU may make it 0), +infinity stays or is cut, -infinity is not taken for a
 * number; neighbours do not notice. */
static void activate_odd(const char *isa, activate_fn *activate, guard_side side)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t n = 1; n < 36; n++)
        for (wi_act act = WI_NO_ACT; act <= WI_RELU6; act++)
            for (size_t t = 0; t < COUNT(odd); t++) {
                const size_t at = case_random((uint32_t)n);
                case_name("activate %s %s n=%zu %g at %zu", isa, case_act_name(act), n,
                          (double)odd[t], at);
                float *x = guard_take(n * sizeof *x, side);
                for (size_t i = 0; i < n; i++)
                    x[i] = 1.0f;
                x[at] = odd[t];
                activate(n, act, x);
                for (size_t i = 0; i < n; i++)
                    if (i != at)
                        case_near("neighbour", i, x[i], case_act(act, 1.0),
                                  case_act_bound(act, 1.0));
                const bool curve = act != WI_NO_ACT && act != WI_RELU;
                if ((t == 0 && curve && !isnan(x[at])) ||
                    (t == 1 && x[at] != (act == WI_RELU6 ? 6.0f : INFINITY)) ||
                    (t == 2 && isfinite(x[at]) && x[at] != 0.0f))
                    fail_msg("%s: became %g", case_now(), (double)x[at]);
                guard_release_all();
            }
}

void activations_of_odd_numbers(void **unused)
{
    (void)unused;
    CASE_EACH(activate, activate_odd);
}
