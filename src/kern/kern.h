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
 * (model/shrink.c); weights that break the bound give other sums on other ISAs, nothing worse.
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
    WI_RELU
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

/* c[m, 16*n_panels] = epilogue(a[m,k] . panels). lda >= k, ldc >= 16*n_panels, in elements.
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

typedef struct wi_kern {
    wi_gemm_f32_fn *gemm_f32;
    wi_gemm_s8_fn *gemm_s8;
    /* out[n] = x as f32, exact. */
    void (*widen_f16)(size_t n, const uint16_t *x, float *out);
    void (*widen_bf16)(size_t n, const uint16_t *x, float *out);
    /* out[n] = (x - mean) / sqrt(var + eps) * w + b; x and out may be the same. var is the
     * population's. */
    void (*layer_norm)(size_t n, const float *x, const float *w, const float *b, float eps,
                       float *out);
    /* Asymmetric 7-bit: zero is always representable; q = clamp(round_half_even(x / scale) + zero,
     * 0, 127). Bit-equal on every ISA. Rows without range, or with an infinite one, get scale 0. */
    wi_row_scale (*quantise_row)(size_t n, const float *x, uint8_t *q);
    /* x[n] = softmax(scale * x); n >= 1. A NaN makes all of them NaN: it must not end as a
     * confident answer. */
    void (*softmax)(size_t n, float scale, float *x);
    /* x[n] = act(x[n]). */
    void (*activate)(size_t n, wi_act act, float *x);
    /* One attention head of one query over keys and values that stand at rows index[0..n_keys):
     * out[d] = sum_j softmax_j(scale * q . keys[index[j]*ld ...]) values[index[j]*ld ...].
     * scores is scratch of n_keys floats. */
    void (*attend)(size_t n_keys, size_t d, float scale, const float *q, const float *keys,
                   const float *values, size_t ld, const uint32_t *index, float *scores,
                   float *out);
    /* out[n] = rows[n,d] . q[d]; ld in elements. */
    void (*dots_f32)(size_t n, size_t d, const float *rows, size_t ld, const float *q, float *out);
    void (*dots_f16)(size_t n, size_t d, const uint16_t *rows, size_t ld, const float *q,
                     float *out);
    /* q is u7 with its zero: out[i] = sum_j (q[j] - zero) rows[i,j], an exact integer. */
    void (*dots_s8)(size_t n, size_t d, const int8_t *rows, size_t ld, const uint8_t *q,
                    int32_t zero, int32_t *out);
} wi_kern;

/* Each operation's name and the ISA of the variant in use; same order as the table's fields. */
enum { WI_N_OPERATIONS = 12 };
typedef struct wi_kern_use {
    const char *operation, *isa;
    const char *warning; /* why a faster variant was set aside, or NULL */
} wi_kern_use;

/* Fills the table with the best variants for `features` (pass wi_cpu_detect() or fewer). Each
 * variant is first compared with the scalar reference on a tiny case; one that differs is left out
 * and named in `use`. */
void wi_kern_init(wi_kern *kern, wi_kern_use use[WI_N_OPERATIONS], wi_cpu_features features);

/* The features that an ISA's name allows ("scalar", "avx2", "avx512", "neon", "dotprod", "i8mm", "wasm",
 * "relaxed", "dot"),
 * cut to what is there; false for an unknown name or an ISA that this processor lacks altogether.
 */
bool wi_kern_limit(const char *isa, wi_cpu_features there, wi_cpu_features *out);

#endif
