/* The public face of explanations, and occlusion, which only needs what is public anyway. */
#include "model/explain.h"

#include "base/error.h"
#include "base/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

wi_status wi_explain_grid(const wi_session *session, uint32_t *side, wi_error *error)
{
    if (!session || !side)
        return wi_fail(error, WI_ERR_ARG, "wi_explain_grid needs a session and a place");
    return wi_ses_grid(session, side, error);
}

wi_status wi_explain_regions(wi_session *session, const uint8_t *pixels, float *out,
                             wi_error *error)
{
    if (!session || !pixels || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_explain_regions: a NULL argument");
    return wi_ses_regions(session, pixels, out, error);
}

wi_status wi_explain_units(wi_session *session, const uint8_t *pixels, size_t k, wi_unit *out,
                           float *direction, size_t *n_out, wi_error *error)
{
    if (!session || !pixels || !out || !n_out)
        return wi_fail(error, WI_ERR_ARG, "wi_explain_units: a NULL argument");
    return wi_ses_units(session, pixels, k, out, direction, n_out, error);
}

typedef struct occlusion {
    wi_session *session;
    const wi_head *head;
    const uint8_t *pixels;
    size_t label, n_labels, size, dim;
    size_t window, stride, n_side; /* windows a side; the last one ends at the edge */
    bool sigmoid;
    uint8_t mean[3];
    uint8_t *batch;    /* [max_images, size, size, 3] */
    float *embeddings; /* [max_images, dim] */
    float *logit;      /* [n_labels] */
    uint32_t *covered; /* [size, size] */
} occlusion;

/* The label's logit over ln of the sum of the others' exponentials. */
static wi_status lead(const occlusion *o, const float *embedding, float *out, wi_error *error)
{
    const wi_status status =
        wi_head_scores(o->head, embedding, o->dim, NULL, NULL, o->logit, error);
    if (status != WI_OK)
        return status;
    float most = -INFINITY;
    double sum = 0.0;
    for (size_t i = 0; i < o->n_labels; i++)
        if (i != o->label && o->logit[i] > most)
            most = o->logit[i];
    for (size_t i = 0; i < o->n_labels; i++)
        if (i != o->label)
            sum += exp((double)(o->logit[i] - most));
    *out = o->logit[o->label];
    if (!o->sigmoid && o->n_labels > 1)
        *out -= most + (float)log(sum);
    return WI_OK;
}

static size_t place_of(const occlusion *o, size_t index)
{
    const size_t at = index * o->stride;
    return at + o->window > o->size ? o->size - o->window : at;
}

static void paint(const occlusion *o, size_t index, uint8_t *to)
{
    const size_t y0 = place_of(o, index / o->n_side), x0 = place_of(o, index % o->n_side);
    memcpy(to, o->pixels, 3 * o->size * o->size);
    for (size_t y = y0; y < y0 + o->window; y++)
        for (size_t x = x0; x < x0 + o->window; x++)
            memcpy(to + 3 * (y * o->size + x), o->mean, 3);
}

static void add_heat(const occlusion *o, size_t index, float fall, float *heat)
{
    const size_t y0 = place_of(o, index / o->n_side), x0 = place_of(o, index % o->n_side);
    for (size_t y = y0; y < y0 + o->window; y++)
        for (size_t x = x0; x < x0 + o->window; x++) {
            heat[y * o->size + x] += fall;
            o->covered[y * o->size + x]++;
        }
}

static wi_status try_windows(const occlusion *o, const wi_progress *progress, float *heat,
                             wi_error *error)
{
    const size_t n = o->n_side * o->n_side, max = o->session->max_images;
    float whole = 0, left = 0;
    wi_status status = wi_session_encode_images(o->session, o->pixels, 1, o->embeddings, error);
    if (status == WI_OK)
        status = lead(o, o->embeddings, &whole, error);
    for (size_t done = 0; done < n && status == WI_OK;) {
        const size_t some = n - done < max ? n - done : max;
        for (size_t i = 0; i < some; i++)
            paint(o, done + i, o->batch + i * 3 * o->size * o->size);
        status = wi_session_encode_images(o->session, o->batch, some, o->embeddings, error);
        for (size_t i = 0; i < some && status == WI_OK; i++) {
            status = lead(o, o->embeddings + i * o->dim, &left, error);
            add_heat(o, done + i, whole - left, heat);
        }
        done += some;
        if (status == WI_OK && !wi_progress_report(progress, done, n))
            status = wi_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    return status;
}

static wi_status plan(occlusion *o, const wi_occlusion *how, wi_error *error)
{
    wi_model_info info;
    wi_head_info head;
    const wi_status status = wi_model_get_info(o->session->model, &info, error);
    if (status != WI_OK)
        return status;
    wi_head_get_info(o->head, &head);
    o->n_labels = head.n_labels;
    o->sigmoid = head.sigmoid;
    o->dim = info.embedding_dim;
    o->size = info.image_px;
    o->window = how->window_px ? how->window_px : (o->size + 3) / 4;
    o->stride = how->stride_px ? how->stride_px : (o->window + 1) / 2;
    if (o->label >= o->n_labels)
        return wi_fail(error, WI_ERR_ARG, "label %zu of %zu", o->label, o->n_labels);
    if (o->window > o->size)
        return wi_fail(error, WI_ERR_ARG, "a window of %zu px on an input of %zu", o->window,
                       o->size);
    o->n_side = (o->size - o->window + o->stride - 1) / o->stride + 1;
    for (int c = 0; c < 3; c++)
        o->mean[c] = (uint8_t)lroundf(255 * fminf(fmaxf(info.preprocess.mean[c], 0), 1));
    return WI_OK;
}

wi_status wi_explain_occlusion(wi_session *session, const uint8_t *pixels, const wi_head *head,
                               size_t label, const wi_occlusion *how, float *heat, wi_error *error)
{
    const wi_occlusion defaults = {0};
    if (!session || !pixels || !head || !heat)
        return wi_fail(error, WI_ERR_ARG, "wi_explain_occlusion: a NULL argument");
    how = how ? how : &defaults;
    occlusion o = {.session = session, .head = head, .pixels = pixels, .label = label};
    wi_status status = wi_check_reserved(how->reserved, "wi_occlusion", error);
    if (status == WI_OK)
        status = plan(&o, how, error);
    if (status != WI_OK)
        return status;
    const size_t area = o.size * o.size;
    o.batch = calloc(session->max_images, 3 * area);
    o.embeddings = calloc(session->max_images, o.dim * sizeof *o.embeddings);
    o.logit = calloc(o.n_labels, sizeof *o.logit);
    o.covered = calloc(area, sizeof *o.covered);
    float *sum = calloc(area, sizeof *sum);
    if (!o.batch || !o.embeddings || !o.logit || !o.covered || !sum)
        status = wi_fail_nomem(error, (3 * (size_t)session->max_images + 8) * area, "a heat map");
    else
        status = try_windows(&o, &how->progress, sum, error);
    for (size_t i = 0; status == WI_OK && i < area; i++)
        heat[i] = o.covered[i] ? sum[i] / (float)o.covered[i] : 0;
    free(o.batch);
    free(o.embeddings);
    free(o.logit);
    free(o.covered);
    free(sum);
    return status;
}
