/* The vector vocabulary of kern/simd on AVX2 + FMA. Eight lanes. */
#ifndef WI_KERN_VEC_H
#define WI_KERN_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8 };
typedef __m256 vf;
typedef __m256i vi;

static inline __m256i lanes_below(size_t n)
{
    const __m256i ramp = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), ramp);
}

static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
/* The first n < LANES lanes; the others read as zero and are not written. */
static inline vf v_load_part(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, lanes_below(n));
}
static inline void v_store_part(float *p, vf x, size_t n)
{
    _mm256_maskstore_ps(p, lanes_below(n), x);
}
static inline vf v_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
/* The second operand where either is NaN. */
static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf v_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
/* Magnitude of a, sign of b. */
static inline vf v_copysign(vf a, vf b)
{
    const vf sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}
/* 2^x for integral x in -126..127. */
static inline vf v_exp2i(vf x)
{
    vi e = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}
static inline float v_sum(vf x)
{
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
static inline float v_top(vf x)
{
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}
static inline vf v_widen_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline vf v_widen_bf16(const uint16_t *p)
{
    __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}
/* LANES whole numbers in 0..255 as bytes. */
static inline void v_store_u8(uint8_t *p, vf x)
{
    __m256i i = _mm256_cvtps_epi32(x);
    __m128i s = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(s, s));
}
/* Rounded half to even and clamped to 0..127, as bytes; NaN gives 0. */
static inline void v_store_u7(uint8_t *p, vf x)
{
    /* In this order of operands NaN stays, and is converted to the smallest integer. */
    __m256i i = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(127.0f), x));
    __m128i s = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(s, s));
}

static inline vi vi_zero(void)
{
    return _mm256_setzero_si256();
}
static inline vi vi_set(int32_t x)
{
    return _mm256_set1_epi32(x);
}
static inline vi vi_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}
/* LANES bytes, each in a lane. */
static inline vi vi_widen_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
static inline vi vi_shl(vi x, const int n)
{
    return _mm256_slli_epi32(x, n);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm256_or_si256(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return _mm256_mullo_epi32(a, b);
}
static inline vf vi_to_f32(vi x)
{
    return _mm256_cvtepi32_ps(x);
}
static inline int32_t vi_sum(vi x)
{
    __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    y = _mm_add_epi32(y, _mm_shuffle_epi32(y, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(y, _mm_shuffle_epi32(y, 0xb1)));
}
/* acc[lane] + sum of the lane's four q (u7) times w (s8). 127*127*2 fits 16 bits, so maddubs cannot
 * saturate. */
static inline vi vi_dot4(vi acc, vi q, vi w)
{
#if defined(__AVXVNNI__)
    /* The intrinsic makes GCC 12 copy accumulators around the loop. */
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(q), "x"(w));
    return acc;
#else
    __m256i pairs = _mm256_maddubs_epi16(q, w);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}

/* Register tiles: rows at a time, panels at a time. f32, and int8 with a dot instruction: 6*2 sums, 2
 * weights, 1 row value. Int8 without one (avx2.c): 4*2 sums, 4 weights, 4 for a row in work. */
enum { TILE_ROWS = 6, TILE_PANELS = 1, TILE_PANELS_S8 = 1 };
#if defined(__AVXVNNI__)
enum { TILE_ROWS_S8 = 6 };
#else
enum { TILE_ROWS_S8 = 4 };
#endif

#endif
