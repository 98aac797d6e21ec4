#include "head/fewshot.h"

#include "base/error.h"
#include "base/progress.h"
#include "base/size.h"
#include "base/unit.h"
#include "head/anchor.h"
#include "head/folds.h"
#include "head/score.h"
#include "head/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cosines of photos among themselves spread less than this scale needs to be fitted from; and the temperature
 * when there is nothing to fit it from: with one photo a label the mean is that photo, which its likes resemble
 * less. */
static const float photo_scale = 20, photo_temperature = 2;
/* Photos that were not learnt from tell the strength and the temperature: below 4 they say nothing,
 * and above so many logits answering them again and again takes too long. */
enum { MIN_HELD_OUT = 4, MAX_TRIED_LOGITS = 40000, MAX_HELD_OUT_LOGITS = 2000000 };

/* Of the photos' part (anchor.h): those that are tried on held-out photos, and how far from the
 * expected one, in ln strength, costs half a nat. */
static const double strengths[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10}, strength_spread = 1.5;
static const double most_expected = 10, least_expected = 0.1;
/* Of the logarithm: words and photos are on the model's own scale, so few answers shall not move it far. */
static const double temperature_variance = 0.3;

/* The examples of a head under way, and what is said of those that are held out in turn. */
typedef struct shots {
    const wi_head_parts *parts;
    float *x;        /* [n, dim] unit rows: all example photos */
    uint32_t *label; /* [n] */
    size_t n;
    size_t *count;  /* [n_labels] */
    double *weight; /* [n] 1 for those that are held out: labels with a second photo */
    wi_folds folds;
    size_t n_held_out;
    bool too_few; /* to hold any out */
    float *logit; /* [n, n_labels] said of them */
    wi_dots_f32_fn *dot;
    /* With words: */
    float *text, *words;         /* [n_labels, dim] their rows; [n, n_labels] their logits */
    float *delta, *bias;         /* [n_labels, dim], [n_labels] what the photos add */
    double *start;               /* as wi_anchor has it */
    const wi_progress *progress; /* nullable */
    uint64_t n_fits_done, n_fits;
} shots;

static void close_shots(shots *s)
{
    free(s->x);
    free(s->label);
    free(s->count);
    free(s->weight);
    wi_folds_free(&s->folds);
    free(s->logit);
    free(s->text);
    free(s->words);
    free(s->delta);
    free(s->bias);
    free(s->start);
}

/* Old keys first, then the new photos, all of unit length. */
static wi_status gather(shots *s, const wi_photos *photos, wi_error *error)
{
    const wi_head_parts *parts = s->parts;
    size_t dim = parts->dim, n_floats;
    s->count = calloc(parts->n_labels, sizeof *s->count);
    if (!s->count)
        return wi_fail_nomem(error, parts->n_labels * sizeof *s->count, "photos");
    wi_status status = wi_photos_check(photos, dim, parts->n_labels, s->count, error);
    if (status != WI_OK)
        return status;
    s->n = parts->n_keys + photos->n;
    if (s->n > WI_HEAD_MAX_ROWS || !wi_size_mul(s->n, dim, &n_floats))
        return wi_fail(error, WI_ERR_LIMIT, "%zu example photos; at most %d are possible", s->n,
                       WI_HEAD_MAX_ROWS);
    s->x = calloc(n_floats, sizeof *s->x);
    s->label = calloc(s->n, sizeof *s->label);
    if (!s->x || !s->label)
        return wi_fail_nomem(error, n_floats * sizeof *s->x, "photos");
    for (size_t i = 0; i < parts->n_keys; i++) {
        memcpy(s->x + i * dim, parts->keys + i * dim, dim * sizeof *s->x);
        s->label[i] = (uint32_t)parts->key_label[i];
        s->count[s->label[i]]++;
    }
    for (size_t i = 0; i < photos->n; i++) {
        size_t at = parts->n_keys + i;
        wi_error why;
        s->label[at] = photos->labels[i];
        if (wi_unit(photos->embeddings + i * dim, dim, s->x + at * dim, "the embedding", &why) !=
            WI_OK)
            return wi_fail(error, WI_ERR_ARG, "photo %zu: %s", i + 1, why.message);
    }
    return WI_OK;
}

