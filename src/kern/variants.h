/* The tables that are compiled in, and the inventory that table.c, the tests and the benches walk.
 * A table may leave operations NULL: the next better one below it then serves. */
#ifndef WI_KERN_VARIANTS_H
#define WI_KERN_VARIANTS_H

#include "kern/kern.h"

/* X(isa name, features needed, table), worst first. */
#if defined(__x86_64__)
#define WI_KERN_VARIANTS(X)                                                                        \
    X("avx2", WI_CPU_AVX2, wi_kern_avx2)                                                           \
    X("avxvnni", WI_CPU_AVX2 | WI_CPU_AVX_VNNI, wi_kern_avxvnni)                                   \
    X("avx512", WI_CPU_AVX2 | WI_CPU_AVX512, wi_kern_avx512)                                       \
    X("avx512vnni", WI_CPU_AVX2 | WI_CPU_AVX512 | WI_CPU_AVX512_VNNI, wi_kern_avx512vnni)
#elif defined(__aarch64__)
#define WI_KERN_VARIANTS(X)                                                                        \
    X("neon", WI_CPU_NEON, wi_kern_neon)                                                           \
    X("dotprod", WI_CPU_NEON | WI_CPU_DOTPROD, wi_kern_dotprod)                                    \
    X("i8mm", WI_CPU_NEON | WI_CPU_DOTPROD | WI_CPU_I8MM, wi_kern_i8mm)
#elif defined(__wasm_relaxed_simd__)
#define WI_KERN_VARIANTS(X)                                                                        \
    X("wasm", WI_CPU_WASM_SIMD, wi_kern_wasm)                                                      \
    X("relaxed", WI_CPU_WASM_SIMD | WI_CPU_WASM_RELAXED, wi_kern_relaxed)                          \
    X("dot", WI_CPU_WASM_SIMD | WI_CPU_WASM_RELAXED | WI_CPU_WASM_DOT, wi_kern_relaxed_dot)
#elif defined(__wasm_simd128__)
#define WI_KERN_VARIANTS(X) X("wasm", WI_CPU_WASM_SIMD, wi_kern_wasm)
#else
#define WI_KERN_VARIANTS(X)
#endif

#define X(name, features, table) extern const wi_kern table;
WI_KERN_VARIANTS(X)
#undef X

#endif
