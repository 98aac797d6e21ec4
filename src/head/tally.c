/* Counting right and wrong answers. */
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/metrics.h>

enum { N_BINS = 15, N_ROUNDS = 1000 };

typedef struct answered {
    uint32_t truth, answer;
    float odds; /* two labels: ln(score[1] / score[0]), which keeps apart what 1 - 1e-9 does not */
} answered;

struct wi_tally {
    size_t n_labels;
    wi_label_metrics *labels; /* counts only */
    answered *pictures;
    size_t n, capacity;
    uint64_t n_top5;
    double log_loss;
    struct {
        double n, n_right, confidence;
    } bins[N_BINS];
};

wi_status wi_tally_open(size_t n_labels, wi_tally **out, wi_error *error)
{
    if (n_labels == 0 || n_labels > UINT32_MAX || !out)
        return wi_fail(error, WI_ERR_ARG, "a tally of %zu labels", n_labels);
    wi_tally *tally = calloc(1, sizeof *tally);
    if (tally)
        tally->labels = calloc(n_labels, sizeof *tally->labels);
    if (!tally || !tally->labels) {
        free(tally);
        return wi_fail_nomem(error, n_labels, "a tally");
    }
    tally->n_labels = n_labels;
    *out = tally;
    return WI_OK;
}

void wi_tally_close(wi_tally **tally)
{
    if (!tally || !*tally)
        return;
    free((*tally)->labels);
    free((*tally)->pictures);
    free(*tally);
    *tally = NULL;
}

static wi_status reserve(wi_tally *tally, wi_error *error)
{
    if (tally->n < tally->capacity)
        return WI_OK;
    size_t capacity = tally->capacity ? 2 * tally->capacity : 256, n_bytes;
    answered *grown =
        wi_size_mul(capacity, sizeof *grown, &n_bytes) ? realloc(tally->pictures, n_bytes) : NULL;
    if (!grown)
        return wi_fail_nomem(error, capacity * sizeof *grown, "a tally");
    tally->pictures = grown;
    tally->capacity = capacity;
    return WI_OK;
}

wi_status wi_tally_add(wi_tally *tally, const float *score, size_t truth, wi_error *error)
{
    if (!tally || !score || truth >= tally->n_labels)
        return wi_fail(error, WI_ERR_ARG, "a picture of label %zu in a tally of %zu", truth,
                       tally ? tally->n_labels : 0);
    size_t best = 0, n_before = 0; /* n_before: labels that stand before the true one */
    for (size_t i = 0; i < tally->n_labels; i++) {
        if (!(score[i] >= 0 && score[i] <= 1))
            return wi_fail(error, WI_ERR_ARG, "the score of label %zu is %g", i, (double)score[i]);
        if (score[i] > score[best])
            best = i;
        n_before += score[i] > score[truth] || (score[i] == score[truth] && i < truth);
    }
    wi_status status = reserve(tally, error);
    if (status != WI_OK)
        return status;
    float odds = tally->n_labels == 2 ? logf(score[1] + 1e-37f) - logf(score[0] + 1e-37f) : 0;
    tally->pictures[tally->n++] = (answered){(uint32_t)truth, (uint32_t)best, odds};
    tally->labels[truth].n_true++;
    tally->labels[best].n_answered++;
    tally->labels[truth].n_right += best == truth;
    tally->n_top5 += n_before < 5;
    tally->log_loss -= log(fmax((double)score[truth], 1e-12));
    size_t bin = (size_t)((double)score[best] * N_BINS);
    bin = bin < N_BINS ? bin : N_BINS - 1;
    tally->bins[bin].n += 1;
    tally->bins[bin].n_right += best == truth;
    tally->bins[bin].confidence += (double)score[best];
    return WI_OK;
}

void wi_tally_label(const wi_tally *tally, size_t label, wi_label_metrics *out)
{
    if (!out)
        return;
    *out = tally && label < tally->n_labels ? tally->labels[label] : (wi_label_metrics){0};
    out->precision = (double)out->n_right / (double)out->n_answered;
    out->recall = (double)out->n_right / (double)out->n_true;
}

