/* The operation table: every loop that takes time, once per ISA, behind one struct of function
 * pointers.
 *
 * The table is a value held by the engine, never a global: filled with the scalar reference first,
 * then overlaid with what the processor can run (table.c). Contracts are stated here once and hold
 * for each variant.
 *
 * Panels. A weight matrix W[n,k] (a linear layer's [out,in]) is stored as n/16 panels, rounded up,
 * each holding 16 output channels: f32, f16 and bf16 panels are [k][16]; int8 panels are [k/4
 * rounded up][16][4], so that one 4-byte group holds four neighbours along k, as the dot
 * instructions want. The padding is zero. All ISAs read this one layout, hence a model file can be
 * mapped and run anywhere.
 *
 * Int8 weights are bounded in fours: with w the weights of one channel, for every g the pairs
 * (w[8g], w[8g+1], w[8g+4], w[8g+5]) and (w[8g+2], w[8g+3], w[8g+6], w[8g+7]) have magnitudes that
 * add up to at most WI_S8_FOUR. Then four products with activations of 7 bits fit 16 bits, and ISAs
 * without a dot instruction add two multiplications before they widen. The quantiser sees to it
 * (checkpoint/shrink.c); weights that break the bound give other sums on other ISAs, nothing worse.
 *
 * Every function writes exactly what it says and reads nothing past its inputs. Vectors of weights
 * (bias, norm weights, column scales) that belong to panels are padded to whole panels. */
#ifndef WI_KERN_KERN_H
#define WI_KERN_KERN_H

#include "cpu/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WI_PANEL = 16, WI_S8_FOUR = 32767 / 127 };

/* What happens to a value after it is summed: y = act(sum + bias + before) + after. Transformers
 * add their residual after the activation, ResNets before it. */
typedef enum wi_act {
    WI_NO_ACT = 0,
    WI_QUICK_GELU, /* x * sigmoid(1.702 x) */
    WI_GELU,       /* x/2 * (1 + erf(x / sqrt 2)) */
    WI_GELU_TANH,  /* x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)) */
    WI_RELU,
    WI_RELU6 /* min(max(x, 0), 6) */
} wi_act;

typedef struct wi_epilogue {
    const float *bias;           /* [16 * n_panels] or NULL */
    const float *before, *after; /* [m, ld] or NULL. Either may be the output itself, but `after`
                                    only without an activation and without `before` */
    size_t ld_before, ld_after;  /* elements */
    wi_act act;
    const void *next; /* a hint: what the caller reads after this call, or NULL */
    size_t next_bytes;
} wi_epilogue;

/* A quantised row: real value = scale * (q - zero), q in 0..127. */
typedef struct wi_row_scale {
    float scale;
    int32_t zero;
} wi_row_scale;

/* c[m, 16*n_panels] = epilogue(a[m,k] . panels). ldc >= 16*n_panels, lda in elements; rows of a
 * may overlap (lda < k).
 * Each output is one sum over k in ascending order: the result does not depend on m or n_panels.
 * a and c do not overlap. */
typedef void wi_gemm_f32_fn(size_t m, size_t n_panels, size_t k, const float *a, size_t lda,
                            const float *panels, float *c, size_t ldc, const wi_epilogue *epilogue);

/* The same in integers: c = act(rows[i].scale * scale[j] * (sum_k q[i,k] w[j,k] - rows[i].zero *
 * sum[j]) + bias
 * + before) + after. q[m, 4*k4] u7; sum[j] = sum over k of w[j,k]. lda >= 4*k4 bytes. Weights obey
 * WI_S8_FOUR. Integer sums
 * are exact (|sum| < 2^31 for k <= 131072), the float steps are single multiplications and
 * additions in the order written and are never contracted, so without an activation the results are
 * bit-equal on every ISA. */
typedef void wi_gemm_s8_fn(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                           const wi_row_scale *rows, const int8_t *panels, const float *scale,
                           const int32_t *sum, float *c, size_t ldc, const wi_epilogue *epilogue);

/* The same sums, kept as 7 bits for the next matrix: out = clamp(round_half_even(rows[i].scale *
 * scale[j] * (...) + bias[j]), 0, 127). scale and bias are already divided by the step of the output;
 * with a step of 6/127 the clamp is ReLU6. bias is never NULL. Bit-equal on every ISA. ldo in bytes. */
