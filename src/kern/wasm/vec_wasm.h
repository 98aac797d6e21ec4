/* The vector vocabulary of kern/simd on WebAssembly SIMD; with WI_RELAXED on relaxed SIMD, and with
 * WI_RELAXED_DOT with its four-fold dot product. Four lanes. */
#ifndef WI_KERN_VEC_H
#define WI_KERN_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

enum { LANES = 4 };
typedef v128_t vf;
typedef v128_t vi;

static inline vf v_load(const float *p)
{
    return wasm_v128_load(p);
}
static inline void v_store(float *p, vf x)
{
    wasm_v128_store(p, x);
}
static inline vf v_load_part(const float *p, size_t n)
{
    float t[4] = {0};
    for (size_t i = 0; i < n; i++)
        t[i] = p[i];
    return wasm_v128_load(t);
}
static inline void v_store_part(float *p, vf x, size_t n)
{
    float t[4];
    wasm_v128_store(t, x);
    for (size_t i = 0; i < n; i++)
        p[i] = t[i];
}
static inline vf v_set(float x)
{
    return wasm_f32x4_splat(x);
}
static inline vf v_add(vf a, vf b)
{
    return wasm_f32x4_add(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return wasm_f32x4_sub(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return wasm_f32x4_mul(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return wasm_f32x4_div(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
#if defined(WI_RELAXED)
    return wasm_f32x4_relaxed_madd(a, b, c);
#else
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}
/* pmax(b, a) is b < a ? a : b, hence b where either is NaN. */
static inline vf v_max(vf a, vf b)
{
    return wasm_f32x4_pmax(b, a);
}
static inline vf v_min(vf a, vf b)
{
    return wasm_f32x4_pmin(b, a);
}
static inline vf v_round(vf x)
{
    return wasm_f32x4_nearest(x);
}
static inline vf v_abs(vf x)
{
    return wasm_f32x4_abs(x);
}
static inline vf v_copysign(vf a, vf b)
{
    return wasm_v128_bitselect(b, a, wasm_i32x4_splat((int32_t)0x80000000u));
}
static inline vf v_exp2i(vf x)
{
    return wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(x), wasm_i32x4_splat(127)), 23);
}
static inline float v_sum(vf x)
{
    return (wasm_f32x4_extract_lane(x, 0) + wasm_f32x4_extract_lane(x, 2)) +
           (wasm_f32x4_extract_lane(x, 1) + wasm_f32x4_extract_lane(x, 3));
}
static inline float v_top(vf x)
{
    vf y = v_max(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
    y = v_max(y, wasm_i32x4_shuffle(y, y, 1, 0, 3, 2));
    return wasm_f32x4_extract_lane(y, 0);
}
/* No instruction widens halves. Moving exponent and fraction into place and multiplying by 2^112 is
 * exact for normal and subnormal numbers alike; infinities and NaN, which weights do not hold, keep
 * their own path. */
static inline vf v_widen_f16(const uint16_t *p)
{
    v128_t h = wasm_u32x4_load16x4(p);
    v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x8000)), 16);
    v128_t body = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x7fff)), 13);
    v128_t value = wasm_f32x4_mul(body, wasm_i32x4_splat(0x77800000)); /* 2^112 */
    v128_t special = wasm_i32x4_ge(body, wasm_i32x4_splat(0x0f800000));
    value = wasm_v128_bitselect(wasm_v128_or(body, wasm_i32x4_splat(0x7f800000)), value, special);
    return wasm_v128_or(value, sign);
}
static inline vf v_widen_bf16(const uint16_t *p)
{
    return wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16);
}
/* Rounded half to even, as bytes; x is 0..255. Adding 2^23 rounds, and leaves the integer in the last bits:
 * engines on x86 have no one instruction that converts as WebAssembly asks for. */
