#include "kern/ref/ref.h"

#include "kern/half.h"

#include <math.h>

float wi_act_ref(wi_act act, float x)
{
    switch (act) {
    case WI_QUICK_GELU:
        return x / (1.0f + expf(-1.702f * x));
    case WI_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case WI_GELU_TANH:
        return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case WI_RELU:
        return x > 0.0f ? x : 0.0f;
    case WI_RELU6:
        return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
    case WI_NO_ACT:
        break;
    }
    return x;
}

/* y for output (i, j) from its sum; the order of the steps is part of the contract. */
static float finish(const wi_epilogue *e, float y, size_t i, size_t j)
{
    if (e->bias)
        y += e->bias[j];
    if (e->before)
        y += e->before[i * e->ld_before + j];
    y = wi_act_ref(e->act, y);
    if (e->after)
        y += e->after[i * e->ld_after + j];
    return y;
}

static void gemm_f32(size_t m, size_t n_panels, size_t k, const float *a, size_t lda,
                     const float *panels, float *c, size_t ldc, const wi_epilogue *epilogue)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n_panels * WI_PANEL; j++) {
            const float *w = panels + j / WI_PANEL * k * WI_PANEL + j % WI_PANEL;
            float sum = 0.0f;
            for (size_t p = 0; p < k; p++)
                sum += a[i * lda + p] * w[p * WI_PANEL];
            c[i * ldc + j] = finish(epilogue, sum, i, j);
        }
}

static void gemm_s8(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                    const wi_row_scale *rows, const int8_t *panels, const float *scale,
                    const int32_t *sum, float *c, size_t ldc, const wi_epilogue *epilogue)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n_panels * WI_PANEL; j++) {
            const int8_t *w = panels + (j / WI_PANEL * k4 * WI_PANEL + j % WI_PANEL) * 4;
            int32_t total = 0;
            for (size_t p = 0; p < 4 * k4; p++)
                total += q[i * lda + p] * w[p / 4 * WI_PANEL * 4 + p % 4];
            float y = (float)(total - rows[i].zero * sum[j]) * (rows[i].scale * scale[j]);
            c[i * ldc + j] = finish(epilogue, y, i, j);
        }
}

static uint8_t to_u7(float x)
{
    const float t = nearbyintf(x);
    return (uint8_t)(t > 0.0f ? (t < 127.0f ? t : 127.0f) : 0.0f);
}

static void gemm_s8_u7(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                       const wi_row_scale *rows, const int8_t *panels, const float *scale,
                       const int32_t *sum, const float *bias, uint8_t *out, size_t ldo)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n_panels * WI_PANEL; j++) {
            const int8_t *w = panels + (j / WI_PANEL * k4 * WI_PANEL + j % WI_PANEL) * 4;
            int32_t total = 0;
            for (size_t p = 0; p < 4 * k4; p++)
                total += q[i * lda + p] * w[p / 4 * WI_PANEL * 4 + p % 4];
            const float y = (float)(total - rows[i].zero * sum[j]) * (rows[i].scale * scale[j]);
            out[i * ldo + j] = to_u7(y + bias[j]);
        }
}

/* The input column that tap (x, kx) reads; false outside the picture. */
static bool column_of(const wi_depthwise *d, size_t x, size_t kx, size_t *column)
{
    *column = x * d->stride + kx - d->pad_left; /* wraps below zero */
    return *column < d->width;
}

static void depthwise_f32(const wi_depthwise *d, const float *const *rows, size_t ld,
                          const float *panels, const float *bias, wi_act act, float *out,
                          size_t ld_out)
{
    const size_t pitch = wi_depthwise_pitch(d->size), taps = d->size * pitch;
    for (size_t x = 0; x < d->out_width; x++)
        for (size_t c = 0; c < (size_t)d->n_panels * WI_PANEL; c++) {
            const float *w = panels + c / WI_PANEL * taps * WI_PANEL + c % WI_PANEL;
            float sum = 0.0f;
            for (size_t kx = 0; kx < d->size; kx++)
                for (size_t ky = 0, column; ky < d->size; ky++)
                    if (rows[ky] && column_of(d, x, kx, &column))
                        sum += rows[ky][column * ld + c] * w[(kx * pitch + ky) * WI_PANEL];
            out[x * ld_out + c] = wi_act_ref(act, sum + bias[c]);
        }
}

static void depthwise_s8(const wi_depthwise *d, const uint8_t *const *rows, size_t ld, uint8_t pad,
                         const int8_t *panels, const float *scale, const float *bias, uint8_t *out,
                         size_t ld_out)
{
    const size_t pitch = wi_depthwise_pitch(d->size), taps = d->size * pitch;
    for (size_t x = 0; x < d->out_width; x++)
        for (size_t c = 0; c < (size_t)d->n_panels * WI_PANEL; c++) {
            const int8_t *w = panels + (c / WI_PANEL * taps / 4 * WI_PANEL + c % WI_PANEL) * 4;
            int32_t sum = 0;
            for (size_t kx = 0; kx < d->size; kx++)
                for (size_t ky = 0, column; ky < d->size; ky++) {
                    const bool inside = column_of(d, x, kx, &column) && rows[ky];
                    const int32_t q = inside ? rows[ky][column * ld + c] : pad;
                    sum += q * w[((kx * pitch + ky) / 4 * WI_PANEL) * 4 + ky % 4];
                }
            out[x * ld_out + c] = to_u7((float)sum * scale[c] + bias[c]);
        }
}

