#include "head/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t dice_next(dice *d)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(d->state >> 33) ^ (uint32_t)(d->state >> 11 & 0xffff);
}

double dice_uniform(dice *d)
{
    return (double)(dice_next(d) & 0x7fffffff) / 2147483648.0;
}

double dice_gaussian(dice *d)
{
    double u = dice_uniform(d) + 1e-12, v = dice_uniform(d);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void random_rows(dice *d, size_t n, size_t dim, float *out)
{
    for (size_t i = 0; i < n * dim; i++)
        out[i] = (float)dice_gaussian(d);
}

void random_unit_rows(dice *d, size_t n, size_t dim, float *out)
{
    random_rows(d, n, dim, out);
    for (size_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t j = 0; j < dim; j++)
            squares += (double)out[i * dim + j] * (double)out[i * dim + j];
        for (size_t j = 0; j < dim; j++)
            out[i * dim + j] = (float)((double)out[i * dim + j] / sqrt(squares));
    }
}

void fake_embedding(const char *text, size_t dim, float *out)
{
    dice d = {5381};
    for (const char *p = text; *p; p++)
        d.state = d.state * 33 + (unsigned char)*p;
    random_rows(&d, 1, dim, out);
}

static wi_status fake_encode(void *context, const char *const *texts, size_t n, float *out,
                             size_t *n_truncated, const wi_progress *progress, wi_error *error)
{
    fake_tower *tower = context;
    (void)error;
    tower->n_calls++;
    tower->n_texts += n;
    if (n > tower->longest_batch)
        tower->longest_batch = n;
    for (size_t i = 0; i < n; i++) {
        fake_embedding(texts[i], tower->dim, out + i * tower->dim);
        if (tower->truncate_bytes && strlen(texts[i]) > tower->truncate_bytes)
            ++*n_truncated;
    }
    if (progress && progress->report && !progress->report(progress->context, n / 2, n))
        return WI_ERR_CANCELLED;
    return WI_OK;
}

wi_head_encoder fake_encoder(fake_tower *tower)
{
    return (wi_head_encoder){.encode = fake_encode,
                             .context = tower,
                             .model = {.kern = test_kern(),
                                       .name = "fake",
                                       .fingerprint = "00ff",
                                       .dim = tower->dim,
                                       .logit_scale = 100}};
}

char **make_labels(size_t n)
{
    char **labels = calloc(n, sizeof *labels);
    assert_non_null(labels);
    for (size_t i = 0; i < n; i++) {
        labels[i] = malloc(32);
        assert_non_null(labels[i]);
        snprintf(labels[i], 32, "label %zu", i);
    }
    return labels;
}

void free_labels(char **labels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(labels[i]);
    free(labels);
}

const wi_kern *test_kern(void)
{
    static wi_kern kern;
    if (!kern.gemm_f32)
        wi_kern_best(&kern);
    return &kern;
}

wi_head *random_head(uint64_t seed, size_t n, size_t dim, float scale, bool sigmoid)
{
    dice d = {seed};
    wi_head_parts parts;
    wi_head *head = NULL;
    wi_error error;
    wi_head_parts_init(&parts, test_kern());
    char **labels = make_labels(n);
    float *weight = malloc(n * dim * sizeof *weight);
    assert_non_null(weight);
    random_unit_rows(&d, n, dim, weight);
    parts.name = "random";
    parts.labels = (const char *const *)labels;
    parts.n_labels = parts.n_rows = n;
    parts.dim = dim;
    parts.weight = weight;
    parts.logit_scale = scale;
    parts.sigmoid = sigmoid;
    assert_int_equal(wi_head_create(&parts, weight, WI_ERR_ARG, &head, &error), WI_OK);
    free_labels(labels, n);
    return head;
}

const char *scratch_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/head/scratch-%ld-%s", WHATSIT_BINARY_DIR, (long)getpid(),
             name);
    return path;
}

uint8_t *read_whole(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*n_bytes + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return bytes;
}

void write_whole(const char *path, const void *bytes, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}