static wi_status two_label_auc(const wi_tally *tally, wi_metrics *out, wi_error *error)
{
    if (tally->n_labels != 2 || tally->labels[0].n_true == 0 || tally->labels[1].n_true == 0)
        return WI_OK;
    float *odds = calloc(tally->n, sizeof *odds);
    bool *second = calloc(tally->n, sizeof *second);
    wi_status status = WI_OK;
    if (!odds || !second)
        status = wi_fail_nomem(error, tally->n * sizeof *odds, "scores");
    for (size_t i = 0; i < tally->n && status == WI_OK; i++) {
        odds[i] = tally->pictures[i].odds;
        second[i] = tally->pictures[i].truth == 1;
    }
    if (status == WI_OK)
        status = wi_auc(odds, second, tally->n, N_ROUNDS, &out->auc, &out->auc_low, &out->auc_high,
                        error);
    free(odds);
    free(second);
    return status;
}

wi_status wi_tally_metrics(const wi_tally *tally, wi_metrics *out, wi_error *error)
{
    if (!tally || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_tally_metrics needs a tally and a place for its metrics");
    wi_metrics m = {tally->n, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, {0}};
    double n = (double)tally->n, n_right = 0, recalls = 0, n_recalls = 0, error_sum = 0;
    for (size_t i = 0; i < tally->n_labels; i++) {
        n_right += (double)tally->labels[i].n_right;
        if (tally->labels[i].n_true > 0) {
            recalls += (double)tally->labels[i].n_right / (double)tally->labels[i].n_true;
            n_recalls += 1;
        }
    }
    for (int b = 0; b < N_BINS; b++)
        error_sum += fabs(tally->bins[b].n_right - tally->bins[b].confidence);
    if (tally->n > 0) {
        m.top1 = n_right / n;
        m.top5 = (double)tally->n_top5 / n;
        m.balanced = recalls / n_recalls;
        m.log_loss = tally->log_loss / n;
        m.calibration_error = error_sum / n;
    }
    wi_status status = two_label_auc(tally, &m, error);
    if (status == WI_OK)
        *out = m;
    return status;
}

void wi_tally_confusion(const wi_tally *tally, uint64_t *count)
{
    if (!tally || !count)
        return;
    memset(count, 0, tally->n_labels * tally->n_labels * sizeof *count);
    for (size_t i = 0; i < tally->n; i++)
        count[tally->pictures[i].truth * tally->n_labels + tally->pictures[i].answer]++;
}

static int by_pair(const void *a, const void *b)
{
    const wi_confused *x = a, *y = b;
    if (x->truth != y->truth)
        return x->truth < y->truth ? -1 : 1;
    return (x->answer > y->answer) - (x->answer < y->answer);
}

static int by_count(const void *a, const void *b)
{
    const wi_confused *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return by_pair(a, b);
}

wi_status wi_tally_confused(const wi_tally *tally, size_t max, wi_confused *out, size_t *n_out,
                            wi_error *error)
{
    if (!tally || (!out && max > 0) || !n_out)
        return wi_fail(error, WI_ERR_ARG, "wi_tally_confused needs a tally and room for its pairs");
    wi_confused *pairs = calloc(tally->n + 1, sizeof *pairs);
    if (!pairs)
        return wi_fail_nomem(error, tally->n * sizeof *pairs, "wrong answers");
    size_t n = 0, n_pairs = 0;
    for (size_t i = 0; i < tally->n; i++)
        if (tally->pictures[i].truth != tally->pictures[i].answer)
            pairs[n++] = (wi_confused){tally->pictures[i].truth, tally->pictures[i].answer, 1};
    qsort(pairs, n, sizeof *pairs, by_pair);
    for (size_t i = 0; i < n; i++) {
        if (n_pairs > 0 && by_pair(&pairs[n_pairs - 1], &pairs[i]) == 0)
            pairs[n_pairs - 1].count++;
        else
            pairs[n_pairs++] = pairs[i];
    }
    qsort(pairs, n_pairs, sizeof *pairs, by_count);
    *n_out = n_pairs < max ? n_pairs : max;
    if (*n_out > 0)
        memcpy(out, pairs, *n_out * sizeof *out);
    free(pairs);
    return WI_OK;
}
