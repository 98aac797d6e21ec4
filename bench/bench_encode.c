/* How fast the towers run, beside what the machine can do. One JSON object a line on standard
 * output.
 *
 *     bench_encode MODEL [--threads 1,2] [--isa ISA] [--runs N] [--reference MODEL]
 *
 * With --reference, also the lowest cosine of this model's embeddings to that one's (f32 for int8).
 */
#include "peak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/whatsit.h>

enum { MAX_RUNS = 101, MAX_BATCH = 8, N_COMPARED = 8 };

static void die(const char *what, const wi_error *error)
{
    fprintf(stderr, "bench_encode: %s: %s\n", what, error->message);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct times {
    double median, best, p90;
} times;

static times summary(double *t, int n)
{
    qsort(t, (size_t)n, sizeof *t, by_value);
    return (times){t[n / 2], t[0], t[n * 9 / 10]};
}

static void fill_pixels(uint8_t *pixels, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)((seed >> 24) / 2 + (i / 700) % 128);
    }
}

static times time_images(wi_session *s, const uint8_t *pixels, size_t n, float *out, int runs)
{
    double t[MAX_RUNS];
    wi_error error = {0};
    for (int r = -1; r < runs; r++) {
        const double start = seconds_now();
        if (wi_session_encode_images(s, pixels, n, out, &error) != WI_OK)
            die("images", &error);
        if (r >= 0)
            t[r] = (seconds_now() - start) / (double)n;
    }
    return summary(t, runs);
}

static times time_texts(wi_session *s, const char *const *texts, size_t n, float *out, int runs)
{
    double t[MAX_RUNS];
    wi_error error = {0};
    for (int r = -1; r < runs; r++) {
        const double start = seconds_now();
        if (wi_session_encode_texts(s, texts, n, out, NULL, NULL, &error) != WI_OK)
            die("texts", &error);
        if (r >= 0)
            t[r] = seconds_now() - start;
    }
    return summary(t, runs);
}

/* Labels of one to three words from syllables: about as many tokens as real ones. */
static char (*make_prompts(size_t n))[64]
{
    static const char *const words[] = {"red",  "old",   "cat",   "dog",   "house", "bird",
                                        "tree", "glass", "stone", "bread", "car",   "boat",
                                        "lamp", "chair", "horse", "fish"};
    char(*prompts)[64] = malloc(n * sizeof *prompts);
    for (size_t i = 0; prompts && i < n; i++)
        snprintf(prompts[i], sizeof *prompts, "a photo of a %s %s%s%s.", words[i % 16],
                 words[i / 16 % 16], i / 256 ? " " : "", i / 256 ? words[i / 256 % 16] : "");
    return prompts;
}

static double lowest_cosine(const float *a, const float *b, size_t n, size_t d)
{
    double low = 1.0;
    for (size_t i = 0; i < n; i++) {
        double ab = 0.0, aa = 0.0, bb = 0.0;
        for (size_t j = 0; j < d; j++) {
            ab += (double)a[i * d + j] * b[i * d + j];
            aa += (double)a[i * d + j] * a[i * d + j];
            bb += (double)b[i * d + j] * b[i * d + j];
        }
        low = fmin(low, ab / sqrt(aa * bb));
    }
    return low;
}

static void compare(wi_engine *engine, wi_session *s, const wi_model_info *info,
                    const char *reference)
{
    wi_model *model = NULL;
    wi_session *other = NULL;
    wi_error error = {0};
    const size_t d = info->embedding_dim, picture = 3 * (size_t)info->image_px * info->image_px;
    uint8_t *pixels = malloc(N_COMPARED * picture);
    float *a = malloc(2 * N_COMPARED * d * sizeof *a), *b = a + N_COMPARED * d;
    char(*prompts)[64] = make_prompts(N_COMPARED);
    const char *texts[N_COMPARED];
    if (!pixels || !a || !prompts ||
        wi_model_open(engine, reference, NULL, &model, &error) != WI_OK ||
        wi_session_open(model, NULL, &other, &error) != WI_OK)
        die(reference, &error);
    fill_pixels(pixels, N_COMPARED * picture, 7);
    for (size_t i = 0; i < N_COMPARED; i++)
        texts[i] = prompts[i * 1];
    wi_session_encode_images(s, pixels, N_COMPARED, a, NULL);
    wi_session_encode_images(other, pixels, N_COMPARED, b, NULL);
    printf("{\"bench\":\"cosine\",\"tower\":\"image\",\"lowest\":%.6f}\n",
           lowest_cosine(a, b, N_COMPARED, d));
    wi_session_encode_texts(s, texts, N_COMPARED, a, NULL, NULL, NULL);
    wi_session_encode_texts(other, texts, N_COMPARED, b, NULL, NULL, NULL);
    printf("{\"bench\":\"cosine\",\"tower\":\"text\",\"lowest\":%.6f}\n",
           lowest_cosine(a, b, N_COMPARED, d));
    free(pixels);
    free(a);
    free(prompts);
    wi_session_close(&other);
    wi_model_close(&model);
}

