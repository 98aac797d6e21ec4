#include "head/train.h"

#include "base/error.h"
#include "base/progress.h"
#include "base/size.h"
#include "head/folds.h"
#include "head/logistic.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_STEPS = 150, FINAL_STEPS = 400 };

/* On unit embeddings; the ends are reached by very clean and by very noisy labels only. */
static const double strengths[] = {1, 10, 100, 1e3, 1e4, 1e5};
enum { N_STRENGTHS = sizeof strengths / sizeof *strengths };
static const double default_strength = 10; /* when nothing can be held out */
/* Of the gradient of the mean loss. One for all fits: what stops earlier is penalised more, and the last fit
 * must not differ from those that chose its strength. */
static const double tolerance = 1e-4;

typedef struct sweep {
    const wi_training *training;
    wi_logistic problem;
    size_t *count;        /* [n_labels] photos per label */
    double *label_weight; /* [n_labels] */
    wi_folds folds;
    double *wb;       /* [n_folds, n_labels, dim + 1]: each strength starts where the last ended */
    double *held_out; /* [n] what a photo counts in the loss: 0 when it is never held out */
    float *logit,
        *best_logit; /* [n, n_labels] of held-out photos: this strength's, the best one's */
    double best_loss, best_strength;
    uint64_t n_done, n_total; /* fits */
} sweep;

static void close_sweep(sweep *s)
{
    wi_logistic_free(&s->problem);
    free(s->count);
    free(s->label_weight);
    wi_folds_free(&s->folds);
    free(s->wb);
    free(s->held_out);
    free(s->logit);
    free(s->best_logit);
}

static wi_status check_counts(const sweep *s, wi_error *error)
{
    const wi_training *t = s->training;
    if (t->n_labels < 2)
        return wi_fail(error, WI_ERR_ARG, "photos of one label only: training needs at least two");
    for (size_t c = 0; c < t->n_labels; c++)
        if (s->count[c] == 0)
            return wi_fail(error, WI_ERR_ARG, "label '%.100s' has no photos", t->labels[c]);
    if (!(t->strength >= 0) || isinf(t->strength))
        return wi_fail(error, WI_ERR_ARG, "a strength of %g", t->strength);
    return WI_OK;
}

/* As many folds as the rarest label with two photos allows. */
static size_t count_folds(const sweep *s)
{
    size_t fewest = SIZE_MAX;
    for (size_t c = 0; c < s->training->n_labels; c++)
        if (s->count[c] >= 2 && s->count[c] < fewest)
            fewest = s->count[c];
    if (fewest == SIZE_MAX)
        return 0;
    return fewest < WI_MAX_FOLDS ? fewest : WI_MAX_FOLDS;
}

static void weigh_labels(sweep *s)
{
    const wi_training *t = s->training;
    for (size_t c = 0; c < t->n_labels; c++)
        s->label_weight[c] =
            t->balanced ? (double)t->photos.n / ((double)t->n_labels * (double)s->count[c]) : 1;
}