/* Photos of labels that have another one can be held out, unless they are too few or too many to tell. */
static wi_status choose_held_out(shots *s, wi_error *error)
{
    size_t n_labels = s->parts->n_labels;
    s->weight = calloc(s->n, sizeof *s->weight);
    if (!s->weight)
        return wi_fail_nomem(error, s->n * sizeof *s->weight, "photos");
    for (size_t i = 0; i < s->n; i++) {
        size_t count = s->count[s->label[i]];
        s->weight[i] = count >= 2;
        s->n_held_out += count >= 2;
    }
    s->too_few = s->n_held_out < MIN_HELD_OUT;
    if (n_labels < 2 || s->too_few || s->n > MAX_HELD_OUT_LOGITS / n_labels)
        s->n_held_out = 0;
    if (s->n_held_out == 0)
        return WI_OK;
    s->logit = calloc(s->n * n_labels, sizeof *s->logit);
    if (!s->logit)
        return wi_fail_nomem(error, s->n * n_labels * sizeof *s->logit, "photos");
    const wi_folds_rule rule = {.n_folds =
                                    s->n_held_out < WI_MAX_FOLDS ? s->n_held_out : WI_MAX_FOLDS};
    return wi_folds_deal(&rule, s->label, s->n, s->count, n_labels, &s->folds, error);
}

/* variance: as wi_fit_temperature */
static float fit_temperature(const shots *s, double variance)
{
    return s->n_held_out == 0
               ? 1
               : wi_fit_temperature(s->logit, s->label, s->weight, s->n, s->parts->n_labels,
                                    wi_smoothing(s->n_held_out), variance);
}

/* ---- words and photos ---- */

/* What the head says by its words alone. */
static wi_status ask_words(shots *s, const wi_head *head, wi_error *error)
{
    size_t k = s->parts->n_labels, dim = s->parts->dim, n_floats;
    if (!wi_size_mul(s->n, k, &n_floats) || n_floats > SIZE_MAX / 16)
        return wi_fail(error, WI_ERR_LIMIT, "too many photos");
    s->words = calloc(n_floats, sizeof *s->words);
    s->text = calloc(k * dim, sizeof *s->text); /* as large as the head's rows */
    s->delta = calloc(k * dim, sizeof *s->delta);
    s->bias = calloc(k, sizeof *s->bias);
    s->start = calloc(k * (dim + 1) + 1, sizeof *s->start);
    float *cosine = calloc(k, sizeof *cosine);
    if (!s->words || !s->text || !s->delta || !s->bias || !s->start || !cosine) {
        free(cosine);
        return wi_fail_nomem(error, (n_floats + 4 * k * dim) * sizeof(float), "photos");
    }
    wi_head plain = *head; /* without what it may have learnt from photos */
    plain.parts.delta = plain.parts.bias = NULL;
    plain.parts.logit_scale /= plain.parts.words_weight;
    for (size_t i = 0; i < s->n; i++)
        wi_score_logits(&plain, s->x + i * dim, cosine, s->words + i * k);
    for (size_t r = s->parts->n_rows; r-- > 0;) { /* the first name's row stays */
        size_t label = s->parts->row_label ? (size_t)s->parts->row_label[r] : r;
        memcpy(s->text + label * dim, s->parts->weight + r * dim, dim * sizeof *s->text);
    }
    free(cosine);
    return WI_OK;
}

static wi_status fit(shots *s, const wi_anchor *anchor, const bool *skip, float *lambda,
                     wi_error *error)
{
    wi_status status = wi_anchor_fit(anchor, skip, s->delta, s->bias, lambda, error);
    s->n_fits_done++;
    if (status == WI_OK && !wi_progress_report(s->progress, s->n_fits_done, s->n_fits))
        return wi_fail(error, WI_ERR_CANCELLED, "cancelled after %d fits", (int)s->n_fits_done);
    return status;
}

typedef struct question {
    shots *shots;
    const wi_anchor *anchor;
} question;

/* The logits of the photos that are held out, by a fit to the others. */
static wi_status answer_fold(void *context, size_t fold, const bool *held_out, wi_error *error)
{
    const question *q = context;
    shots *s = q->shots;
    const size_t k = q->anchor->n_labels, dim = q->anchor->dim;
    float lambda;
    (void)fold;
    wi_status status = fit(s, q->anchor, held_out, &lambda, error);
    for (size_t i = 0; i < s->n && status == WI_OK; i++) {
        float *row = s->logit + i * k;
        if (!held_out[i])
            continue;
        s->dot(k, dim, s->delta, dim, s->x + i * dim, row);
        for (size_t c = 0; c < k; c++) {
            row[c] += lambda * s->words[i * k + c] + s->bias[c];
            row[c] += s->count[c] == 0 ? wi_anchor_prior(0) : 0; /* none of its is held out */
        }
    }
    return status;
}

