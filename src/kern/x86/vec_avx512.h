/* The vector vocabulary of kern/simd on AVX-512 (F, BW, DQ, VL). Sixteen lanes. */
#ifndef WI_KERN_VEC_H
#define WI_KERN_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 };
typedef __m512 vf;
typedef __m512i vi;

static inline __mmask16 lanes_below(size_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline vf v_load_part(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}
static inline void v_store_part(float *p, vf x, size_t n)
{
    _mm512_mask_storeu_ps(p, lanes_below(n), x);
}
static inline vf v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf v_round(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf x)
{
    return _mm512_abs_ps(x);
}
static inline vf v_copysign(vf a, vf b)
{
    const vf sign = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b));
}
static inline vf v_exp2i(vf x)
{
    vi e = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(e, 23));
}
static inline float v_sum(vf x)
{
    return _mm512_reduce_add_ps(x);
}
static inline float v_top(vf x)
{
    return _mm512_reduce_max_ps(x);
}
static inline vf v_widen_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline vf v_widen_bf16(const uint16_t *p)
{
    __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}
static inline void v_store_u8(uint8_t *p, vf x)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
/* Rounded half to even and clamped to 0..127, as bytes; NaN gives 0. */
static inline void v_store_u7(uint8_t *p, vf x)
{
    /* In this order of operands NaN stays, and is converted to the smallest integer. */
    vi i = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(127.0f), x));
    i = _mm512_max_epi32(i, _mm512_setzero_si512());
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(i));
}

static inline vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
static inline vi vi_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}
static inline vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
/* LANES bytes, each in a lane. */
static inline vi vi_widen_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline vi vi_shl(vi x, const int n)
{
    return _mm512_slli_epi32(x, (unsigned)n);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}
static inline vf vi_to_f32(vi x)
{
    return _mm512_cvtepi32_ps(x);
}
static inline int32_t vi_sum(vi x)
{
    return _mm512_reduce_add_epi32(x);
}
static inline vi vi_dot4(vi acc, vi q, vi w)
{
#if defined(__AVX512VNNI__)
    /* The intrinsic makes GCC 12 copy accumulators around the loop, at a third of the speed. */
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(q), "v"(w));
    return acc;
#else
    __m512i pairs = _mm512_maddubs_epi16(q, w);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}

/* 32 registers: 14*2 sums, 2 weights, 1 row value. */
enum { TILE_ROWS = 14, TILE_PANELS = 2, TILE_ROWS_S8 = 14, TILE_PANELS_S8 = 2 };

#endif
