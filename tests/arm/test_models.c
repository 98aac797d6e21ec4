/* Models on this processor against the original's embeddings and another processor's, as
 * tests/cross/export_cases.c wrote them: test_models ISA MODEL.gguf... */
#include <whatsit/whatsit.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 64, MAX_IDS = 256 };

static const char *now = "";

static void die(const char *what)
{
    printf("%s: %s\n", now, what);
    exit(1);
}

static unsigned char *read_file(const char *path, size_t *n_bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        die("cannot open");
    fseek(f, 0, SEEK_END);
    *n_bytes = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = aligned_alloc(64, (*n_bytes + 63) / 64 * 64);
    if (!bytes || fread(bytes, 1, *n_bytes, f) != *n_bytes)
        die("cannot read");
    fclose(f);
    return bytes;
}

typedef struct cursor {
    const unsigned char *at, *end;
} cursor;

static const void *take(cursor *c, size_t n)
{
    if (n > (size_t)(c->end - c->at))
        die("the case is cut short");
    c->at += n;
    return c->at - n;
}

static uint32_t take_u32(cursor *c)
{
    uint32_t v;
    memcpy(&v, take(c, sizeof v), sizeof v);
    return v;
}

/* The largest difference, as a share of the largest number where the numbers are large. */
static double worst(const float *a, const unsigned char *b, size_t n, double *cosine)
{
    double most = 0.0, size = 1.0, ab = 0.0, aa = 0.0, bb = 0.0;
    for (size_t i = 0; i < n; i++) {
        float y;
        memcpy(&y, b + i * sizeof y, sizeof y);
        const double d = fabs((double)a[i] - (double)y);
        most = isnan(d) || d > most ? d : most;
        size = fmax(size, fabs((double)y));
        ab += (double)a[i] * (double)y;
        aa += (double)a[i] * (double)a[i];
        bb += (double)y * (double)y;
    }
    *cosine = ab / sqrt(aa * bb);
    return most / size;
}

/* Float weights: rounding only. Int8: a rounding may move a quantised activation by one step. */
static void compare(const char *what, const float *got, const unsigned char *want, size_t n,
                    bool is_int8)
{
    double cosine = 0.0;
    const double off = worst(got, want, n, &cosine);
    printf("    %-22s %.2g, cosine 1-%.2g\n", what, off, 1.0 - cosine);
    if (is_int8 ? !(cosine >= 0.9995) : !(off <= 2e-5))
        die("too far off");
}

typedef struct run_of {
    wi_session *session;
    const wi_model *model;
    uint32_t px, n_images, n_texts, dim;
    bool is_int8;
} run_of;

static void check_embeddings(const run_of *r, const char *const *texts, bool reference,
                             const unsigned char *pixels, const unsigned char *embeddings)
{
    const size_t n_image = (size_t)r->n_images * r->dim, n_text = (size_t)r->n_texts * r->dim;
    float *image = calloc(n_image, sizeof *image), *text = calloc(n_text + 1, sizeof *text);
    wi_error error = {0};
    if (!image || !text ||
        wi_session_encode_images(r->session, pixels, r->n_images, image, &error) != WI_OK ||
        (n_text &&
         wi_session_encode_texts(r->session, texts, r->n_texts, text, NULL, NULL, &error) != WI_OK))
        die(error.message);
    compare("image to native", image, embeddings, n_image, r->is_int8);
    if (n_text)
        compare("text to native", text, embeddings + 4 * n_image, n_text, r->is_int8);
    if (reference) {
        const unsigned char *original = embeddings + 4 * (n_image + n_text);
        compare("image to the original", image, original, n_image, r->is_int8);
        if (n_text)
            compare("text to the original", text, original + 4 * n_image, n_text, r->is_int8);
    }
    free(image);
    free(text);
}

static void check_tokens(const run_of *r, cursor *c, char **text)
{
    const uint32_t n_bytes = take_u32(c);
    const char *bytes = take(c, n_bytes);
    const uint32_t n_want = take_u32(c);
    const unsigned char *want = take(c, 4 * (size_t)n_want);
    int32_t ids[MAX_IDS];
    size_t n_ids = 0;
    wi_error error = {0};
    if (wi_model_tokenize(r->model, bytes, n_bytes, ids, &n_ids, NULL, &error) != WI_OK)
        die(error.message);
    if (n_ids != n_want || memcmp(ids, want, 4 * n_ids) != 0)
        die("other tokens");
    *text = calloc(n_bytes + 1, 1);
    if (!*text)
        die("memory");
    memcpy(*text, bytes, n_bytes);
}