static void widen_f16(size_t n, const uint16_t *x, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = wi_f16_to_f32(x[i]);
}

static void widen_bf16(size_t n, const uint16_t *x, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = wi_bf16_to_f32(x[i]);
}

static void layer_norm(size_t n, const float *x, const float *w, const float *b, float eps,
                       float *out)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    double inverse = 1.0 / sqrt(squares / (double)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((x[i] - mean) * inverse) * w[i] + b[i];
}

static wi_row_scale quantise_row(size_t n, const float *x, uint8_t *q)
{
    float low = 0.0f, high = 0.0f;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    wi_row_scale row = wi_row_scale_of(low, high);
    float inverse = row.scale > 0.0f ? 1.0f / row.scale : 0.0f;
    for (size_t i = 0; i < n; i++) {
        float t = nearbyintf(x[i] * inverse) + (float)row.zero;
        q[i] = (uint8_t)(t > 0.0f ? (t < 127.0f ? t : 127.0f) : 0.0f);
    }
    return row;
}

static void clamp_u7(size_t n, const float *x, float inverse, uint8_t *q)
{
    for (size_t i = 0; i < n; i++)
        q[i] = to_u7(x[i] * inverse);
}

static void softmax(size_t n, float scale, float *x)
{
    float top = x[0];
    for (size_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(scale * (x[i] - top));
        sum += x[i];
    }
    float inverse = (float)(1.0 / sum);
    for (size_t i = 0; i < n; i++)
        x[i] *= inverse;
}

static void activate(size_t n, wi_act act, float *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = wi_act_ref(act, x[i]);
}

static void attend(size_t n_keys, size_t d, float scale, const float *q, const float *keys,
                   const float *values, size_t ld, const uint32_t *index, float *scores, float *out)
{
    for (size_t j = 0; j < n_keys; j++) {
        const float *key = keys + index[j] * ld;
        float sum = 0.0f;
        for (size_t i = 0; i < d; i++)
            sum += q[i] * key[i];
        scores[j] = sum;
    }
    softmax(n_keys, scale, scores);
    for (size_t i = 0; i < d; i++) {
        float sum = 0.0f;
        for (size_t j = 0; j < n_keys; j++)
            sum += scores[j] * values[index[j] * ld + i];
        out[i] = sum;
    }
}

static void dots_f32(size_t n, size_t d, const float *rows, size_t ld, const float *q, float *out)
{
    for (size_t i = 0; i < n; i++) {
        float sum = 0.0f;
        for (size_t j = 0; j < d; j++)
            sum += rows[i * ld + j] * q[j];
        out[i] = sum;
    }
}

static void dots_f16(size_t n, size_t d, const uint16_t *rows, size_t ld, const float *q,
                     float *out)
{
    for (size_t i = 0; i < n; i++) {
        float sum = 0.0f;
        for (size_t j = 0; j < d; j++)
            sum += wi_f16_to_f32(rows[i * ld + j]) * q[j];
        out[i] = sum;
    }
}

static void dots_s8(size_t n, size_t d, const int8_t *rows, size_t ld, const uint8_t *q,
                    int32_t zero, int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        for (size_t j = 0; j < d; j++)
            sum += (q[j] - zero) * rows[i * ld + j];
        out[i] = sum;
    }
}

static uint8_t clip_taps(int32_t sum)
{
    const int32_t value = sum >> WI_TAPS_PRECISION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resample_row(const wi_taps *taps, uint32_t channels, const uint8_t *source,
                         uint8_t *out)
{
    for (uint32_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + (size_t)i * taps->stride;
        const uint8_t *at = source + (size_t)taps->first[i] * channels;
        for (uint32_t c = 0; c < channels; c++) {
            int32_t sum = 1 << (WI_TAPS_PRECISION_BITS - 1);
            for (uint32_t k = 0; k < taps->n_taps[i]; k++)
                sum += weights[k] * at[(size_t)k * channels + c];
            *out++ = clip_taps(sum);
        }
    }
}

static void resample_along(const wi_taps *taps, uint32_t channels,
                           const uint8_t *const source[WI_RESAMPLE_ROWS],
                           uint8_t *const out[WI_RESAMPLE_ROWS])
{
    for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
        if (r == 0 || source[r] != source[r - 1] || out[r] != out[r - 1])
            resample_row(taps, channels, source[r], out[r]);
}

static void resample_down(const wi_taps *taps, uint32_t i, const uint8_t *rows, size_t stride_bytes,
                          size_t n_bytes, uint8_t *out)
{
    const int32_t *weights = taps->weights + (size_t)i * taps->stride;
    for (size_t x = 0; x < n_bytes; x++) {
        int32_t sum = 1 << (WI_TAPS_PRECISION_BITS - 1);
        for (uint32_t k = 0; k < taps->n_taps[i]; k++)
            sum += weights[k] * rows[k * stride_bytes + x];
        out[x] = clip_taps(sum);
    }
}

#define X(name) .name = name,
const wi_kern wi_kern_ref = {WI_KERN_OPERATIONS(X)};
#undef X
