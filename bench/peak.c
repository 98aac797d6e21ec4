#include "peak.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define TEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)

/* Ten independent chains hide the latency (4 cycles, two units). Registers only, in assembler, so
 * that no compiler can fold or spill them. Zeros stay zeros: no denormals. Each returns operations
 * done. */
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq"))) static double fma_avx512(long n)
{
#define X(i) "vfmadd231ps %%zmm31, %%zmm31, %%zmm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile("vpxord %%zmm31, %%zmm31, %%zmm31\n\t" TEN(X) TEN(X) TEN(X) TEN(X)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm31");
#undef X
    return (double)n * 40 * 32;
}
__attribute__((target("avx512f,avx512vnni"))) static double dot_avx512(long n)
{
#define X(i) "vpdpbusd %%zmm31, %%zmm31, %%zmm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile(TEN(X) TEN(X) TEN(X) TEN(X)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm31");
#undef X
    return (double)n * 40 * 128;
}
__attribute__((target("avx2,fma"))) static double fma_avx2(long n)
{
#define X(i) "vfmadd231ps %%ymm15, %%ymm15, %%ymm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile("vpxor %%ymm15, %%ymm15, %%ymm15\n\t" TEN(X) TEN(X) TEN(X) TEN(X)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm15");
#undef X
    return (double)n * 40 * 16;
}
/* maddubs, madd, add: the three steps of one int8 product without a dot instruction. */
__attribute__((target("avx2"))) static double dot_avx2(long n)
{
#define X(i)                                                                                       \
    "vpmaddubsw %%ymm15, %%ymm15, %%ymm10\n\tvpmaddwd %%ymm15, %%ymm10, %%ymm10\n\t"               \
    "vpaddd %%ymm10, %%ymm" #i ", %%ymm" #i "\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile(TEN(X) TEN(X)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                               "xmm8", "xmm9", "xmm10", "xmm15");
#undef X
    return (double)n * 20 * 64;
}
typedef double loop_fn(long);
static loop_fn *f32_loop(void)
{
    return __builtin_cpu_supports("avx512f") ? fma_avx512 : fma_avx2;
}
static loop_fn *int8_loop(void)
{
    return __builtin_cpu_supports("avx512vnni") ? dot_avx512 : dot_avx2;
}
const char *peak_isa(void)
{
    return __builtin_cpu_supports("avx512vnni") ? "avx512 + vnni"
           : __builtin_cpu_supports("avx512f")  ? "avx512"
                                                : "avx2";
}
#elif defined(__aarch64__)
typedef double loop_fn(long);
static double fma_neon(long n)
{
#define X(i) "fmla v" #i ".4s, v31.4s, v31.4s\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile("movi v31.4s, #0\n\t" TEN(X) TEN(X) TEN(X) TEN(X)::
                             : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v31");
#undef X
    return (double)n * 40 * 8;
}
static double dot_neon(long n)
{
#define X(i) "smull v10.8h, v31.8b, v31.8b\n\tsadalp v" #i ".4s, v10.8h\n\t"
    for (long i = 0; i < n; i++)
        __asm__ volatile(TEN(X) TEN(X)::
                             : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
                               "v31");
#undef X
    return (double)n * 20 * 16;
}
static loop_fn *f32_loop(void)
{
    return fma_neon;
}
static loop_fn *int8_loop(void)
{
    return dot_neon;
}
const char *peak_isa(void)
{
    return "neon";
}
#endif

typedef struct task {
    loop_fn *loop;
    long n;
    double done;
    const uint64_t *memory;
    size_t n_words;
} task;

static void *run_task(void *argument)
{
    task *t = argument;
    if (t->loop) {
        t->done = t->loop(t->n);
    } else {
        uint64_t sums[8] = {0};
        for (size_t i = 0; i + 8 <= t->n_words; i += 8)
            for (int j = 0; j < 8; j++)
                sums[j] += t->memory[i + (size_t)j];
        uint64_t all = 0;
        for (int j = 0; j < 8; j++)
            all += sums[j];
        t->done = (double)t->n_words * 8 + (all == 42 ? 1e-9 : 0.0); /* the sum must be used */
    }
    return NULL;
}

static double best_rate(int n_threads, const task *model, int runs)
{
    double best = 0.0;
    for (int r = 0; r < runs; r++) {
        pthread_t threads[64];
        task tasks[64];
        const int n = n_threads < 64 ? n_threads : 64;
        double done = 0.0, start = seconds_now();
        for (int i = 0; i < n; i++) {
            tasks[i] = *model;
            if (model->memory) {
                tasks[i].n_words = model->n_words / (size_t)n;
                tasks[i].memory = model->memory + (size_t)i * tasks[i].n_words;
            }
            if (pthread_create(&threads[i], NULL, run_task, &tasks[i]) != 0)
                abort();
        }
        for (int i = 0; i < n; i++) {
            pthread_join(threads[i], NULL);
            done += tasks[i].done;
        }
        const double rate = done / (seconds_now() - start);
        best = rate > best ? rate : best;
    }
    return best * 1e-9;
}

double peak_f32(int n_threads)
{
    const task t = {.loop = f32_loop(), .n = 1000000};
    return best_rate(n_threads, &t, 9);
}

double peak_int8(int n_threads)
{
    const task t = {.loop = int8_loop(), .n = 1000000};
    return best_rate(n_threads, &t, 9);
}

double peak_read(int n_threads)
{
    const size_t bytes = (size_t)512 << 20;
    uint64_t *memory = malloc(bytes);
    if (!memory)
        return 0.0;
    memset(memory, 1, bytes);
    const task t = {.memory = memory, .n_words = bytes / 8};
    const double rate = best_rate(n_threads, &t, 5);
    free(memory);
    return rate;
}