static void check_photos(const run_of *r, cursor *c, const wi_preprocess *how)
{
    const size_t n_out = (size_t)r->px * r->px * 3;
    unsigned char *out = malloc(n_out);
    wi_error error = {0};
    const uint32_t n = take_u32(c);
    if (!out || n == 0)
        die("no photos");
    for (uint32_t i = 0; i < n; i++) {
        wi_image *image = NULL;
        const uint32_t width = take_u32(c), height = take_u32(c);
        const unsigned char *rgb = take(c, (size_t)width * height * 3), *want = take(c, n_out);
        if (wi_image_from_rgb(rgb, width, height, &image, &error) != WI_OK ||
            wi_image_preprocess(NULL, image, how, out, &error) != WI_OK)
            die(error.message);
        if (memcmp(out, want, n_out) != 0)
            die("other pixels");
        wi_image_close(&image);
    }
    free(out);
}

static void check_model(wi_engine *engine, const char *path)
{
    char case_path[1024];
    wi_error error = {0};
    wi_model *model = NULL;
    wi_model_info info;
    size_t n_model, n_case;
    now = path;
    snprintf(case_path, sizeof case_path, "%s.case", path);
    unsigned char *bytes = read_file(path, &n_model), *all = read_file(case_path, &n_case);
    if (wi_model_open_memory(engine, bytes, n_model, NULL, &model, &error) != WI_OK ||
        wi_model_get_info(model, &info, &error) != WI_OK ||
        wi_model_verify(model, NULL, &error) != WI_OK)
        die(error.message);
    cursor c = {all, all + n_case};
    if (memcmp(take(&c, 8), "WICASE1\n", 8) != 0)
        die("not a case");
    run_of r = {.model = model, .is_int8 = info.weights == WI_WEIGHTS_INT8};
    r.px = take_u32(&c);
    r.n_images = take_u32(&c);
    r.n_texts = take_u32(&c);
    r.dim = take_u32(&c);
    const bool reference = take_u32(&c) != 0;
    if (r.px != info.image_px || r.dim != info.embedding_dim || r.n_texts > MAX_TEXTS)
        die("not this model's case");
    printf("%s\n", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    const unsigned char *pixels = take(&c, (size_t)r.n_images * r.px * r.px * 3);
    const unsigned char *embeddings =
        take(&c, 4 * (size_t)(r.n_images + r.n_texts) * r.dim * (reference ? 2 : 1));
    char *texts[MAX_TEXTS];
    for (uint32_t i = 0; i < r.n_texts; i++)
        check_tokens(&r, &c, &texts[i]);
    check_photos(&r, &c, &info.preprocess);
    const wi_session_options options = {.max_images = 4};
    if (wi_session_open(model, &options, &r.session, &error) != WI_OK)
        die(error.message);
    check_embeddings(&r, (const char *const *)texts, reference, pixels, embeddings);
    for (uint32_t i = 0; i < r.n_texts; i++)
        free(texts[i]);
    wi_session_close(&r.session);
    wi_model_close(&model);
    free(bytes);
    free(all);
}

int main(int argc, char **argv)
{
    wi_engine *engine = NULL;
    wi_engine_kernel kernel;
    wi_error error = {0};
    if (argc < 3) {
        printf("usage: test_models ISA MODEL.gguf...\n");
        return 2;
    }
    const wi_engine_options options = {.n_threads = 2, .isa = argv[1]};
    if (wi_engine_open(&options, &engine, &error) != WI_OK)
        die(error.message);
    printf("--- %s:", argv[1]);
    for (size_t i = 0; wi_engine_kernel_at(engine, i, &kernel); i++) {
        printf(" %s=%s", kernel.operation, kernel.isa);
        if (kernel.warning)
            die(kernel.warning);
        if (strcmp(kernel.operation, "gemm_s8") == 0 && strcmp(kernel.isa, argv[1]) != 0)
            die("the wanted kernels are not in use");
    }
    printf("\n");
    for (int i = 2; i < argc; i++)
        check_model(engine, argv[i]);
    wi_engine_close(&engine);
    return 0;
}
