/* Source: Intel's and Arm's descriptions of the instructions. */
#include "base/sha256_fast.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>

static bool detect(void)
{
    unsigned a, b, c, d;
    const unsigned ssse3_sse41 = 1u << 9 | 1u << 19, sha = 1u << 29;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & ssse3_sse41) != ssse3_sse41)
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & sha);
}

/* The registers hold a, b, e, f and c, d, g, h, the first in the highest lane; w the last sixteen
 * words of the message. */
__attribute__((target("sha,ssse3,sse4.1"))) void
wi_sha256_fast(uint32_t state[8], const uint8_t *blocks, size_t n_blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; n_blocks; n_blocks--, blocks += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] =
                _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)blocks + i), swap);
        for (int i = 0; i < 16; i++) {
            const __m128i constants =
                _mm_loadu_si128((const __m128i *)(const void *)wi_sha256_constants + i);
            const __m128i sum = _mm_add_epi32(w[i % 4], constants);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            const __m128i third = w[(i + 2) % 4], fourth = w[(i + 3) % 4];
            w[i % 4] =
                _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                                   _mm_alignr_epi8(fourth, third, 4)),
                                     fourth);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    uint32_t x[4], y[4];
    memcpy(x, &abef, sizeof x);
    memcpy(y, &cdgh, sizeof y);
    const uint32_t out[8] = {x[3], x[2], y[3], y[2], x[1], x[0], y[1], y[0]};
    memcpy(state, out, sizeof out);
}

#elif defined(__aarch64__) && defined(__linux__) && defined(__GNUC__)
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <stdatomic.h>
#include <sys/auxv.h>

static bool detect(void)
{
    return getauxval(AT_HWCAP) & HWCAP_SHA2;
}

__attribute__((target("+crypto"))) void wi_sha256_fast(uint32_t state[8], const uint8_t *blocks,
                                                       size_t n_blocks)
{
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; n_blocks; n_blocks--, blocks += 64) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t w[4];
        for (int i = 0; i < 4; i++)
            w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + 16 * i)));
        for (int i = 0; i < 16; i++) {
            const uint32x4_t sum = vaddq_u32(w[i % 4], vld1q_u32(wi_sha256_constants + 4 * i));
            const uint32x4_t was = abcd;
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, was, sum);
            w[i % 4] = vsha256su1q_u32(vsha256su0q_u32(w[i % 4], w[(i + 1) % 4]), w[(i + 2) % 4],
                                       w[(i + 3) % 4]);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

#else
bool wi_sha256_has_fast(void)
{
    return false;
}

void wi_sha256_fast(uint32_t state[8], const uint8_t *blocks, size_t n_blocks)
{
    wi_sha256_plain(state, blocks, n_blocks);
}
#define WI_NO_FAST_SHA256
#endif

#ifndef WI_NO_FAST_SHA256
/* Asked once: the question may be slow under a hypervisor. */
bool wi_sha256_has_fast(void)
{
    static atomic_int known; /* 0: not asked yet, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        answer = detect() ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}
#endif
