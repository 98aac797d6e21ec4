/* One matrix product, so that an emulator can count its instructions: count_gemm ISA f32|s8 M
 * PANELS K TIMES The difference between two TIMES is that of the product alone. */
#include "kern/kern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    wi_cpu_features features = wi_cpu_detect();
    wi_kern kern;
    wi_kern_use use[WI_N_OPERATIONS];
    if (argc != 7 || !wi_kern_limit(argv[1], features, &features))
        return 2;
    wi_kern_init(&kern, use, features);
    const size_t m = (size_t)atoi(argv[3]), panels = (size_t)atoi(argv[4]),
                 k = (size_t)atoi(argv[5]);
    const size_t columns = panels * WI_PANEL;
    float *a = calloc(m * k, sizeof *a), *w = calloc(columns * k, sizeof *w);
    float *c = calloc(m * columns, sizeof *c), *scale = calloc(columns, sizeof *scale);
    int32_t *sum = calloc(columns, sizeof *sum);
    wi_row_scale *rows = calloc(m, sizeof *rows);
    if (!a || !w || !c || !scale || !sum || !rows)
        return 1;
    const wi_epilogue plain = {0};
    for (int i = 0; i < atoi(argv[6]); i++) {
        if (strcmp(argv[2], "f32") == 0)
            kern.gemm_f32(m, panels, k, a, k, w, c, columns, &plain);
        else
            kern.gemm_s8(m, panels, k / 4, (const uint8_t *)a, k, rows, (const int8_t *)w, scale,
                         sum, c, columns, &plain);
    }
    printf("%g\n", (double)c[0]);
    free(a);
    free(w);
    free(c);
    free(scale);
    free(sum);
    free(rows);
    return 0;
}