static wi_status open_sweep(sweep *s, const wi_head_model *model, wi_error *error)
{
    const wi_training *t = s->training;
    s->count = calloc(t->n_labels + 1, sizeof *s->count);
    s->label_weight = calloc(t->n_labels + 1, sizeof *s->label_weight);
    if (!s->count || !s->label_weight)
        return wi_fail_nomem(error, t->n_labels * sizeof *s->count, "training");
    wi_status status = wi_photos_check(&t->photos, model->dim, t->n_labels, s->count, error);
    if (status == WI_OK)
        status = check_counts(s, error);
    if (status == WI_OK)
        status = wi_logistic_init(&s->problem, model->kern, t->photos.embeddings, t->photos.labels,
                                  t->photos.n, t->photos.dim, t->n_labels, error);
    if (status != WI_OK)
        return status;
    const wi_folds_rule rule = {.n_folds = count_folds(s), .shuffled = true, .lone_pass = true};
    size_t n = t->photos.n, n_logits, n_wb;
    size_t n_fits = rule.n_folds ? rule.n_folds : 1; /* one start is needed in any case */
    if (!wi_size_mul(n, t->n_labels, &n_logits) ||
        !wi_size_mul3(n_fits, t->n_labels, t->photos.dim + 1, &n_wb))
        return wi_fail(error, WI_ERR_LIMIT, "too many photos and labels");
    s->held_out = calloc(n, sizeof *s->held_out);
    s->wb = calloc(n_wb, sizeof *s->wb);
    s->logit = rule.n_folds ? calloc(n_logits, sizeof *s->logit) : NULL;
    s->best_logit = rule.n_folds ? calloc(n_logits, sizeof *s->best_logit) : NULL;
    if (!s->held_out || !s->wb || (rule.n_folds && (!s->logit || !s->best_logit)))
        return wi_fail_nomem(error, 2 * n_logits * sizeof *s->logit, "training");
    status = wi_folds_deal(&rule, t->photos.labels, n, s->count, t->n_labels, &s->folds, error);
    if (status != WI_OK)
        return status;
    weigh_labels(s);
    for (size_t i = 0; i < n; i++)
        s->held_out[i] = s->folds.of[i] == WI_IN_NO_FOLD ? 0 : s->label_weight[t->photos.labels[i]];
    s->n_total = (t->strength > 0 ? 1 : N_STRENGTHS + 2) * (uint64_t)rule.n_folds + 1;
    return WI_OK;
}

static wi_status count_fit(sweep *s, wi_error *error)
{
    s->n_done++;
    if (!wi_progress_report(&s->training->progress, s->n_done, s->n_total))
        return wi_fail(error, WI_ERR_CANCELLED, "cancelled after %d fits", (int)s->n_done);
    return WI_OK;
}

/* Each fold starts where it ended at the strength before. */
static wi_status fit_fold(void *context, size_t fold, const bool *held_out, wi_error *error)
{
    sweep *s = context;
    wi_logistic *p = &s->problem;
    double *wb = s->wb + fold * p->n_labels * (p->dim + 1);
    for (size_t i = 0; i < p->n; i++)
        p->weight[i] = held_out[i] ? 0 : s->label_weight[p->truth[i]];
    wi_status status = wi_logistic_fit(p, wb, tolerance, SWEEP_STEPS, error);
    if (status == WI_OK)
        status = count_fit(s, error);
    for (size_t i = 0; i < p->n && status == WI_OK; i++)
        if (held_out[i])
            wi_logistic_logits(p, wb, i, s->logit + i * p->n_labels);
    return status;
}

/* Keeps what the folds are told when its loss is the least so far. */
static wi_status try_strength(sweep *s, double strength, double *loss, wi_error *error)
{
    wi_logistic *p = &s->problem;
    p->strength = strength;
    wi_status status = wi_folds_answer(&s->folds, fit_fold, s, error);
    if (status != WI_OK)
        return status;
    *loss = wi_log_loss(s->logit, p->truth, s->held_out, p->n, p->n_labels, 1, 0);
    if (*loss < s->best_loss) {
        float *swap = s->best_logit;
        s->best_logit = s->logit;
        s->logit = swap;
        s->best_loss = *loss;
        s->best_strength = strength;
    }
    return WI_OK;
}

/* Decades first, until the loss rises, then half a decade to both sides of the best. */
static wi_status choose_strength(sweep *s, wi_error *error)
{
    double loss, before = INFINITY;
    s->best_loss = INFINITY;
    s->best_strength = s->training->strength > 0 ? s->training->strength : default_strength;
    if (s->folds.n_folds == 0)
        return WI_OK;
    if (s->training->strength > 0)
        return try_strength(s, s->training->strength, &loss, error);
    bool rises = false;
    for (int i = 0; i < N_STRENGTHS && !rises; i++) {
        wi_status status = try_strength(s, strengths[i], &loss, error);
        if (status != WI_OK)
            return status;
        rises = loss > before;
        before = loss;
    }
    double best = s->best_strength, root = sqrt(10.0);
    wi_status status = try_strength(s, best / root, &loss, error);
    return status == WI_OK ? try_strength(s, best * root, &loss, error) : status;
}

