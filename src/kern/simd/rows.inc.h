/* Row operations, written once over the vector vocabulary that the including file chose. */

#include "kern/simd/ahead.h"

/* e^x within 2 units in the last place for x in -87..88; clamped outside; NaN stays NaN, hence the
 * order of v_max's and v_min's operands. 2^n * p(r), |r| <= ln 2 / 2, with ln 2 in two parts (Cody
 * & Waite) and the Taylor polynomial of degree 7, whose error there is below 2^-27. */
static inline vf v_exp(vf x)
{
    x = v_min(v_set(88.0f), v_max(v_set(-87.0f), x));
    vf n = v_round(v_mul(x, v_set(1.44269504088896341f)));
    vf r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vf p = v_set(1.0f / 5040.0f);
    p = v_fma(p, r, v_set(1.0f / 720.0f));
    p = v_fma(p, r, v_set(1.0f / 120.0f));
    p = v_fma(p, r, v_set(1.0f / 24.0f));
    p = v_fma(p, r, v_set(1.0f / 6.0f));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r, v_set(1.0f));
    p = v_fma(p, r, v_set(1.0f));
    return v_mul(p, v_exp2i(n));
}

/* x * sigmoid(s) = x / (1 + e^-s). */
static inline vf v_gate(vf x, vf s)
{
    return v_div(x, v_add(v_set(1.0f), v_exp(v_sub(v_set(0.0f), s))));
}

/* Error function within 1.5e-7 (Abramowitz & Stegun, Handbook of Mathematical Functions, 7.1.26).
 */
static inline vf v_erf(vf x)
{
    vf z = v_abs(x);
    vf t = v_div(v_set(1.0f), v_fma(v_set(0.3275911f), z, v_set(1.0f)));
    vf p = v_set(1.061405429f);
    p = v_fma(p, t, v_set(-1.453152027f));
    p = v_fma(p, t, v_set(1.421413741f));
    p = v_fma(p, t, v_set(-0.284496736f));
    p = v_fma(p, t, v_set(0.254829592f));
    vf tail = v_mul(v_mul(p, t), v_exp(v_sub(v_set(0.0f), v_mul(z, z))));
    return v_copysign(v_sub(v_set(1.0f), tail), x);
}

static inline vf v_act(wi_act act, vf x)
{
    switch (act) {
    case WI_QUICK_GELU:
        return v_gate(x, v_mul(v_set(1.702f), x));
    case WI_GELU:
        return v_mul(v_mul(v_set(0.5f), x),
                     v_add(v_set(1.0f), v_erf(v_mul(x, v_set(0.70710678f)))));
    case WI_GELU_TANH: {
        vf cubic = v_mul(v_mul(x, x), x);
        return v_gate(x, v_mul(v_set(1.59576912160573f), v_fma(cubic, v_set(0.044715f), x)));
    }
    case WI_RELU:
        return v_max(x, v_set(0.0f));
    case WI_RELU6:
        return v_min(v_set(6.0f), v_max(v_set(0.0f), x)); /* in this order NaN stays */
    case WI_NO_ACT:
        break;
    }
    return x;
}

/* act is a compile-time constant at every call: the numbers that it takes are loaded once. */
INLINE void activate_as(const wi_act act, size_t m, size_t n, float *x, size_t ld)
{
    for (size_t i = 0; i < m; i++, x += ld) {
        size_t j = 0;
        for (; j + LANES <= n; j += LANES)
            v_store(x + j, v_act(act, v_load(x + j)));
        if (j < n)
            v_store_part(x + j, v_act(act, v_load_part(x + j, n - j)), n - j);
    }
}

