#include "kern/check.h"

#include "kern/ref/ref.h"

#include <math.h>
#include <string.h>

/* Sizes that leave partial vectors and partial tiles on every ISA. */
enum { ROWS = 15, PANELS = 3, K = 21, K4 = (K + 3) / 4, COLUMNS = PANELS * WI_PANEL };

typedef struct pattern {
    uint32_t state;
} pattern;

static uint32_t next_bits(pattern *p)
{
    p->state = p->state * 1664525u + 1013904223u;
    return p->state >> 8;
}

static void fill_f32(pattern *p, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(next_bits(p) & 0xffff) / 16384.0f - 2.0f;
}

static void fill_bytes(pattern *p, void *bytes, size_t n, uint8_t mask)
{
    uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)next_bits(p) & mask;
}

/* Finite halves of moderate size, with subnormals among them. */
static void fill_halves(pattern *p, uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (uint16_t)((next_bits(p) & 0x83ff) | (next_bits(p) % 20) << 10);
}

static bool close_enough(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-4f * (1.0f + fabsf(a[i]))))
            return false;
    return true;
}

static bool gemm_f32_agrees(const wi_kern *k)
{
    pattern p = {1};
    float a[ROWS * K], b[PANELS * K * WI_PANEL], bias[COLUMNS], c[2][ROWS * COLUMNS];
    fill_f32(&p, a, ROWS * K);
    fill_f32(&p, b, PANELS * K * WI_PANEL);
    fill_f32(&p, bias, COLUMNS);
    const wi_epilogue e = {.bias = bias, .act = WI_QUICK_GELU};
    wi_kern_ref.gemm_f32(ROWS, PANELS, K, a, K, b, c[0], COLUMNS, &e);
    k->gemm_f32(ROWS, PANELS, K, a, K, b, c[1], COLUMNS, &e);
    return close_enough(c[0], c[1], ROWS * COLUMNS);
}

static bool gemm_s8_agrees(const wi_kern *k)
{
    pattern p = {2};
    uint8_t q[ROWS * 4 * K4];
    int8_t b[PANELS * K4 * WI_PANEL * 4];
    wi_row_scale rows[ROWS];
    float scale[COLUMNS], bias[COLUMNS], c[2][ROWS * COLUMNS];
    int32_t sum[COLUMNS];
    fill_bytes(&p, q, sizeof q, 127);
    /* Within the bound of four weights, and at it. */
    fill_bytes(&p, b, sizeof b, 127);
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = i % 5 == 0 ? -WI_S8_FOUR / 4 : (int8_t)(b[i] - WI_S8_FOUR / 4);
    for (int i = 0; i < ROWS; i++)
        rows[i] = (wi_row_scale){0.01f * (float)(i + 1), 5 * i};
    fill_f32(&p, scale, COLUMNS);
    fill_f32(&p, bias, COLUMNS);
    for (int j = 0; j < COLUMNS; j++)
        sum[j] = 37 * j - 900;
    const wi_epilogue e = {.bias = bias};
    wi_kern_ref.gemm_s8(ROWS, PANELS, K4, q, 4 * K4, rows, b, scale, sum, c[0], COLUMNS, &e);
    k->gemm_s8(ROWS, PANELS, K4, q, 4 * K4, rows, b, scale, sum, c[1], COLUMNS, &e);
    return memcmp(c[0], c[1], sizeof c[0]) == 0;
}

static bool gemm_s8_u7_agrees(const wi_kern *k)
{
    pattern p = {13};
    uint8_t q[ROWS * 4 * K4], out[2][ROWS * COLUMNS];
    int8_t b[PANELS * K4 * WI_PANEL * 4];
    wi_row_scale rows[ROWS];
    float scale[COLUMNS], bias[COLUMNS];
    int32_t sum[COLUMNS];
    fill_bytes(&p, q, sizeof q, 127);
    fill_bytes(&p, b, sizeof b, 127);
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (int8_t)(b[i] - WI_S8_FOUR / 4);
    for (int i = 0; i < ROWS; i++)
        rows[i] = (wi_row_scale){0.01f * (float)(i + 1), 5 * i};
    fill_f32(&p, scale, COLUMNS);
    fill_f32(&p, bias, COLUMNS);
    for (int j = 0; j < COLUMNS; j++) {
        sum[j] = 37 * j - 900;
        scale[j] *= 0.01f;
        bias[j] += 40.0f;
    }
    wi_kern_ref.gemm_s8_u7(ROWS, PANELS, K4, q, 4 * K4, rows, b, scale, sum, bias, out[0], COLUMNS);
    k->gemm_s8_u7(ROWS, PANELS, K4, q, 4 * K4, rows, b, scale, sum, bias, out[1], COLUMNS);
    return memcmp(out[0], out[1], sizeof out[0]) == 0;
}