typedef void wi_gemm_s8_u7_fn(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                              const wi_row_scale *rows, const int8_t *panels, const float *scale,
                              const int32_t *sum, const float *bias, uint8_t *out, size_t ldo);

/* A depthwise convolution (each channel has weights of its own) of which one row of pixels is wanted,
 * channels last. Output x reads the columns x * stride - pad_left + 0..size-1. Weights stand as panels of
 * a matrix [channels, size * wi_depthwise_pitch(size)] whose columns are (column, row) with the rows
 * padded to fours; the padding is zero. */
typedef struct wi_depthwise {
    uint32_t size, stride;     /* 1..7; 1 or 2 */
    uint32_t pad_left;         /* < size */
    uint32_t width, out_width; /* pixels of an input and of an output row */
    uint32_t n_panels;         /* of 16 channels; pixels hold whole panels */
} wi_depthwise;
enum { WI_DEPTHWISE_MAX = 7 };
static inline uint32_t wi_depthwise_pitch(uint32_t size)
{
    return (size + 3) / 4 * 4;
}

/* out[out_width] = act(sum + bias). rows[size]: input rows from the top, NULL outside the picture, where
 * everything is zero. ld, ld_out: floats from pixel to pixel. */
typedef void wi_depthwise_f32_fn(const wi_depthwise *shape, const float *const *rows, size_t ld,
                                 const float *panels, const float *bias, wi_act act, float *out,
                                 size_t ld_out);

/* In integers: out = clamp(round_half_even(scale[c] * (sum over taps of q * w) + bias[c]), 0, 127). q is
 * u7 and `pad` outside the picture; scale holds the input's step and the weights' over the output's, bias
 * what a zero that is not 0 asks for. Weights may use all of -127..127. Bit-equal on every ISA. */
typedef void wi_depthwise_s8_fn(const wi_depthwise *shape, const uint8_t *const *rows, size_t ld,
                                uint8_t pad, const int8_t *panels, const float *scale,
                                const float *bias, uint8_t *out, size_t ld_out);

/* q[n] = clamp(round_half_even(x * inverse), 0, 127). Bit-equal on every ISA; NaN gives 0. */
typedef void wi_clamp_u7_fn(size_t n, const float *x, float inverse, uint8_t *q);

/* out[n] = x as f32, exact. */
typedef void wi_widen_f16_fn(size_t n, const uint16_t *x, float *out);
typedef void wi_widen_bf16_fn(size_t n, const uint16_t *x, float *out);

/* out[n] = (x - mean) / sqrt(var + eps) * w + b; x and out may be the same. var is the population's. */
typedef void wi_layer_norm_fn(size_t n, const float *x, const float *w, const float *b, float eps,
                              float *out);

/* Asymmetric 7-bit: zero is always representable; q = clamp(round_half_even(x / scale) + zero, 0,
 * 127). Bit-equal on every ISA. Rows without range, or with an infinite one, get scale 0. */
typedef wi_row_scale wi_quantise_row_fn(size_t n, const float *x, uint8_t *q);

/* x[n] = softmax(scale * x); n >= 1. A NaN makes all of them NaN: it must not end as a confident
 * answer. */
typedef void wi_softmax_fn(size_t n, float scale, float *x);

/* x[n] = act(x[n]). */
typedef void wi_activate_fn(size_t n, wi_act act, float *x);

/* One attention head of one query over keys and values that stand at rows index[0..n_keys): out[d] =
 * sum_j softmax_j(scale * q . keys[index[j]*ld ...]) values[index[j]*ld ...]. scores is scratch of
 * n_keys floats. */
typedef void wi_attend_fn(size_t n_keys, size_t d, float scale, const float *q, const float *keys,
                          const float *values, size_t ld, const uint32_t *index, float *scores,
                          float *out);

/* out[n] = rows[n,d] . q[d]; ld in elements. */
typedef void wi_dots_f32_fn(size_t n, size_t d, const float *rows, size_t ld, const float *q,
                            float *out);
typedef void wi_dots_f16_fn(size_t n, size_t d, const uint16_t *rows, size_t ld, const float *q,
                            float *out);
/* q is u7 with its zero: out[i] = sum_j (q[j] - zero) rows[i,j], an exact integer. */
typedef void wi_dots_s8_fn(size_t n, size_t d, const int8_t *rows, size_t ld, const uint8_t *q,
                           int32_t zero, int32_t *out);

