/* Half-precision numbers, one at a time, exactly. */
#ifndef WI_KERN_HALF_H
#define WI_KERN_HALF_H

#include <stdint.h>
#include <string.h>

static inline float wi_bits_to_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t wi_f32_to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float wi_bf16_to_f32(uint16_t h)
{
    return wi_bits_to_f32((uint32_t)h << 16);
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t wi_f32_to_bf16(float x)
{
    uint32_t bits = wi_f32_to_bits(x);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float wi_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return wi_bits_to_f32(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24 */
        float x = (float)fraction * 5.9604644775390625e-8f;
        return wi_bits_to_f32(wi_f32_to_bits(x) | sign);
    }
    return wi_bits_to_f32(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Round to nearest even; too large becomes infinity. */
static inline uint16_t wi_f32_to_f16(float x)
{
    uint32_t bits = wi_f32_to_bits(x);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (bits >= 0x47800000) /* 65536 and up */
        return (uint16_t)(sign | 0x7c00);
    if (bits <
        0x38800000) { /* below 2^-14: adding 0.5 makes the hardware round the fraction to 2^-24 */
        float y = wi_bits_to_f32(bits) + 0.5f;
        return (uint16_t)(sign | (wi_f32_to_bits(y) - 0x3f000000));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | (bits - 0x38000000) >> 13);
}

#endif
