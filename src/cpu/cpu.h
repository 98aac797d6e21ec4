/* What this processor can run. Built with baseline flags only and without LTO, so that asking never
 * executes an instruction that is not there. */
#ifndef WI_CPU_CPU_H
#define WI_CPU_CPU_H

#include <stdint.h>

typedef uint32_t wi_cpu_features;
enum {
    WI_CPU_AVX2 = 1u << 0,     /* with FMA and F16C */
    WI_CPU_AVX512 = 1u << 1,   /* F, BW, DQ, VL */
    WI_CPU_AVX_VNNI = 1u << 2, /* 256-bit vpdpbusd without AVX-512 */
    WI_CPU_AVX512_VNNI = 1u << 3,
    WI_CPU_NEON = 1u << 4, /* baseline on AArch64 */
    WI_CPU_DOTPROD = 1u << 5,
    WI_CPU_I8MM = 1u << 6,
    WI_CPU_WASM_SIMD = 1u << 7, /* what the module was compiled with */
    WI_CPU_WASM_RELAXED = 1u << 8,
    WI_CPU_WASM_DOT = 1u << 9 /* the engine turns the relaxed dot product into one instruction */
};

/* Cheap, and the same each time. The operating system's support for the wide registers is checked
 * too. */
wi_cpu_features wi_cpu_detect(void);

/* Online logical processors that this process may use, at least 1. */
int wi_cpu_count(void);

#endif