enum {
    WI_TAPS_PRECISION_BITS = 22, /* Pillow: 32 - 8 - 2 */
    WI_TAPS_SPLIT_BITS = 12,     /* weight == high * 2^12 + low, both fit 16 bits */
    WI_TAPS_STEP = 8,            /* stride is a multiple of this */
    WI_RESAMPLE_ROWS = 4,        /* rows that one call along the rows handles */
    /* Bytes past a row's end that kernels may read in source and write in out. */
    WI_RESAMPLE_SLACK = 32
};

/* The weights of one resampling pass: for each wanted output position, which input positions count
 * and how much, in Pillow's 22-bit fixed point. Invariant: n_taps[i] <= stride; weights past
 * n_taps[i] are 0; first[i] + n_taps[i] <= the input's length. */
typedef struct wi_taps {
    uint32_t n_out;
    uint32_t stride;
    uint32_t *first;
    uint32_t *n_taps;
    int32_t *weights; /* [n_out, stride] */
    int16_t *split;   /* [n_out, stride / 4, 8]: four high halves, then four low halves */
} wi_taps;

/* out[i][c] = clip((2^21 + sum_k weights[i][k] * row[first[i] + k][c]) >> 22) for WI_RESAMPLE_ROWS
 * rows of interleaved channels. source[r] and out[r] are the rows; they may repeat. Out rows have
 * n_out * channels bytes and WI_RESAMPLE_SLACK bytes of slack that may be overwritten. Bit-equal on
 * every ISA. */
typedef void wi_resample_along_fn(const wi_taps *taps, uint32_t channels,
                                  const uint8_t *const source[WI_RESAMPLE_ROWS],
                                  uint8_t *const out[WI_RESAMPLE_ROWS]);

/* The same down the columns for output row i: rows is the input row first[i], the next rows follow
 * at stride_bytes. n_bytes columns; rows and out have WI_RESAMPLE_SLACK bytes of slack. */
typedef void wi_resample_down_fn(const wi_taps *taps, uint32_t i, const uint8_t *rows,
                                 size_t stride_bytes, size_t n_bytes, uint8_t *out);

/* The one list of operations: X(name), its function type being wi_name_fn. The table, the names, the
 * start-up checks, the count and each ISA's table are made of it. Grouped by where they are written. */
#define WI_KERN_INTEGERS(X) X(gemm_s8) X(gemm_s8_u7) X(depthwise_s8) X(dots_s8)
#define WI_KERN_VECTORS(X)                                                                         \
    X(gemm_f32)                                                                                    \
    X(depthwise_f32)                                                                               \
    X(widen_f16)                                                                                   \
    X(widen_bf16)                                                                                  \
    X(layer_norm)                                                                                  \
    X(quantise_row)                                                                                \
    X(clamp_u7)                                                                                    \
    X(softmax)                                                                                     \
    X(activate)                                                                                    \
    X(attend)                                                                                      \
    X(dots_f32)                                                                                    \
    X(dots_f16)
#define WI_KERN_RESAMPLING(X) X(resample_along) X(resample_down)
#define WI_KERN_OPERATIONS(X) WI_KERN_VECTORS(X) WI_KERN_INTEGERS(X) WI_KERN_RESAMPLING(X)

#define X(name) wi_##name##_fn *name;
typedef struct wi_kern {
    WI_KERN_OPERATIONS(X)
} wi_kern;
#undef X
#define X(name) WI_KERN_##name,
enum { WI_KERN_OPERATIONS(X) WI_N_OPERATIONS };
#undef X

/* Each operation's name and the ISA of the variant in use; same order as the table's fields. */
typedef struct wi_kern_use {
    const char *operation, *isa;
    const char *warning; /* why a faster variant was set aside, or NULL */
} wi_kern_use;

/* Fills the table with the best variants for `features` (pass wi_cpu_detect() or fewer). Each
 * variant is first compared with the scalar reference on a tiny case; one that differs is left out
 * and named in `use`. */
void wi_kern_init(wi_kern *kern, wi_kern_use use[WI_N_OPERATIONS], wi_cpu_features features);

/* The same for this processor: what an engine without options has. */
void wi_kern_best(wi_kern *kern);

/* The features that an ISA's name allows ("scalar", "avx2", "avx512", "neon", "dotprod", "i8mm", "wasm",
 * "relaxed", "dot"),
 * cut to what is there; false for an unknown name or an ISA that this processor lacks altogether.
 */
bool wi_kern_limit(const char *isa, wi_cpu_features there, wi_cpu_features *out);

#endif
