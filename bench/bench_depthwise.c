/* How fast the depthwise layers of EfficientNet-Lite0 at 224 px run by themselves, on one thread, beside what
 * the machine can do. One JSON object a line: per layer and all together.
 *
 *     bench_depthwise [ISA]
 *
 * The seconds are the process's own, the best of many runs: other users of the machine do not count. */
#include "peak.h"

#include "kern/kern.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct layer {
    uint32_t side, channels, kernel, stride, count;
} layer;

static const layer layers[] = {{112, 32, 3, 1, 1}, {112, 96, 3, 2, 1}, {56, 144, 3, 1, 1},
                               {56, 144, 5, 2, 1}, {28, 240, 5, 1, 1}, {28, 240, 3, 2, 1},
                               {14, 480, 3, 1, 2}, {14, 480, 5, 1, 1}, {14, 672, 5, 1, 2},
                               {14, 672, 5, 2, 1}, {7, 1152, 5, 1, 3}, {7, 1152, 3, 1, 1}};
enum { N_LAYERS = sizeof layers / sizeof *layers, RUNS = 60, MAX_SIDE = 112 };

static double own_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct arrays {
    uint8_t *q, *q_out;
    int8_t *w8;
    float *x, *w, *scale, *out;
} arrays;

static void run_layer(const wi_kern *kern, const layer *l, const arrays *a, bool s8)
{
    const size_t out_side = (l->side + l->stride - 1) / l->stride;
    const size_t pad = ((out_side - 1) * l->stride + l->kernel - l->side) / 2;
    const wi_depthwise d = {l->kernel, l->stride,          (uint32_t)pad,
                            l->side,   (uint32_t)out_side, l->channels / WI_PANEL};
    for (size_t y = 0; y < out_side; y++) {
        const float *rows[WI_DEPTHWISE_MAX];
        const uint8_t *q_rows[WI_DEPTHWISE_MAX];
        for (size_t ky = 0; ky < l->kernel; ky++) {
            const size_t row = y * l->stride + ky - pad, at = row * l->side * l->channels;
            rows[ky] = row < l->side ? a->x + at : NULL;
            q_rows[ky] = row < l->side ? a->q + at : NULL;
        }
        const size_t to = y * out_side * l->channels;
        if (s8)
            kern->depthwise_s8(&d, q_rows, l->channels, 0, a->w8, a->scale, a->scale, a->q_out + to,
                               l->channels);
        else
            kern->depthwise_f32(&d, rows, l->channels, a->w, a->scale, WI_RELU6, a->out + to,
                                l->channels);
    }
}

static double best_seconds(const wi_kern *kern, const layer *l, const arrays *a, bool s8)
{
    double best = 1e9;
    for (int r = 0; r < RUNS; r++) {
        const double start = own_seconds();
        run_layer(kern, l, a, s8);
        const double t = own_seconds() - start;
        best = t < best ? t : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    const size_t n = (size_t)MAX_SIDE * MAX_SIDE * 96, n_w = 1152 * 7 * 8;
    wi_cpu_features features = wi_cpu_detect();
    wi_kern_use use[WI_N_OPERATIONS];
    wi_kern kern;
    arrays a = {calloc(n, 1),
                calloc(n, 1),
                calloc(n_w, 1),
                calloc(n, sizeof(float)),
                calloc(n_w, sizeof(float)),
                calloc(1152, sizeof(float)),
                calloc(n, sizeof(float))};
    if (argc > 1 && !wi_kern_limit(argv[1], features, &features)) {
        fprintf(stderr, "usage: bench_depthwise [ISA]\n");
        return 2;
    }
    if (!a.q || !a.q_out || !a.w8 || !a.x || !a.w || !a.scale || !a.out)
        return 1;
    for (size_t i = 0; i < n; i++) {
        a.q[i] = (uint8_t)(i * 2654435761u >> 25);
        a.x[i] = (float)a.q[i] / 21.0f;
    }
    wi_kern_init(&kern, use, features);
    for (int s8 = 0; s8 < 2; s8++) {
        const double peak = s8 ? peak_int8(1) : peak_f32(1);
        double seconds = 0, operations = 0;
        for (size_t i = 0; i < N_LAYERS; i++) {
            const layer *l = &layers[i];
            const double side = (l->side + l->stride - 1) / l->stride;
            const double ops = 2.0 * side * side * l->channels * l->kernel * l->kernel;
            const double t = best_seconds(&kern, l, &a, s8);
            seconds += t * l->count;
            operations += ops * l->count;
            printf("{\"bench\":\"depthwise\",\"weights\":\"%s\",\"side\":%u,\"channels\":%u,"
                   "\"kernel\":%u,"
                   "\"stride\":%u,\"ms\":%.4f,\"gop_per_s\":%.1f}\n",
                   s8 ? "int8" : "f32", l->side, l->channels, l->kernel, l->stride, 1e3 * t,
                   ops / t * 1e-9);
        }
        printf("{\"bench\":\"depthwise\",\"weights\":\"%s\",\"isa\":\"%s\",\"all_ms\":%.3f,\"mop\":"
               "%.1f,"
               "\"gop_per_s\":%.1f,\"peak_gop_per_s\":%.1f}\n",
               s8 ? "int8" : "f32", use[s8 ? WI_KERN_depthwise_s8 : WI_KERN_depthwise_f32].isa,
               1e3 * seconds, operations * 1e-6, operations / seconds * 1e-9, peak);
    }
    return 0;
}