/* x[m, n] = act(x). */
static void activate_rows(wi_act act, size_t m, size_t n, float *x, size_t ld)
{
    switch (act) {
    case WI_QUICK_GELU:
        activate_as(WI_QUICK_GELU, m, n, x, ld);
        break;
    case WI_GELU:
        activate_as(WI_GELU, m, n, x, ld);
        break;
    case WI_GELU_TANH:
        activate_as(WI_GELU_TANH, m, n, x, ld);
        break;
    case WI_RELU:
        activate_as(WI_RELU, m, n, x, ld);
        break;
    case WI_RELU6:
        activate_as(WI_RELU6, m, n, x, ld);
        break;
    case WI_NO_ACT:
        break;
    }
}

static void activate(size_t n, wi_act act, float *x)
{
    activate_rows(act, 1, n, x, n);
}

static void widen_f16(size_t n, const uint16_t *x, float *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(out + i, v_widen_f16(x + i));
    for (; i < n; i++)
        out[i] = wi_f16_to_f32(x[i]);
}

static void widen_bf16(size_t n, const uint16_t *x, float *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(out + i, v_widen_bf16(x + i));
    for (; i < n; i++)
        out[i] = wi_bf16_to_f32(x[i]);
}

static inline vf center(const float *x, size_t i, size_t n, vf mean)
{
    return v_sub(i + LANES <= n ? v_load(x + i) : v_load_part(x + i, n - i), mean);
}

static void layer_norm(size_t n, const float *x, const float *w, const float *b, float eps,
                       float *out)
{
    const size_t whole = n - n % LANES;
    vf sum0 = v_set(0.0f), sum1 = v_set(0.0f);
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        sum0 = v_add(sum0, v_load(x + i));
        sum1 = v_add(sum1, v_load(x + i + LANES));
    }
    for (; i < n; i += LANES)
        sum0 = v_add(sum0, center(x, i, n, v_set(0.0f)));
    const float mean = v_sum(v_add(sum0, sum1)) / (float)n;
    sum0 = sum1 = v_set(0.0f);
    for (i = 0; i < whole; i += LANES) {
        vf d = v_sub(v_load(x + i), v_set(mean));
        sum0 = v_fma(d, d, sum0);
    }
    float squares = v_sum(sum0);
    for (; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    const float inverse = 1.0f / sqrtf(squares / (float)n + eps);
    for (i = 0; i < whole; i += LANES) {
        vf y = v_mul(v_sub(v_load(x + i), v_set(mean)), v_set(inverse));
        v_store(out + i, v_fma(y, v_load(w + i), v_load(b + i)));
    }
    for (; i < n; i++)
        out[i] = (x[i] - mean) * inverse * w[i] + b[i];
}