/* How far photos may move the words, before any are held out: by the share of the probability that the
 * words give to wrong labels, of what words that say nothing would. Words that are mostly right have
 * little to gain from photos and much to lose. */
static double expect_strength(const shots *s)
{
    size_t k = s->parts->n_labels;
    double wrong = 0;
    for (size_t i = 0; i < s->n; i++) {
        const float *row = s->words + i * k;
        wrong += 1 - exp((double)row[s->label[i]] - wi_score_log_sum(row, k));
    }
    wrong = fmin(wrong / ((double)s->n * (1 - 1 / fmax((double)k, 2))), 1);
    return fmax(most_expected * wrong * wrong * wrong * wrong, least_expected);
}

/* The temperature when no photo could be held out to tell it. Where words say something, their own scale serves;
 * answers that rest on a photo or two are surer than they are right. */
static float expect_temperature(const shots *s, double strength)
{
    double share = strength / most_expected;
    size_t n_shown = 0;
    for (size_t c = 0; c < s->parts->n_labels; c++)
        n_shown += s->count[c] > 0;
    return (float)(1 + 2 * share * share * (double)n_shown / (double)s->parts->n_labels);
}

/* What the held-out photos lose at this strength, in nats, at the temperature that suits them. */
static wi_status try_strength(shots *s, wi_anchor *anchor, double strength, double *loss,
                              float *temperature, wi_error *error)
{
    question asked = {s, anchor};
    anchor->strength = strength;
    wi_status status = wi_folds_answer(&s->folds, answer_fold, &asked, error);
    if (status != WI_OK)
        return status;
    *temperature = fit_temperature(s, temperature_variance);
    double away = log((double)*temperature);
    *loss =
        away * away / (2 * temperature_variance) +
        (double)s->n_held_out * wi_log_loss(s->logit, s->label, s->weight, s->n, s->parts->n_labels,
                                            (double)*temperature, wi_smoothing(s->n_held_out));
    return WI_OK;
}

/* Turns the strength that was expected into the one at which held-out photos are answered best;
 * what was expected counts as knowledge of before. Many photos of many labels stay with it. */
static wi_status choose_strength(shots *s, wi_anchor *anchor, float *temperature, wi_error *error)
{
    const double expected = anchor->strength;
    double least, chosen = expected;
    size_t n_tried =
        s->n * s->parts->n_labels > MAX_TRIED_LOGITS ? 0 : sizeof strengths / sizeof *strengths;
    s->n_fits = (1 + n_tried) * s->folds.n_folds + 1;
    wi_status status = try_strength(s, anchor, expected, &least, temperature, error);
    for (size_t i = 0; i < n_tried && status == WI_OK; i++) {
        double loss, away = log(strengths[i] / expected) / strength_spread;
        float t;
        status = try_strength(s, anchor, strengths[i], &loss, &t, error);
        if (status == WI_OK && loss + away * away / 2 < least) {
            least = loss + away * away / 2;
            chosen = strengths[i];
            *temperature = t;
        }
    }
    anchor->strength = chosen;
    return status;
}

static wi_status mix_words(shots *s, const wi_head *words, wi_head_parts *parts, wi_error *error)
{
    float temperature = 1, before = parts->words_weight;
    wi_status status = ask_words(s, words, error);
    wi_anchor anchor = {.kern = parts->kern,
                        .n = s->n,
                        .dim = parts->dim,
                        .n_labels = parts->n_labels,
                        .x = s->x,
                        .label = s->label,
                        .words = s->words,
                        .text = s->text,
                        .start = s->start,
                        .independent = parts->sigmoid};
    if (status == WI_OK)
        anchor.strength = expect_strength(s);
    if (s->too_few)
        temperature = expect_temperature(s, anchor.strength);
    if (status == WI_OK && s->n_held_out > 0)
        status = choose_strength(s, &anchor, &temperature, error);
    if (status == WI_OK)
        status = fit(s, &anchor, NULL, &parts->words_weight, error);
    if (!parts->sigmoid)
        parts->temperature = temperature;
    parts->logit_scale *= parts->words_weight / before;
    parts->delta = s->delta;
    parts->bias = s->bias;
    return status;
}

/* ---- photos alone ---- */