/* One row of outputs of two panels, with columns outside on both sides and one row outside. */
enum { DW_WIDTH = 10, DW_CHANNELS = 2 * WI_PANEL, DW_TAPS = WI_DEPTHWISE_MAX * 8 };

static wi_depthwise depthwise_shape(uint32_t size, uint32_t stride)
{
    return (wi_depthwise){size, stride, size / 2, DW_WIDTH, (DW_WIDTH - 1) / stride + 1, 2};
}

static bool depthwise_f32_agrees(const wi_kern *k)
{
    for (uint32_t size = 3; size <= WI_DEPTHWISE_MAX; size += 2)
        for (uint32_t stride = 1; stride <= 2; stride++) {
            pattern p = {14};
            const wi_depthwise d = depthwise_shape(size, stride);
            float in[WI_DEPTHWISE_MAX][DW_WIDTH * DW_CHANNELS], w[DW_CHANNELS * DW_TAPS];
            float bias[DW_CHANNELS], out[2][DW_WIDTH * DW_CHANNELS] = {{0}};
            const float *rows[WI_DEPTHWISE_MAX] = {NULL};
            fill_f32(&p, in[0], WI_DEPTHWISE_MAX * DW_WIDTH * DW_CHANNELS);
            fill_f32(&p, w, DW_CHANNELS * DW_TAPS);
            fill_f32(&p, bias, DW_CHANNELS);
            for (uint32_t i = 1; i < size; i++)
                rows[i] = in[i];
            wi_kern_ref.depthwise_f32(&d, rows, DW_CHANNELS, w, bias, WI_RELU6, out[0],
                                      DW_CHANNELS);
            k->depthwise_f32(&d, rows, DW_CHANNELS, w, bias, WI_RELU6, out[1], DW_CHANNELS);
            if (!close_enough(out[0], out[1], DW_WIDTH * DW_CHANNELS))
                return false;
        }
    return true;
}

static bool depthwise_s8_agrees(const wi_kern *k)
{
    for (uint32_t size = 3; size <= WI_DEPTHWISE_MAX; size += 2)
        for (uint32_t stride = 1; stride <= 2; stride++) {
            pattern p = {15};
            const wi_depthwise d = depthwise_shape(size, stride);
            uint8_t in[WI_DEPTHWISE_MAX][DW_WIDTH * DW_CHANNELS];
            uint8_t out[2][DW_WIDTH * DW_CHANNELS] = {{0}};
            int8_t w[DW_CHANNELS * DW_TAPS];
            float scale[DW_CHANNELS], bias[DW_CHANNELS];
            const uint8_t *rows[WI_DEPTHWISE_MAX] = {NULL};
            fill_bytes(&p, in, sizeof in, 127);
            fill_bytes(&p, w, sizeof w, 255);
            for (size_t i = 0; i < sizeof w; i++) { /* rows are padded to fours */
                const size_t row = i / 64 % (wi_depthwise_pitch(size) / 4) * 4 + i % 4;
                w[i] = w[i] == -128 || row >= size ? 0 : w[i];
            }
            fill_f32(&p, scale, DW_CHANNELS);
            fill_f32(&p, bias, DW_CHANNELS);
            for (size_t i = 0; i < DW_CHANNELS; i++) {
                scale[i] *= 0.004f;
                bias[i] += 50.0f;
            }
            for (uint32_t i = 1; i < size; i++)
                rows[i] = in[i];
            wi_kern_ref.depthwise_s8(&d, rows, DW_CHANNELS, 9, w, scale, bias, out[0], DW_CHANNELS);
            k->depthwise_s8(&d, rows, DW_CHANNELS, 9, w, scale, bias, out[1], DW_CHANNELS);
            if (memcmp(out[0], out[1], sizeof out[0]) != 0)
                return false;
        }
    return true;
}