static wi_row_scale quantise_row(size_t n, const float *x, uint8_t *q)
{
    const size_t whole = n - n % LANES;
    vf low = v_set(0.0f), high = v_set(0.0f);
    for (size_t i = 0; i < whole; i += LANES) {
        vf y = v_load(x + i);
        low = v_min(y, low);
        high = v_max(y, high);
    }
    float least = -v_top(v_sub(v_set(0.0f), low)), most = v_top(high);
    for (size_t i = whole; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    wi_row_scale row = wi_row_scale_of(least, most);
    const float inverse = row.scale > 0.0f ? 1.0f / row.scale : 0.0f, zero = (float)row.zero;
    for (size_t i = 0; i < whole; i += LANES) {
        vf t = v_add(v_round(v_mul(v_load(x + i), v_set(inverse))), v_set(zero));
        v_store_u8(q + i, v_min(v_max(t, v_set(0.0f)), v_set(127.0f)));
    }
    for (size_t i = whole; i < n; i++) {
        float t = nearbyintf(x[i] * inverse) + zero;
        q[i] = (uint8_t)(t > 0.0f ? (t < 127.0f ? t : 127.0f) : 0.0f);
    }
    return row;
}

static void clamp_u7(size_t n, const float *x, float inverse, uint8_t *q)
{
    const size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        v_store_u7(q + i, v_mul(v_load(x + i), v_set(inverse)));
    for (size_t i = whole; i < n; i++) {
        float t = nearbyintf(x[i] * inverse);
        q[i] = (uint8_t)(t > 0.0f ? (t < 127.0f ? t : 127.0f) : 0.0f);
    }
}

static void softmax(size_t n, float scale, float *x)
{
    const size_t whole = n - n % LANES;
    vf high = v_set(x[0]);
    for (size_t i = 0; i < whole; i += LANES)
        high = v_max(v_load(x + i), high);
    float top = v_top(high);
    for (size_t i = whole; i < n; i++)
        top = x[i] > top ? x[i] : top;
    vf sums = v_set(0.0f);
    for (size_t i = 0; i < whole; i += LANES) {
        vf y = v_exp(v_mul(v_set(scale), v_sub(v_load(x + i), v_set(top))));
        v_store(x + i, y);
        sums = v_add(sums, y);
    }
    float sum = v_sum(sums);
    if (whole < n) {
        vf y = v_exp(v_mul(v_set(scale), v_sub(v_load_part(x + whole, n - whole), v_set(top))));
        v_store_part(x + whole, y, n - whole);
        for (size_t i = whole; i < n; i++)
            sum += x[i];
    }
    const vf inverse = v_set(1.0f / sum);
    for (size_t i = 0; i < whole; i += LANES)
        v_store(x + i, v_mul(v_load(x + i), inverse));
    for (size_t i = whole; i < n; i++)
        x[i] *= 1.0f / sum;
}

static inline float dot(size_t n, const float *a, const float *b)
{
    vf sum0 = v_set(0.0f), sum1 = v_set(0.0f);
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        sum0 = v_fma(v_load(a + i), v_load(b + i), sum0);
        sum1 = v_fma(v_load(a + i + LANES), v_load(b + i + LANES), sum1);
    }
    if (i + LANES <= n) {
        sum0 = v_fma(v_load(a + i), v_load(b + i), sum0);
        i += LANES;
    }
    if (i < n)
        sum1 = v_fma(v_load_part(a + i, n - i), v_load_part(b + i, n - i), sum1);
    return v_sum(v_add(sum0, sum1));
}

static void attend(size_t n_keys, size_t d, float scale, const float *q, const float *keys,
                   const float *values, size_t ld, const uint32_t *index, float *scores, float *out)
{
    for (size_t j = 0; j < n_keys; j++)
        scores[j] = dot(d, q, keys + index[j] * ld);
    softmax(n_keys, scale, scores);
    size_t i = 0;
    for (; i + LANES <= d; i += LANES) {
        vf sum = v_set(0.0f);
        for (size_t j = 0; j < n_keys; j++)
            sum = v_fma(v_set(scores[j]), v_load(values + index[j] * ld + i), sum);
        v_store(out + i, sum);
    }
    if (i < d) {
        vf sum = v_set(0.0f);
        for (size_t j = 0; j < n_keys; j++)
            sum = v_fma(v_set(scores[j]), v_load_part(values + index[j] * ld + i, d - i), sum);
        v_store_part(out + i, sum, d - i);
    }
}

static void dots_f32(size_t n, size_t d, const float *rows, size_t ld, const float *q, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = dot(d, rows + i * ld, q);
}

static void dots_f16(size_t n, size_t d, const uint16_t *rows, size_t ld, const float *q,
                     float *out)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t *row = rows + i * ld;
        vf sum0 = v_set(0.0f), sum1 = v_set(0.0f);
        size_t j = 0;
        for (; j + 2 * LANES <= d; j += 2 * LANES) {
            sum0 = v_fma(v_widen_f16(row + j), v_load(q + j), sum0);
            sum1 = v_fma(v_widen_f16(row + j + LANES), v_load(q + j + LANES), sum1);
        }
        float sum = v_sum(v_add(sum0, sum1));
        for (; j < d; j++)
            sum += wi_f16_to_f32(row[j]) * q[j];
        out[i] = sum;
    }
}