/* The held-out answers, as scores at the head's temperature. */
static wi_status tally_held_out(const sweep *s, float temperature, wi_tally **out, wi_error *error)
{
    const wi_logistic *p = &s->problem;
    wi_tally *tally = NULL;
    float *score = calloc(p->n_labels, sizeof *score);
    wi_status status = score ? wi_tally_open(p->n_labels, &tally, error)
                             : wi_fail_nomem(error, p->n_labels * sizeof *score, "scores");
    for (size_t i = 0; i < p->n && status == WI_OK; i++) {
        if (s->held_out[i] == 0)
            continue;
        wi_score_softmax(s->best_logit + i * p->n_labels, p->n_labels, temperature, score);
        status = wi_tally_add(tally, score, p->truth[i], error);
    }
    free(score);
    if (status == WI_OK)
        *out = tally;
    else
        wi_tally_close(&tally);
    return status;
}

/* The last fit on all photos, and the head from it. */
static wi_status finish(sweep *s, wi_head_parts *parts, wi_head **out, wi_error *error)
{
    wi_logistic *p = &s->problem;
    size_t k = p->n_labels, d = p->dim;
    for (size_t i = 0; i < p->n; i++)
        p->weight[i] = s->label_weight[p->truth[i]];
    p->strength = s->best_strength;
    memset(s->wb, 0, k * (d + 1) * sizeof *s->wb);
    wi_status status = wi_logistic_fit(p, s->wb, tolerance, FINAL_STEPS, error);
    if (status == WI_OK)
        status = count_fit(s, error);
    if (status != WI_OK)
        return status;
    /* One block: weight[k,d], keys[k,d], bias[k], key_label[k]. The sizes are those of wb, which
     * exists. */
    float *block = calloc(2 * k * (d + 1), sizeof *block);
    if (!block)
        return wi_fail_nomem(error, 2 * k * (d + 1) * sizeof *block, "a head");
    float *keys = block + k * d, *bias = keys + k * d;
    int32_t *key_label = (int32_t *)(void *)(bias + k);
    for (size_t c = 0; c < k; c++) {
        for (size_t j = 0; j < d; j++)
            block[c * d + j] = (float)s->wb[c * (d + 1) + j];
        bias[c] = (float)s->wb[c * (d + 1) + d];
        key_label[c] = (int32_t)c;
    }
    parts->weight = block;
    parts->n_rows = k;
    parts->bias = bias;
    if (wi_photos_means(p->rows.x, p->truth, p->n, d, k, keys)) {
        parts->keys = keys;
        parts->key_label = key_label;
        parts->n_keys = k;
    }
    status = wi_head_create(parts, block, WI_ERR_ARG, out, error);
    if (status != WI_OK)
        free(block);
    return status;
}

wi_status wi_linear_train(const wi_head_model *model, const wi_training *training, wi_head **out,
                          wi_training_report *report, wi_error *error)
{
    sweep s = {.training = training};
    wi_head_parts parts;
    wi_tally *tally = NULL;
    wi_training_parts(model, training, &parts);
    parts.kind = WI_HEAD_LINEAR;
    wi_status status = wi_head_check_texts(&parts, WI_ERR_ARG, error);
    if (status == WI_OK)
        status = open_sweep(&s, model, error);
    if (status == WI_OK)
        status = choose_strength(&s, error);
    if (status == WI_OK && s.folds.n_folds > 0) {
        parts.temperature =
            wi_fit_temperature(s.best_logit, s.problem.truth, s.held_out, s.problem.n,
                               s.problem.n_labels, wi_smoothing(s.problem.n), INFINITY);
        if (report)
            status = tally_held_out(&s, parts.temperature, &tally, error);
    }
    if (status == WI_OK)
        status = finish(&s, &parts, out, error);
    if (status == WI_OK && report)
        *report = (wi_training_report){
            .strength = s.best_strength, .n_folds = (unsigned)s.folds.n_folds, .tally = tally};
    else
        wi_tally_close(&tally);
    close_sweep(&s);
    return status;
}