static bool clamp_u7_agrees(const wi_kern *k)
{
    pattern p = {16};
    float x[K + 16];
    uint8_t q[2][K + 16];
    fill_f32(&p, x, K + 16);
    wi_kern_ref.clamp_u7(K + 16, x, 80.0f, q[0]);
    k->clamp_u7(K + 16, x, 80.0f, q[1]);
    return memcmp(q[0], q[1], sizeof q[0]) == 0;
}

static bool widening_agrees(const wi_kern *k, bool bf16)
{
    pattern p = {3};
    uint16_t x[K + 16];
    float y[2][K + 16];
    fill_halves(&p, x, K + 16);
    (bf16 ? wi_kern_ref.widen_bf16 : wi_kern_ref.widen_f16)(K + 16, x, y[0]);
    (bf16 ? k->widen_bf16 : k->widen_f16)(K + 16, x, y[1]);
    return memcmp(y[0], y[1], sizeof y[0]) == 0;
}

static bool layer_norm_agrees(const wi_kern *k)
{
    pattern p = {4};
    float x[K + 16], w[K + 16], b[K + 16], y[2][K + 16];
    fill_f32(&p, x, K + 16);
    fill_f32(&p, w, K + 16);
    fill_f32(&p, b, K + 16);
    wi_kern_ref.layer_norm(K + 16, x, w, b, 1e-5f, y[0]);
    k->layer_norm(K + 16, x, w, b, 1e-5f, y[1]);
    return close_enough(y[0], y[1], K + 16);
}

static bool quantise_row_agrees(const wi_kern *k)
{
    pattern p = {5};
    float x[K + 16];
    uint8_t q[2][K + 16];
    fill_f32(&p, x, K + 16);
    wi_row_scale a = wi_kern_ref.quantise_row(K + 16, x, q[0]);
    wi_row_scale b = k->quantise_row(K + 16, x, q[1]);
    return memcmp(&a, &b, sizeof a) == 0 && memcmp(q[0], q[1], sizeof q[0]) == 0;
}

static bool softmax_agrees(const wi_kern *k)
{
    pattern p = {6};
    float x[2][K + 16];
    fill_f32(&p, x[0], K + 16);
    memcpy(x[1], x[0], sizeof x[0]);
    wi_kern_ref.softmax(K + 16, 3.0f, x[0]);
    k->softmax(K + 16, 3.0f, x[1]);
    return close_enough(x[0], x[1], K + 16);
}

static bool activate_agrees(const wi_kern *k)
{
    for (wi_act act = WI_NO_ACT; act <= WI_RELU6; act++) {
        pattern p = {7};
        float x[2][K + 16];
        fill_f32(&p, x[0], K + 16);
        memcpy(x[1], x[0], sizeof x[0]);
        wi_kern_ref.activate(K + 16, act, x[0]);
        k->activate(K + 16, act, x[1]);
        if (!close_enough(x[0], x[1], K + 16))
            return false;
    }
    return true;
}

static bool attend_agrees(const wi_kern *k)
{
    pattern p = {8};
    static const uint32_t index[5] = {4, 0, 2, 2, 1};
    float q[K], keys[5 * K], values[5 * K], scores[5], y[2][K];
    fill_f32(&p, q, K);
    fill_f32(&p, keys, 5 * K);
    fill_f32(&p, values, 5 * K);
    wi_kern_ref.attend(5, K, 0.2f, q, keys, values, K, index, scores, y[0]);
    k->attend(5, K, 0.2f, q, keys, values, K, index, scores, y[1]);
    return close_enough(y[0], y[1], K);
}

static bool float_dots_agree(const wi_kern *k, bool f16)
{
    pattern p = {9};
    enum { D = K + 32 };
    float rows[3 * D], q[D], y[2][3];
    uint16_t halves[3 * D];
    fill_f32(&p, rows, 3 * D);
    fill_halves(&p, halves, 3 * D);
    fill_f32(&p, q, D);
    if (f16) {
        wi_kern_ref.dots_f16(3, D, halves, D, q, y[0]);
        k->dots_f16(3, D, halves, D, q, y[1]);
    } else {
        wi_kern_ref.dots_f32(3, D, rows, D, q, y[0]);
        k->dots_f32(3, D, rows, D, q, y[1]);
    }
    return close_enough(y[0], y[1], 3);
}