static inline void v_store_u8(uint8_t *p, vf x)
{
    v128_t i = wasm_f32x4_add(x, wasm_f32x4_splat(8388608.0f));
    i = wasm_i8x16_shuffle(i, i, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    wasm_v128_store32_lane(p, i, 0);
}
/* Rounded half to even and clamped to 0..127, as bytes; NaN gives 0, in this order of operands. */
static inline void v_store_u7(uint8_t *p, vf x)
{
    v_store_u8(p, v_min(v_max(x, v_set(0.0f)), v_set(127.0f)));
}

static inline vi vi_zero(void)
{
    return wasm_i32x4_splat(0);
}
static inline vi vi_set(int32_t x)
{
    return wasm_i32x4_splat(x);
}
static inline vi vi_load(const void *p)
{
    return wasm_v128_load(p);
}
static inline vi vi_widen_u8(const uint8_t *p)
{
    return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
}
/* As many bytes as one load widens best. */
enum { VI_RUN = 2 };
static inline void vi_widen_run(const uint8_t *p, vi out[VI_RUN])
{
    const v128_t words = wasm_u16x8_load8x8(p);
    out[0] = wasm_u32x4_extend_low_u16x8(words);
    out[1] = wasm_u32x4_extend_high_u16x8(words);
}
/* clip(x >> n) of both, a's in the low half: both narrowing steps saturate. */
static inline uint64_t vi_clip_u8(vi a, vi b, const int n)
{
    const v128_t words =
        wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(a, (uint32_t)n), wasm_i32x4_shr(b, (uint32_t)n));
    return (uint64_t)wasm_i64x2_extract_lane(wasm_u8x16_narrow_i16x8(words, words), 0);
}
/* quad[channel] = the bytes of n rows (constant at every call) in column i, the first row's lowest: unpacking
 * in place of widening, shifting and merging each row. */
static inline vi vi_quad(const size_t n, const uint8_t *const row[4], const size_t *step, size_t i)
{
    const v128_t zero = wasm_i32x4_splat(0), a = wasm_v128_load32_zero(row[0] + i * step[0]);
    const v128_t b = n > 1 ? wasm_v128_load32_zero(row[1] + i * step[1]) : zero;
    const v128_t c = n > 2 ? wasm_v128_load32_zero(row[2] + i * step[2]) : zero;
    const v128_t d = n > 3 ? wasm_v128_load32_zero(row[3] + i * step[3]) : zero;
#define INTERLEAVED(x, y)                                                                          \
    wasm_i8x16_shuffle(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    const v128_t ab = INTERLEAVED(a, b), cd = INTERLEAVED(c, d);
#undef INTERLEAVED
    return wasm_i16x8_shuffle(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11);
}
#define VI_QUAD vi_quad
static inline vi vi_shl(vi x, const int n)
{
    return wasm_i32x4_shl(x, (uint32_t)n);
}
static inline vi vi_or(vi a, vi b)
{
    return wasm_v128_or(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return wasm_i32x4_sub(a, b);
}
static inline vi vi_add(vi a, vi b)
{
    return wasm_i32x4_add(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return wasm_i32x4_mul(a, b);
}
static inline vf vi_to_f32(vi x)
{
    return wasm_f32x4_convert_i32x4(x);
}
static inline int32_t vi_sum(vi x)
{
    return wasm_i32x4_extract_lane(x, 0) + wasm_i32x4_extract_lane(x, 1) +
           wasm_i32x4_extract_lane(x, 2) + wasm_i32x4_extract_lane(x, 3);
}
static inline vi vi_dot4(vi acc, vi q, vi w)
{
/* Both relaxed products are defined by the standard because their second operand is 0..127. */
#if defined(WI_RELAXED_DOT)
    /* V8 11's first compiler forgets the addend: the start-up check then leaves this row out. */
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, q, acc);
#elif defined(WI_RELAXED)
    /* 127*127*2 fits 16 bits. Three instructions on x86, where the four-fold product takes five. */
    return wasm_i32x4_add(
        acc, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_relaxed_dot_i8x16_i7x16(w, q)));
#else
    const vi odd = wasm_i32x4_dot_i16x8(wasm_u16x8_shr(q, 8), wasm_i16x8_shr(w, 8));
    const vi even = wasm_i32x4_dot_i16x8(wasm_v128_and(q, wasm_i16x8_splat(0xff)),
                                         wasm_i16x8_shr(wasm_i16x8_shl(w, 8), 8));
    return wasm_i32x4_add(wasm_i32x4_add(acc, even), odd);
#endif
}

/* Engines on x86 have 15 registers to give: 2*4 sums, 4 weights, 2 row values. A third row spills
 * and takes up to twice the time; on AArch64 8 sums are as many as two pipes of latency 4 need. */
enum { TILE_ROWS = 2, TILE_PANELS = 1, TILE_ROWS_S8 = 2, TILE_PANELS_S8 = 1 };

#endif
