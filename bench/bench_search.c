/* Search among very many vectors: by one pass, and by the approximate index where it is built in.
 *
 *     bench_search SEEDS.npy QUERIES.npy FOLDER ROWS [exact|approximate]
 *
 * Makes an index of ROWS vectors in FOLDER (kept there, and used again by the next run of as many), from SEEDS, the
 * embeddings of real photos ('whatsit embed DIR -o seeds.npy'): a vector is a seed and half the difference of two
 * others, so that the noise lies as real photos do. Queries are the embeddings of real texts ('whatsit embed --texts
 * FILE -o queries.npy') and as many new vectors made like the rows. Prints JSON lines: times of a query (median and
 * the best, k = 140, which a search for 20 photos asks for), the bytes that a pass reads in a second beside what memory
 * gives, and recall@10 of the approximate index against the exact one. */
#include "../apps/library/approximate.h"
#include "peak.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <whatsit/whatsit.h>

enum { K = 140, K_RECALL = 10, MOST_QUERIES = 200, STEP = 4096 };
static const char fingerprint[] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

typedef struct table {
    float *x; /* [n,d] */
    size_t n, d;
} table;

typedef struct bench {
    wi_engine *engine;
    wi_index *index;
    approximate *near;
    const char *folder;
    table seeds, queries;
    uint64_t n_rows;
    int n_threads;
} bench;

static int die(const char *what, const wi_error *error)
{
    fprintf(stderr, "bench_search: %s%s%s\n", what, error ? ": " : "", error ? error->message : "");
    exit(1);
}

/* What 'whatsit embed -o FILE.npy' writes. */
static table read_npy(const char *path)
{
    FILE *file = fopen(path, "rb");
    char head[256] = {0};
    table t = {0};
    unsigned char size[2];
    if (!file || fread(head, 1, 8, file) != 8 || memcmp(head, "\x93NUMPY\x01", 7) != 0 ||
        fread(size, 1, 2, file) != 2)
        die(path, &(wi_error){WI_ERR_FORMAT, "is no .npy file"});
    size_t n_head = size[0] + 256u * size[1];
    if (n_head >= sizeof head || fread(head, 1, n_head, file) != n_head)
        die(path, &(wi_error){WI_ERR_FORMAT, "cannot be read"});
    head[n_head] = '\0';
    const char *shape = strstr(head, "'shape': (");
    if (!strstr(head, "'<f4'") || !shape || sscanf(shape, "'shape': (%zu, %zu)", &t.n, &t.d) != 2 ||
        !t.n || !t.d)
        die(path, &(wi_error){WI_ERR_FORMAT, "is no table of 32-bit numbers"});
    t.x = malloc(t.n * t.d * sizeof *t.x);
    if (!t.x || fread(t.x, sizeof *t.x * t.d, t.n, file) != t.n)
        die(path, &(wi_error){WI_ERR_FORMAT, "cannot be read"});
    fclose(file);
    return t;
}

