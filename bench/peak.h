/* What this machine can do at most: the denominators of every fraction that a bench prints. */
#ifndef WI_BENCH_PEAK_H
#define WI_BENCH_PEAK_H

/* Multiply-adds in registers only, on n_threads threads, best of several runs.
 * f32: GFLOP/s of the widest fused multiply-add here; int8: GOP/s of the int8 dot path that the
 * kernels use. */
double peak_f32(int n_threads);
double peak_int8(int n_threads);
/* GB/s of reading memory far larger than the caches. */
double peak_read(int n_threads);
const char *peak_isa(void);

double seconds_now(void);

#endif
