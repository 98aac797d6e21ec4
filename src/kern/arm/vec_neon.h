/* The vector vocabulary of kern/simd on AArch64's Advanced SIMD. Four lanes. */
#ifndef WI_KERN_VEC_H
#define WI_KERN_VEC_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 4 };
typedef float32x4_t vf;
typedef int32x4_t vi;

static inline vf v_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void v_store(float *p, vf x)
{
    vst1q_f32(p, x);
}
static inline vf v_load_part(const float *p, size_t n)
{
    float t[4] = {0};
    for (size_t i = 0; i < n; i++)
        t[i] = p[i];
    return vld1q_f32(t);
}
static inline void v_store_part(float *p, vf x, size_t n)
{
    float t[4];
    vst1q_f32(t, x);
    for (size_t i = 0; i < n; i++)
        p[i] = t[i];
}
static inline vf v_set(float x)
{
    return vdupq_n_f32(x);
}
static inline vf v_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
static inline vf v_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vf v_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vf v_round(vf x)
{
    return vrndnq_f32(x);
}
static inline vf v_abs(vf x)
{
    return vabsq_f32(x);
}
static inline vf v_copysign(vf a, vf b)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), b, a);
}
static inline vf v_exp2i(vf x)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(127)), 23));
}
static inline float v_sum(vf x)
{
    return vaddvq_f32(x);
}
static inline float v_top(vf x)
{
    return vmaxvq_f32(x);
}
static inline vf v_widen_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline vf v_widen_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline void v_store_u8(uint8_t *p, vf x)
{
    int32_t t[4];
    vst1q_s32(t, vcvtnq_s32_f32(x));
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)t[i];
}
/* Rounded half to even and clamped to 0..127, as bytes; NaN gives 0. */
static inline void v_store_u7(uint8_t *p, vf x)
{
    const int32x4_t i = vminq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(127)); /* NaN becomes 0 */
    const uint16x4_t words = vqmovun_s32(i);
    const uint32_t four =
        vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
    __builtin_memcpy(p, &four, sizeof four);
}

static inline vi vi_zero(void)
{
    return vdupq_n_s32(0);
}
static inline vi vi_set(int32_t x)
{
    return vdupq_n_s32(x);
}
static inline vi vi_load(const void *p)
{
    return vreinterpretq_s32_s8(vld1q_s8((const int8_t *)p));
}
static inline vi vi_widen_u8(const uint8_t *p)
{
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    const uint16x8_t words = vmovl_u8(vcreate_u8(four));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}
/* As many bytes as one load widens best. */
enum { VI_RUN = 4 };
static inline void vi_widen_run(const uint8_t *p, vi out[VI_RUN])
{
    const uint8x16_t bytes = vld1q_u8(p);
    const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
    out[0] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low)));
    out[1] = vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low)));
    out[2] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high)));
    out[3] = vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high)));
}
/* clip(x >> n) of both, a's in the low half: both narrowing steps saturate. */
static inline uint64_t vi_clip_u8(vi a, vi b, const int n)
{
    const vi by = vdupq_n_s32(-n);
    const int16x8_t words =
        vcombine_s16(vqmovn_s32(vshlq_s32(a, by)), vqmovn_s32(vshlq_s32(b, by)));
    return vget_lane_u64(vreinterpret_u64_u8(vqmovun_s16(words)), 0);
}
static inline vi vi_shl(vi x, const int n)
{
    return vshlq_s32(x, vdupq_n_s32(n));
}
static inline vi vi_or(vi a, vi b)
{
    return vorrq_s32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return vsubq_s32(a, b);
}
static inline vi vi_add(vi a, vi b)
{
    return vaddq_s32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return vmulq_s32(a, b);
}
static inline vf vi_to_f32(vi x)
{
    return vcvtq_f32_s32(x);
}
static inline int32_t vi_sum(vi x)
{
    return vaddvq_s32(x);
}
/* q is at most 127, so signed products do. */
static inline vi vi_dot4(vi acc, vi q, vi w)
{
    int8x16_t a = vreinterpretq_s8_s32(q), b = vreinterpretq_s8_s32(w);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(acc, a, b);
#else
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
    return vaddq_s32(acc, vpaddq_s32(low, high));
#endif
}

/* 32 registers: 6*4 sums, 4 weights, 1 row value. */
enum { TILE_ROWS = 6, TILE_PANELS = 1, TILE_ROWS_S8 = 6, TILE_PANELS_S8 = 1 };

#endif