static uint32_t dice(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void make_row(const table *seeds, uint64_t *state, float *out)
{
    const float *a = seeds->x + dice(state) % seeds->n * seeds->d;
    const float *b = seeds->x + dice(state) % seeds->n * seeds->d;
    const float *c = seeds->x + dice(state) % seeds->n * seeds->d;
    double squares = 0;
    for (size_t j = 0; j < seeds->d; j++) {
        out[j] = a[j] + 0.5f * (b[j] - c[j]);
        squares += (double)out[j] * (double)out[j];
    }
    for (size_t j = 0; j < seeds->d; j++)
        out[j] = squares > 0 ? (float)((double)out[j] / sqrt(squares)) : j == 0;
}

static long peak_kb(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
}

static void open_index(bench *b)
{
    wi_error error = {0};
    char path[4096];
    wi_index_info info;
    const size_t d = b->seeds.d;
    snprintf(path, sizeof path, "%s/rows-%llu", b->folder, (unsigned long long)b->n_rows);
    const wi_index_options options = {.dim = (uint32_t)d, .fingerprint = fingerprint};
    if (wi_index_open(b->engine, path, &options, &b->index, &error) != WI_OK)
        die("the index", &error);
    wi_index_get_info(b->index, &info, NULL);
    float *rows = malloc(STEP * d * sizeof *rows);
    uint64_t state = 1;
    if (info.n_rows < b->n_rows && wi_index_keep(b->index, 0, &error) != WI_OK)
        die("the index", &error);
    for (uint64_t at = info.n_rows < b->n_rows ? 0 : b->n_rows; at < b->n_rows; at += STEP) {
        const size_t n = b->n_rows - at < STEP ? (size_t)(b->n_rows - at) : STEP;
        for (size_t i = 0; i < n; i++)
            make_row(&b->seeds, &state, rows + i * d);
        if (wi_index_append(b->index, rows, n, NULL, &error) != WI_OK)
            die("the index", &error);
    }
    free(rows);
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static size_t search(const bench *b, bool exact, const float *query, wi_index_hit *hits)
{
    wi_error error = {0};
    size_t n = 0;
    const wi_status status =
        exact ? wi_index_search(b->index, query, K, NULL, hits, &n, &error)
              : approximate_search(b->near, b->index, b->n_rows, query, K, hits, &n, &error);
    if (status != WI_OK)
        die("a search", &error);
    return n;
}

/* How many of the K_RECALL best are among the approximate ones. */
static size_t agree(const wi_index_hit *exact, size_t n_exact, const wi_index_hit *other, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < K_RECALL && i < n_exact; i++)
        for (size_t j = 0; j < K_RECALL && j < n; j++)
            found += exact[i].row == other[j].row;
    return found;
}

static void measure(const bench *b, const char *kind, const table *queries, double read_gbs)
{
    static double exact_s[MOST_QUERIES], near_s[MOST_QUERIES];
    wi_index_hit exact[K], near[K];
    const size_t n = queries->n < MOST_QUERIES ? queries->n : MOST_QUERIES;
    size_t found = 0, wanted = 0;
    for (size_t i = 0; i < n; i++) {
        const float *query = queries->x + i * queries->d;
        double start = seconds_now();
        const size_t n_exact = search(b, true, query, exact);
        exact_s[i] = seconds_now() - start;
        if (b->near) {
            start = seconds_now();
            const size_t n_near = search(b, false, query, near);
            near_s[i] = seconds_now() - start;
            found += agree(exact, n_exact, near, n_near);
            wanted += n_exact < K_RECALL ? n_exact : K_RECALL;
        }
    }
    qsort(exact_s, n, sizeof *exact_s, ascending);
    const double gigabytes = (double)b->n_rows * (double)(b->seeds.d + sizeof(float)) / 1e9;
    printf("{\"bench\":\"search\",\"how\":\"one "
           "pass\",\"queries\":\"%s\",\"rows\":%llu,\"dim\":%zu,\"threads\":%d,"
           "\"ms\":%.2f,\"ms_best\":%.2f,\"gb_s\":%.1f,\"gb_s_best\":%.1f,\"memory_gb_s\":%.1f}\n",
           kind, (unsigned long long)b->n_rows, b->seeds.d, b->n_threads, exact_s[n / 2] * 1e3,
           exact_s[0] * 1e3, gigabytes / exact_s[n / 2], gigabytes / exact_s[0], read_gbs);
    if (b->near) {
        qsort(near_s, n, sizeof *near_s, ascending);
        printf("{\"bench\":\"search\",\"how\":\"approximate\",\"queries\":\"%s\",\"rows\":%llu,"
               "\"dim\":%zu,\"threads\":%d,"
               "\"ms\":%.2f,\"ms_best\":%.2f,\"ms_95\":%.2f,\"recall_at_10\":%.4f}\n",
               kind, (unsigned long long)b->n_rows, b->seeds.d, b->n_threads, near_s[n / 2] * 1e3,
               near_s[0] * 1e3, near_s[n * 95 / 100] * 1e3, (double)found / (double)wanted);
    }
    fflush(stdout);
}

static void open_near(bench *b)
{
    wi_error error = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/rows-%llu.ivf", b->folder, (unsigned long long)b->n_rows);
    double start = seconds_now();
    if (access(path, R_OK) != 0) {
        if (approximate_update(path, b->index, b->n_rows, b->n_threads, NULL, &error) != WI_OK)
            die("the approximate index", &error);
        printf("{\"bench\":\"search\",\"how\":\"build\",\"rows\":%llu,\"threads\":%d,\"s\":%.1f,"
               "\"peak_mb\":%ld}\n",
               (unsigned long long)b->n_rows, b->n_threads, seconds_now() - start,
               peak_kb() / 1024);
        fflush(stdout);
        start = seconds_now();
    }
    if (approximate_open(path, b->index, b->n_rows, b->n_threads, &b->near, &error) != WI_OK)
        die("the approximate index", &error);
    printf("{\"bench\":\"search\",\"how\":\"open\",\"rows\":%llu,\"ms\":%.1f}\n",
           (unsigned long long)b->n_rows, (seconds_now() - start) * 1e3);
}

int main(int argc, char **argv)
{
    wi_error error = {0};
    bench b = {.n_threads = 2};
    const char *threads = getenv("THREADS");
    if (argc < 5)
        die("SEEDS.npy QUERIES.npy FOLDER ROWS [exact|approximate]", NULL);
    b.n_threads = threads ? atoi(threads) : b.n_threads;
    b.seeds = read_npy(argv[1]);
    b.queries = read_npy(argv[2]);
    b.folder = argv[3];
    b.n_rows = strtoull(argv[4], NULL, 10);
    if (b.queries.d != b.seeds.d)
        die("seeds and queries are not of one model", NULL);
    const wi_engine_options options = {.n_threads = b.n_threads};
    if (wi_engine_open(&options, &b.engine, &error) != WI_OK)
        die("the engine", &error);
    open_index(&b);
    if (argc > 5 && !strcmp(argv[5], "approximate"))
        open_near(&b);
    table made = {malloc(MOST_QUERIES * b.seeds.d * sizeof *made.x), MOST_QUERIES, b.seeds.d};
    uint64_t state = 2;
    for (size_t i = 0; i < made.n; i++)
        make_row(&b.seeds, &state, made.x + i * made.d);
    const double read_gbs = peak_read(b.n_threads);
    measure(&b, "texts", &b.queries, read_gbs);
    measure(&b, "like the rows", &made, read_gbs);
    approximate_close(&b.near);
    wi_index_close(&b.index);
    wi_engine_close(&b.engine);
    free(b.seeds.x);
    free(b.queries.x);
    free(made.x);
    return 0;
}