static void report_images(const wi_model_info *info, int threads, size_t batch, times t,
                          double peak)
{
    const double work = 2e-9 * (double)info->image.macs;
    printf("{\"bench\":\"image\",\"threads\":%d,\"batch\":%zu,\"ms\":%.2f,\"best_ms\":%.2f,\"p90_"
           "ms\":%.2f,"
           "\"gop_per_s\":%.1f,\"peak_gop_per_s\":%.1f,\"fraction\":%.3f}\n",
           threads, batch, 1e3 * t.median, 1e3 * t.best, 1e3 * t.p90, work / t.median, peak,
           work / t.median / peak);
    fflush(stdout);
}

static void bench_threads(const char *path, const char *isa, int threads, int runs,
                          const char *reference)
{
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *s = NULL;
    wi_model_info info;
    wi_error error = {0};
    const wi_engine_options eo = {.n_threads = threads, .isa = isa};
    const wi_session_options so = {.max_images = MAX_BATCH};
    if (wi_engine_open(&eo, &engine, &error) != WI_OK ||
        wi_model_open(engine, path, NULL, &model, &error) != WI_OK ||
        wi_model_get_info(model, &info, &error) != WI_OK ||
        wi_session_open(model, &so, &s, &error) != WI_OK)
        die(path, &error);
    const double peak = info.weights == WI_WEIGHTS_INT8 ? peak_int8(threads) : peak_f32(threads);
    const size_t picture = 3 * (size_t)info.image_px * info.image_px;
    const size_t n_prompts = 1000;
    uint8_t *pixels = malloc(MAX_BATCH * picture);
    float *out = malloc(n_prompts * info.embedding_dim * sizeof *out);
    char(*prompts)[64] = make_prompts(n_prompts);
    const char **texts = malloc(n_prompts * sizeof *texts);
    if (!pixels || !out || !prompts || !texts)
        exit(1);
    fill_pixels(pixels, MAX_BATCH * picture, 1);
    for (size_t i = 0; i < n_prompts; i++)
        texts[i] = prompts[i];
    if (info.image.present) {
        report_images(&info, threads, 1, time_images(s, pixels, 1, out, runs), peak);
        report_images(&info, threads, MAX_BATCH,
                      time_images(s, pixels, MAX_BATCH, out, runs / 2 + 1), peak);
    }
    static const size_t counts[] = {1, 30, 1000};
    for (size_t i = 0; i < 3 && info.text.present; i++) {
        const times t = time_texts(s, texts, counts[i], out, counts[i] > 100 ? 3 : runs);
        printf("{\"bench\":\"text\",\"threads\":%d,\"prompts\":%zu,\"ms\":%.2f,\"best_ms\":%.2f}\n",
               threads, counts[i], 1e3 * t.median, 1e3 * t.best);
        fflush(stdout);
    }
    if (reference)
        compare(engine, s, &info, reference);
    free(pixels);
    free(out);
    free(prompts);
    free(texts);
    wi_session_close(&s);
    wi_model_close(&model);
    wi_engine_close(&engine);
}

int main(int argc, char **argv)
{
    const char *isa = NULL, *reference = NULL, *threads = "1,2";
    int runs = 15;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_encode MODEL [--threads 1,2] [--isa ISA] [--runs N] "
                        "[--reference MODEL]\n");
        return 2;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = argv[i + 1];
        else if (strcmp(argv[i], "--isa") == 0)
            isa = argv[i + 1];
        else if (strcmp(argv[i], "--runs") == 0)
            runs = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--reference") == 0)
            reference = argv[i + 1];
    }
    runs = runs < 1 ? 1 : runs > MAX_RUNS ? MAX_RUNS : runs;
    printf("{\"bench\":\"machine\",\"isa\":\"%s\",\"read_gb_per_s\":[%.1f,%.1f]}\n", peak_isa(),
           peak_read(1), peak_read(2));
    for (const char *t = threads; t && *t; t = strchr(t, ',') ? strchr(t, ',') + 1 : NULL)
        bench_threads(argv[1], isa, atoi(t), runs, reference);
    return 0;
}
