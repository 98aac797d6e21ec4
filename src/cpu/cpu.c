#include "cpu/cpu.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

wi_cpu_features wi_cpu_detect(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const unsigned need1 = bit_FMA | bit_AVX | bit_F16C | bit_OSXSAVE;
    if ((c & need1) != need1)
        return 0;
    uint64_t xcr0 = read_xcr0();
    if ((xcr0 & 0x6) != 0x6) /* the system saves XMM and YMM */
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
        return 0;
    wi_cpu_features features = WI_CPU_AVX2;
    const unsigned need512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((b & need512) == need512 && (xcr0 & 0xe6) == 0xe6) { /* and ZMM and the masks */
        features |= WI_CPU_AVX512;
        if (c & bit_AVX512VNNI)
            features |= WI_CPU_AVX512_VNNI;
    }
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4)))
        features |= WI_CPU_AVX_VNNI;
    return features;
}

#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
#endif

wi_cpu_features wi_cpu_detect(void)
{
    wi_cpu_features features = WI_CPU_NEON;
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & (1ul << 20)) /* HWCAP_ASIMDDP */
        features |= WI_CPU_DOTPROD;
    if (getauxval(AT_HWCAP2) & (1ul << 13)) /* HWCAP2_I8MM */
        features |= WI_CPU_I8MM;
#endif
    return features;
}

#elif defined(__wasm__)
#if defined(__wasm_relaxed_simd__)
#include <wasm_simd128.h>

/* The standard leaves open what the relaxed dot product does with a second operand of more than seven
 * bits, and so shows the instruction behind it: pmaddubsw, which saturates, needs others around it;
 * dot instructions do not saturate. */
static bool has_dot_instruction(void)
{
    volatile int8_t first = 127, second = -1;
    const v128_t sum = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(
        wasm_i8x16_splat(first), wasm_i8x16_splat(second), wasm_i32x4_splat(0));
    return wasm_i32x4_extract_lane(sum, 0) != 2 * INT16_MAX;
}
#endif

wi_cpu_features wi_cpu_detect(void)
{
    wi_cpu_features features = 0;
#if defined(__wasm_simd128__)
    features |= WI_CPU_WASM_SIMD;
#endif
#if defined(__wasm_relaxed_simd__)
    features |= WI_CPU_WASM_RELAXED;
    if (has_dot_instruction())
        features |= WI_CPU_WASM_DOT;
#endif
    return features;
}

#else

wi_cpu_features wi_cpu_detect(void)
{
    return 0;
}

#endif

#if defined(__linux__)
#include <sched.h>

int wi_cpu_count(void)
{
    /* The affinity mask, not the machine's count: containers and taskset narrow it. */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}
#elif defined(__unix__) || defined(__APPLE__) || defined(_WIN32)
#include <unistd.h>

int wi_cpu_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
#else
int wi_cpu_count(void)
{
    return 1;
}
#endif
