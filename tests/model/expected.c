#include "model/expected.h"

#include "checkpoint/checkpoint.h"
#include "model/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

void expected_texts(const char *path, const char *texts[N_TEXTS])
{
    static char kept[N_TEXTS][1024];
    json_t *root = json_load_file(path, 0, NULL);
    json_t *list = json_object_get(root, "texts");
    assert_int_equal(json_array_size(list), N_TEXTS);
    for (size_t i = 0; i < N_TEXTS; i++) {
        snprintf(kept[i], sizeof kept[i], "%s", json_string_value(json_array_get(list, i)));
        texts[i] = kept[i];
    }
    json_decref(root);
}

wi_tensor expected_tensor(const wi_tensors *file, const char *name)
{
    wi_tensor t;
    wi_error error = {0};
    if (wi_tensors_get(file, name, &t, &error) != WI_OK)
        fail_msg("%s: %s", name, error.message);
    return t;
}

double expected_worst(const float *a, const void *b, size_t n)
{
    double most = 0.0;
    for (size_t i = 0; i < n; i++) {
        float y;
        memcpy(&y, (const char *)b + i * sizeof y, sizeof y);
        const double d = fabs((double)a[i] - y);
        most = isnan(d) || d > most ? d : most;
    }
    return most;
}

/* --- taps: the first layer that leaves the reference --- */

typedef struct diagnosis {
    const wi_tensors *debug;
    char first[80];
    double difference;
} diagnosis;

static void compare_layer(void *context, const char *name, int layer, const float *x, size_t rows,
                          size_t width, size_t ld)
{
    diagnosis *d = context;
    char full[80];
    wi_tensor t;
    snprintf(full, sizeof full, strcmp(name, "vision/layer") == 0 ? "%s%d" : "%s_%d", name, layer);
    if (d->first[0] || wi_tensors_get(d->debug, full, &t, NULL) != WI_OK || t.rank != 2 ||
        t.shape[1] != width)
        return;
    double most = 0.0;
    for (size_t r = 0; r < rows && r < t.shape[0]; r++)
        most = fmax(most, expected_worst(x + r * ld,
                                         (const char *)t.data + r * width * sizeof(float), width));
    if (!(most < 1e-3)) {
        snprintf(d->first, sizeof d->first, "%s", full);
        d->difference = most;
    }
}

void expected_diverging(const wi_model *model, const char *folder, const uint8_t *pixels,
                        const char *text, float *out)
{
    char path[700];
    diagnosis d = {0};
    wi_session *s = NULL;
    wi_tensors *debug = NULL;
    snprintf(path, sizeof path, "%s/expected_debug.safetensors", folder);
    if (wi_tensors_open(path, &debug, NULL) != WI_OK)
        return;
    d.debug = debug;
    if (wi_ses_open(model, WI_TOWERS_BOTH, &(wi_session_options){0}, &s, NULL) == WI_OK) {
        s->run.tap = compare_layer;
        s->run.tap_context = &d;
        wi_ses_images(s, pixels, 1, out, NULL);
        wi_ses_texts(s, &text, 1, out, NULL, NULL, NULL);
    }
    print_message("%s: first diverging layer: %s (%.3g)\n", folder, d.first[0] ? d.first : "none",
                  d.difference);
    wi_ses_close(&s);
    wi_tensors_close(&debug);
}

double expected_cosine(const float *a, const void *b, size_t n, size_t dim)
{
    double low = 1.0;
    for (size_t i = 0; i < n; i++) {
        double ab = 0.0, aa = 0.0, bb = 0.0;
        for (size_t j = 0; j < dim; j++) {
            float y;
            memcpy(&y, (const char *)b + (i * dim + j) * sizeof y, sizeof y);
            ab += (double)a[i * dim + j] * y;
            aa += (double)a[i * dim + j] * a[i * dim + j];
            bb += (double)y * y;
        }
        low = fmin(low, ab / sqrt(aa * bb));
    }
    return low;
}
