/* Which inputs of which matrices are outliers: found by running the float towers over pictures and
 * sentences that are built in, so that a conversion needs no data and gives the same file every
 * time. */
#include "base/error.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/pack.h"
#include "model/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_PICTURES = 8, OUTLIER_TIMES = 6 };

static const char *const sentences[] = {
    "a photo of a cat",
    "a photo of a dog, a type of pet.",
    "A black-and-white sketch of an old lighthouse by the sea",
    "the quick brown fox jumps over 13 lazy dogs!",
    "",
    "pizza",
    "a blurry close-up of a hand holding a red umbrella in the rain at night, with people in the "
    "background",
    "x-ray of a chest",
    "graffiti: \"whatsit?\" #1",
    "an origami hummingbird",
};
enum { N_SENTENCES = sizeof sentences / sizeof *sentences };

typedef struct column_range {
    const wi_mat *mat;
    float *most; /* [k]: largest magnitude seen in each column */
} column_range;

typedef struct observer {
    column_range *ranges;
    size_t n, capacity;
    bool out_of_memory;
} observer;

static column_range *range_of(observer *o, const wi_mat *mat)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->ranges[i].mat == mat)
            return &o->ranges[i];
    if (o->n == o->capacity) {
        const size_t capacity = o->capacity ? 2 * o->capacity : 128;
        column_range *grown = realloc(o->ranges, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        o->ranges = grown;
        o->capacity = capacity;
    }
    float *most = calloc(mat->k, sizeof *most);
    if (!most)
        return NULL;
    o->ranges[o->n] = (column_range){mat, most};
    return &o->ranges[o->n++];
}

static void watch(void *context, const wi_mat *mat, const float *x, size_t rows, size_t ld)
{
    observer *o = context;
    column_range *range = range_of(o, mat);
    if (!range) {
        o->out_of_memory = true;
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < mat->k; i++)
            range->most[i] = fmaxf(range->most[i], fabsf(x[r * ld + i]));
}

/* Smooth colour fields, stripes, noise and a disc: what edges, textures and plain areas do to a
 * network. */
static void paint(uint8_t *pixels, size_t px, unsigned which)
{
    uint32_t noise = 12345u + which;
    for (size_t y = 0; y < px; y++)
        for (size_t x = 0; x < px; x++)
            for (size_t c = 0; c < 3; c++) {
                const float u = (float)x / (float)px, v = (float)y / (float)px, w = (float)(c + 1);
                noise = noise * 1664525u + 1013904223u;
                const float smooth =
                    0.5f + 0.5f * sinf(6.0f * (u * w + v * (float)(which + 1)) + (float)which);
                const bool disc = (u - 0.5f) * (u - 0.5f) + (v - 0.5f) * (v - 0.5f) < 0.1f;
                float value = smooth;
                if (which % 4 == 1)
                    value = disc ? smooth : 0.9f;
                else if (which % 4 == 2)
                    value = 0.6f * smooth + 0.4f * (float)(noise >> 24) / 255.0f;
                else if (which % 4 == 3)
                    value = ((x / (2 + which) + y / 7) % 2) ? 0.1f * w : smooth;
                pixels[(y * px + x) * 3 + c] = (uint8_t)(255.0f * value);
            }
}

static wi_status observe_images(const wi_model *model, observer *o, const wi_progress *progress,
                                wi_error *error)
{
    wi_session *s = NULL;
    const size_t px = wi_params_image_px(&model->params);
    uint8_t *pixels = malloc(3 * px * px);
    float *out = malloc(model->params.embedding_dim * sizeof *out);
    wi_status status = WI_ERR_NOMEM;
    if (pixels && out)
        status = wi_ses_open(model, WI_TOWER_IMAGE, &(wi_session_options){0}, &s, error);
    else
        wi_fail_nomem(error, 3 * px * px, "calibration");
    if (status == WI_OK) {
        s->run.watch = watch;
        s->run.tap_context = o;
        for (unsigned i = 0; i < N_PICTURES && status == WI_OK; i++) {
            paint(pixels, px, i);
            status = wi_progress_check(progress, error);
            if (status == WI_OK)
                status = wi_ses_images(s, pixels, 1, out, error);
        }
    }
    wi_ses_close(&s);
    free(pixels);
    free(out);
    return status;
}

static wi_status observe_texts(const wi_model *model, observer *o, const wi_progress *progress,
                               wi_error *error)
{
    wi_session *s = NULL;
    float *out = malloc(N_SENTENCES * model->params.embedding_dim * sizeof *out);
    if (!out)
        return wi_fail_nomem(error, N_SENTENCES * model->params.embedding_dim * sizeof *out,
                             "calibration");
    wi_status status = wi_ses_open(model, WI_TOWER_TEXT, &(wi_session_options){0}, &s, error);
    if (status == WI_OK) {
        s->run.watch = watch;
        s->run.tap_context = o;
        status = wi_ses_texts(s, sentences, N_SENTENCES, out, NULL, progress, error);
    }
    wi_ses_close(&s);
    free(out);
    return status;
}

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int ascending_index(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The columns whose largest input is OUTLIER_TIMES that of the median column, the largest first
 * when there are more than fit. */
static uint32_t choose(void *context, const wi_mat *mat, uint32_t columns[WI_MAX_APART])
{
    observer *o = context;
    const column_range *range = range_of(o, mat);
    float *sorted = range ? malloc(mat->k * sizeof *sorted) : NULL;
    if (!sorted) {
        o->out_of_memory = true;
        return 0;
    }
    memcpy(sorted, range->most, mat->k * sizeof *sorted);
    qsort(sorted, mat->k, sizeof *sorted, descending);
    float limit = OUTLIER_TIMES * sorted[mat->k / 2];
    if (mat->k > WI_MAX_APART && sorted[WI_MAX_APART] > limit)
        limit = sorted[WI_MAX_APART];
    free(sorted);
    uint32_t n = 0;
    for (uint32_t i = 0; i < mat->k && n < WI_MAX_APART; i++)
        if (range->most[i] > limit)
            columns[n++] = i;
    qsort(columns, n, sizeof *columns, ascending_index);
    return n;
}

wi_status wi_mdl_quantise(wi_model *model, const wi_progress *progress, wi_error *error)
{
    observer o = {0};
    wi_status status = WI_OK;
    model->fingerprint[0] = '\0'; /* no longer */
    if (model->params.tower[WI_ROLE_IMAGE].kind)
        status = observe_images(model, &o, progress, error);
    if (status == WI_OK && model->params.tower[WI_ROLE_TEXT].kind && model->tokenizer.kind)
        status = observe_texts(model, &o, progress, error);
    if (status == WI_OK && !o.out_of_memory)
        status = wi_pack_to_s8(&model->net, choose, &o, &model->owned, progress, error);
    if (status == WI_OK && o.out_of_memory)
        status = wi_fail(error, WI_ERR_NOMEM, "out of memory for calibration");
    if (status == WI_OK)
        status = wi_mdl_note_weights(model, error);
    for (size_t i = 0; i < o.n; i++)
        free(o.ranges[i].most);
    free(o.ranges);
    return status;
}