/* What each held-out photo would be told: its label's mean is taken without it. */
static wi_status answer_by_means(shots *s, const float *mean, wi_error *error)
{
    size_t k = s->parts->n_labels, dim = s->parts->dim;
    float *rest = calloc(dim, sizeof *rest);
    if (!rest)
        return wi_fail_nomem(error, dim * sizeof *rest, "photos");
    for (size_t q = 0; q < s->n; q++) {
        const float *x = s->x + q * dim;
        uint32_t own = s->label[q];
        float *row = s->logit + q * k;
        if (s->weight[q] == 0)
            continue;
        s->dot(k, dim, mean, dim, x, row);
        memset(rest, 0, dim * sizeof *rest);
        for (size_t i = 0; i < s->n; i++)
            for (size_t j = 0; s->label[i] == own && i != q && j < dim; j++)
                rest[j] += s->x[i * dim + j];
        if (wi_unit(rest, dim, rest, "the embedding", NULL) == WI_OK)
            s->dot(1, dim, rest, dim, x, &row[own]);
        for (size_t c = 0; c < k; c++)
            row[c] *= photo_scale;
    }
    free(rest);
    return WI_OK;
}

/* Each label's mean photo as its weights. mean[n_labels, dim]. */
static wi_status use_means(shots *s, float *mean, wi_head_parts *parts, wi_error *error)
{
    for (size_t c = 0; c < parts->n_labels; c++)
        if (s->count[c] == 0)
            return wi_fail(error, WI_ERR_ARG, "label '%.100s' has no photos", parts->labels[c]);
    if (!wi_photos_means(s->x, s->label, s->n, parts->dim, parts->n_labels, mean))
        return wi_fail(error, WI_ERR_ARG, "photos of a label cancel each other out");
    parts->weight = mean;
    parts->n_rows = parts->n_labels;
    parts->logit_scale = photo_scale;
    parts->logit_bias = 0;
    wi_status status = s->n_held_out > 0 ? answer_by_means(s, mean, error) : WI_OK;
    if (status == WI_OK)
        parts->temperature = s->too_few ? photo_temperature : fit_temperature(s, INFINITY);
    return status;
}

/* words: NULL when the head is made of photos alone. */
static wi_status make_head(const wi_head *words, const wi_head_parts *from, const wi_photos *photos,
                           const wi_progress *progress, wi_head **out, wi_error *error)
{
    shots s = {.parts = from, .dot = from->kern->dots_f32, .progress = progress, .n_fits = 1};
    wi_head_parts parts = *from;
    float *mean = NULL;
    wi_status status = gather(&s, photos, error);
    if (status == WI_OK)
        status = choose_held_out(&s, error);
    parts.kind = WI_HEAD_FEW_SHOT;
    parts.temperature = 1;
    parts.none_threshold = parts.none_rate = NAN; /* set for other numbers */
    if (status == WI_OK && words) {
        status = mix_words(&s, words, &parts, error);
    } else if (status == WI_OK) {
        mean = calloc(parts.n_labels * parts.dim, sizeof *mean);
        status = mean ? use_means(&s, mean, &parts, error)
                      : wi_fail_nomem(error, parts.n_labels * parts.dim * sizeof *mean, "a head");
    }
    parts.keys = s.x;
    parts.key_label = (const int32_t *)s.label; /* below 2^20 */
    parts.n_keys = s.n;
    if (status == WI_OK)
        status = wi_head_copy(&parts, out, error);
    free(mean);
    close_shots(&s);
    return status;
}

wi_status wi_fewshot_add(const wi_head *words, const wi_photos *photos, const wi_progress *progress,
                         wi_head **out, wi_error *error)
{
    const wi_head_parts *parts = &words->parts;
    if (parts->kind == WI_HEAD_LINEAR)
        return wi_fail(error, WI_ERR_ARG,
                       "a trained head takes no example photos: train it again with them");
    bool photos_alone = parts->kind == WI_HEAD_FEW_SHOT && parts->n_templates == 0;
    return make_head(photos_alone ? NULL : words, parts, photos, progress, out, error);
}

wi_status wi_fewshot_from_photos(const wi_head_model *model, const wi_training *training,
                                 wi_head **out, wi_error *error)
{
    wi_head_parts parts;
    wi_training_parts(model, training, &parts);
    wi_status status = wi_head_check_texts(&parts, WI_ERR_ARG, error);
    return status == WI_OK ? make_head(NULL, &parts, &training->photos, NULL, out, error) : status;
}
