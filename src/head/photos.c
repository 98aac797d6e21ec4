/* What linear and few-shot heads share: checks of labelled embeddings, means, temperature. */
#include "head/train.h"

#include "base/error.h"
#include "base/size.h"
#include "base/unit.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void wi_training_parts(const wi_head_model *model, const wi_training *t, wi_head_parts *parts)
{
    wi_head_parts_init(parts, model->kern);
    parts->name = t->name ? t->name : "";
    parts->model_name = model->name;
    parts->model_fingerprint = model->fingerprint;
    parts->licence = t->licence ? t->licence : "";
    parts->source = t->source ? t->source : "";
    parts->sensitivity = t->sensitivity ? t->sensitivity : "";
    parts->labels = t->labels;
    parts->groups = t->groups;
    parts->n_labels = t->n_labels;
    parts->dim = model->dim;
}

wi_status wi_photos_check(const wi_photos *photos, size_t dim, size_t n_labels, size_t *count,
                          wi_error *error)
{
    size_t n_floats;
    if (photos->n == 0 || !photos->embeddings || !photos->labels)
        return wi_fail(error, WI_ERR_ARG, "no photos");
    if (photos->dim != dim)
        return wi_fail(error, WI_ERR_MISMATCH, "embeddings of %zu numbers for a head of %zu",
                       photos->dim, dim);
    if (!wi_size_mul(photos->n, dim, &n_floats) || n_floats > SIZE_MAX / 16)
        return wi_fail(error, WI_ERR_LIMIT, "too many photos");
    memset(count, 0, n_labels * sizeof *count);
    for (size_t i = 0; i < photos->n; i++) {
        if (photos->labels[i] >= n_labels)
            return wi_fail(error, WI_ERR_ARG, "photo %zu has label %u of %zu", i + 1,
                           (unsigned)photos->labels[i], n_labels);
        count[photos->labels[i]]++;
    }
    return WI_OK;
}

bool wi_photos_means(const float *x, const uint32_t *labels, size_t n, size_t dim, size_t n_labels,
                     float *mean)
{
    memset(mean, 0, n_labels * dim * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++)
            mean[labels[i] * dim + j] += x[i * dim + j];
    for (size_t c = 0; c < n_labels; c++)
        if (wi_unit(mean + c * dim, dim, mean + c * dim, "the embedding", NULL) != WI_OK)
            return false;
    return true;
}

double wi_log_loss(const float *logit, const uint32_t *truth, const double *weight, size_t n,
                   size_t n_labels, double temperature, double smoothing)
{
    double loss = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        if (weight[i] == 0)
            continue;
        const float *row = logit + i * n_labels;
        double largest = -INFINITY, sum = 0, all = 0;
        for (size_t c = 0; c < n_labels; c++) {
            largest = fmax(largest, (double)row[c]);
            all += (double)row[c];
        }
        for (size_t c = 0; c < n_labels; c++)
            sum += exp(((double)row[c] - largest) / temperature);
        double of_truth = (double)row[truth[i]];
        double expected = of_truth;
        if (n_labels > 1)
            expected += smoothing * ((all - of_truth) / (double)(n_labels - 1) - of_truth);
        loss += weight[i] * (log(sum) - (expected - largest) / temperature);
        total += weight[i];
    }
    return loss / total;
}

/* Golden section over ln T: the loss is convex in 1/T, so it has one minimum. */
float wi_fit_temperature(const float *logit, const uint32_t *truth, const double *weight, size_t n,
                         size_t n_labels, double smoothing, double variance)
{
    const double ratio = 0.6180339887498949;
    double low = log(0.05), high = log(20.0), total = 0;
    double at[2] = {high - ratio * (high - low), low + ratio * (high - low)}, loss[2];
    for (size_t i = 0; i < n; i++)
        total += weight[i];
    const double pull = 1 / (2 * variance * total);
    for (int i = 0; i < 2; i++)
        loss[i] = wi_log_loss(logit, truth, weight, n, n_labels, exp(at[i]), smoothing) +
                  pull * at[i] * at[i];
    while (high - low > 1e-3) {
        int better = loss[0] <= loss[1] ? 0 : 1, other = 1 - better;
        if (better == 0)
            high = at[1];
        else
            low = at[0];
        at[other] = at[better];
        loss[other] = loss[better];
        at[better] = better == 0 ? high - ratio * (high - low) : low + ratio * (high - low);
        loss[better] = wi_log_loss(logit, truth, weight, n, n_labels, exp(at[better]), smoothing) +
                       pull * at[better] * at[better];
    }
    return (float)exp((low + high) / 2);
}
