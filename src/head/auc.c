/* The area under the ROC curve and its bootstrap interval. */
#include "base/error.h"
#include "base/size.h"
#include "head/chance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/metrics.h>

typedef struct sample {
    float score;
    bool positive;
} sample;

static int by_score(const void *a, const void *b)
{
    const sample *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* samples are sorted by score; times[i] (NULL: 1 each) is how often one counts. NaN without both
 * kinds. */
static double area(const sample *samples, const uint32_t *times, size_t n)
{
    double below = 0, pairs = 0, n_positive = 0; /* below: negatives with smaller scores */
    for (size_t i = 0; i < n;) {
        double positives = 0, negatives = 0; /* of one score */
        size_t end = i;
        for (; end < n && samples[end].score == samples[i].score; end++) {
            double count = times ? times[end] : 1;
            if (samples[end].positive)
                positives += count;
            else
                negatives += count;
        }
        pairs += positives * (below + negatives / 2);
        below += negatives;
        n_positive += positives;
        i = end;
    }
    return pairs / (n_positive * below);
}

static wi_status bootstrap(const sample *samples, size_t n, unsigned n_rounds, double *low,
                           double *high, wi_error *error)
{
    double *areas = malloc(n_rounds * sizeof *areas);
    uint32_t *times = calloc(n, sizeof *times);
    if (!areas || !times) {
        free(areas);
        free(times);
        return wi_fail_nomem(error, n * sizeof *times, "resampling");
    }
    uint64_t state = 20220101;
    unsigned n_areas = 0;
    for (unsigned round = 0; round < n_rounds; round++) {
        memset(times, 0, n * sizeof *times);
        for (size_t i = 0; i < n; i++)
            times[wi_chance_below(&state, n)]++;
        double a = area(samples, times, n);
        if (!isnan(a)) /* a resample may miss one kind */
            areas[n_areas++] = a;
    }
    qsort(areas, n_areas, sizeof *areas, by_value);
    if (n_areas > 0) {
        *low = areas[(unsigned)(0.025 * (n_areas - 1))];
        *high = areas[(unsigned)ceil(0.975 * (n_areas - 1))];
    }
    free(areas);
    free(times);
    return WI_OK;
}

static wi_status check(const float *score, const bool *positive, size_t n, wi_error *error)
{
    size_t n_positive = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(score[i]))
            return wi_fail(error, WI_ERR_ARG, "score %zu is NaN", i);
        n_positive += positive[i];
    }
    if (n_positive == 0 || n_positive == n)
        return wi_fail(error, WI_ERR_ARG,
                       "an ROC curve needs positives and negatives; there are %zu of %zu",
                       n_positive, n);
    return WI_OK;
}

wi_status wi_auc(const float *score, const bool *positive, size_t n, unsigned n_rounds, double *auc,
                 double *low, double *high, wi_error *error)
{
    if (!score || !positive || !auc)
        return wi_fail(error, WI_ERR_ARG, "wi_auc needs scores, kinds and a place for the area");
    wi_status status = check(score, positive, n, error);
    if (status != WI_OK)
        return status;
    sample *samples = calloc(n, sizeof *samples);
    if (!samples)
        return wi_fail_nomem(error, n * sizeof *samples, "scores");
    for (size_t i = 0; i < n; i++)
        samples[i] = (sample){score[i], positive[i]};
    qsort(samples, n, sizeof *samples, by_score);
    double limits[2] = {NAN, NAN};
    if (n_rounds > 0)
        status = bootstrap(samples, n, n_rounds, &limits[0], &limits[1], error);
    if (status == WI_OK) {
        *auc = area(samples, NULL, n);
        if (low)
            *low = limits[0];
        if (high)
            *high = limits[1];
    }
    free(samples);
    return status;
}
