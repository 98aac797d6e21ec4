/* Scoring one embedding against many vectors: 4,000 (a head in the caches) and 1,000,000 (an index in
 * memory), as f32, f16 and int8, on one thread. Prints JSON lines.
 *
 *     bench_score [DIM [N...]] */
#include "kern/half.h"
#include "kern/kern.h"
#include "peak.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum type { F32, F16, S8, N_TYPES } type;
static const char *const type_names[N_TYPES] = {"f32", "f16", "int8"};
static const char *const operations[N_TYPES] = {"dots_f32", "dots_f16", "dots_s8"};
static const size_t type_bytes[N_TYPES] = {4, 2, 1};

typedef struct task {
    const wi_kern *kern;
    type type;
    size_t n, dim;
    void *rows;
    const float *x;
    const uint8_t *q; /* x in 7 bits */
    wi_row_scale scale;
    void *out; /* [n] f32 or i32 */
} task;

static uint32_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void fill(task *t)
{
    uint64_t state = 1;
    for (size_t i = 0; i < t->n * t->dim; i++) {
        int value = (int)(next(&state) % 127) - 63;
        if (t->type == F32)
            ((float *)t->rows)[i] = (float)value / 1024;
        else if (t->type == F16)
            ((uint16_t *)t->rows)[i] = wi_f32_to_f16((float)value / 1024);
        else
            ((int8_t *)t->rows)[i] = (int8_t)value;
    }
}

static void score(const task *t)
{
    if (t->type == F32)
        t->kern->dots_f32(t->n, t->dim, t->rows, t->dim, t->x, t->out);
    else if (t->type == F16)
        t->kern->dots_f16(t->n, t->dim, t->rows, t->dim, t->x, t->out);
    else
        t->kern->dots_s8(t->n, t->dim, t->rows, t->dim, t->q, t->scale.zero, t->out);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median and the best of enough runs for half a second, at least 5. */
static void measure(const task *t, double *median, double *best)
{
    enum { MAX_RUNS = 2000 };
    static double seconds[MAX_RUNS];
    int n = 0;
    double begin = seconds_now();
    score(t); /* touches every page */
    while (n < MAX_RUNS && (n < 5 || seconds_now() - begin < 0.5)) {
        double start = seconds_now();
        score(t);
        seconds[n++] = seconds_now() - start;
    }
    qsort(seconds, (size_t)n, sizeof *seconds, compare);
    *median = seconds[n / 2];
    *best = seconds[0];
}

static int run(const wi_kern *kern, const wi_kern_use *use, type row_type, size_t n, size_t dim,
               double read_gbs)
{
    float *x = calloc(dim, sizeof *x);
    uint8_t *q = calloc(dim + 64, 1);
    task t = {.kern = kern, .type = row_type, .n = n, .dim = dim, .x = x, .q = q};
    t.rows = malloc(n * dim * type_bytes[row_type]);
    t.out = malloc(n * 4);
    const char *isa = "";
    for (size_t i = 0; i < WI_N_OPERATIONS; i++)
        if (strcmp(use[i].operation, operations[row_type]) == 0)
            isa = use[i].isa;
    int failed = !x || !q || !t.rows || !t.out;
    if (failed) {
        fprintf(stderr, "bench_score: out of memory for %zu vectors\n", n);
    } else {
        double median, best;
        for (size_t i = 0; i < dim; i++)
            x[i] = (float)((int)(i * 37 % 61) - 30) / 512;
        t.scale = kern->quantise_row(dim, x, q);
        fill(&t);
        measure(&t, &median, &best);
        double gigabytes = (double)n * (double)dim * (double)type_bytes[row_type] / 1e9;
        printf(
            "{\"bench\":\"score\",\"type\":\"%s\",\"isa\":\"%s\",\"n\":%zu,\"dim\":%zu,\"threads\":"
            "1,"
            "\"ms\":%.4f,\"ms_best\":%.4f,\"gb_s\":%.2f,\"gb_s_best\":%.2f,\"memory_gb_s\":%.1f}\n",
            type_names[row_type], isa, n, dim, median * 1e3, best * 1e3, gigabytes / median,
            gigabytes / best, read_gbs);
        fflush(stdout);
    }
    free(x);
    free(q);
    free(t.rows);
    free(t.out);
    return failed;
}

int main(int argc, char **argv)
{
    static const size_t usual[] = {4000, 1000000};
    size_t dim = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 512;
    wi_kern kern;
    wi_kern_use use[WI_N_OPERATIONS];
    int failed = 0;
    if (dim == 0 || dim > 16384) {
        fprintf(stderr, "bench_score: DIM is 1 to 16384\n");
        return 2;
    }
    wi_kern_init(&kern, use, wi_cpu_detect());
    double read_gbs = peak_read(1);
    size_t n_sizes = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;
    for (size_t i = 0; i < n_sizes; i++) {
        size_t n = argc > 2 ? (size_t)strtoul(argv[i + 2], NULL, 10) : usual[i];
        for (int t = 0; t < N_TYPES && n > 0; t++)
            failed |= run(&kern, use, (type)t, n, dim, read_gbs);
    }
    return failed;
}