static bool dots_s8_agrees(const wi_kern *k)
{
    pattern p = {10};
    enum { D = K + 64 };
    int8_t rows[3 * D];
    uint8_t q[D];
    int32_t y[2][3];
    fill_bytes(&p, rows, sizeof rows, 127);
    fill_bytes(&p, q, sizeof q, 127);
    wi_kern_ref.dots_s8(3, D, rows, D, q, 64, y[0]);
    k->dots_s8(3, D, rows, D, q, 64, y[1]);
    return memcmp(y[0], y[1], sizeof y[0]) == 0;
}

static bool widen_f16_agrees(const wi_kern *k)
{
    return widening_agrees(k, false);
}

static bool widen_bf16_agrees(const wi_kern *k)
{
    return widening_agrees(k, true);
}

static bool dots_f32_agrees(const wi_kern *k)
{
    return float_dots_agree(k, false);
}

static bool dots_f16_agrees(const wi_kern *k)
{
    return float_dots_agree(k, true);
}

/* Weights of both signs whose sums stay as far from 32 bits as those of a resize; results clip. */
enum { OUTPUTS = 5, TAPS = 11, STRIDE = 16, WIDTH = OUTPUTS + TAPS };

typedef struct tap_memory {
    uint32_t first[OUTPUTS], n_taps[OUTPUTS];
    int32_t weights[OUTPUTS * STRIDE];
    int16_t split[OUTPUTS * STRIDE * 2];
} tap_memory;

static wi_taps make_taps(pattern *p, tap_memory *m)
{
    memset(m, 0, sizeof *m);
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        m->first[i] = i;
        m->n_taps[i] = TAPS - i;
        for (uint32_t k = 0; k < m->n_taps[i]; k++) {
            const int32_t w = (int32_t)(next_bits(p) % (1u << 19)) - (1 << 17), low = w & 4095;
            int16_t *group = m->split + (i * STRIDE + k / 4 * 4) * 2;
            m->weights[i * STRIDE + k] = w;
            group[k % 4] = (int16_t)((w - low) / 4096);
            group[4 + k % 4] = (int16_t)low;
        }
    }
    return (wi_taps){OUTPUTS, STRIDE, m->first, m->n_taps, m->weights, m->split};
}

static bool resample_along_agrees(const wi_kern *k)
{
    for (uint32_t channels = 1; channels <= 4; channels++) {
        pattern p = {11};
        tap_memory memory;
        const wi_taps taps = make_taps(&p, &memory);
        uint8_t in[WI_RESAMPLE_ROWS][WIDTH * 4 + WI_RESAMPLE_SLACK];
        uint8_t out[2][WI_RESAMPLE_ROWS][OUTPUTS * 4 + WI_RESAMPLE_SLACK];
        fill_bytes(&p, in, sizeof in, 255);
        for (int t = 0; t < 2; t++) {
            const uint8_t *source[WI_RESAMPLE_ROWS] = {in[0], in[1], in[2], in[3]};
            uint8_t *to[WI_RESAMPLE_ROWS] = {out[t][0], out[t][1], out[t][2], out[t][3]};
            (t ? k : &wi_kern_ref)->resample_along(&taps, channels, source, to);
        }
        for (int r = 0; r < WI_RESAMPLE_ROWS; r++)
            if (memcmp(out[0][r], out[1][r], OUTPUTS * channels) != 0)
                return false;
    }
    return true;
}

static bool resample_down_agrees(const wi_kern *k)
{
    enum { BYTES = 41, PITCH = BYTES + WI_RESAMPLE_SLACK };
    pattern p = {12};
    tap_memory memory;
    const wi_taps taps = make_taps(&p, &memory);
    uint8_t in[TAPS * PITCH], out[2][PITCH];
    fill_bytes(&p, in, sizeof in, 255);
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        wi_kern_ref.resample_down(&taps, i, in, PITCH, BYTES, out[0]);
        k->resample_down(&taps, i, in, PITCH, BYTES, out[1]);
        if (memcmp(out[0], out[1], BYTES) != 0)
            return false;
    }
    return true;
}

bool wi_kern_agrees(const wi_kern *variant, size_t operation)
{
#define X(name) name##_agrees,
    static bool (*const checks[WI_N_OPERATIONS])(const wi_kern *) = {WI_KERN_OPERATIONS(X)};
#undef X
    return checks[operation](variant);
}
