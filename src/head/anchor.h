/* What example photos add to words: a logistic regression that leaves the words' answer only as far
 * as the photos ask for it.
 *
 *     logit[c] = lambda * words[c] + v[c] . z + b[c],   z = (x - centre) / radius
 *     maximise  sum over photos of ln softmax(logit + ln count)[label]
 *               - |v|^2 / (2 * strength) - |b|^2 / (2 * 0.3 strength) - (ln lambda)^2 / (2 * 0.3)
 *
 * strength says how far the photos may move the words; towards 0 the best label is the words'.
 * centre is the mean of the labels' mean photos and radius the distance from it that other photos are
 * expected to have (these lie nearer, the centre being theirs: |x - centre|^2 is divided by 1 - 1 / labels),
 * so that one strength serves pictures that are all alike (X-rays) and pictures of everything. ln count takes
 * out that some labels came with more photos. Labels without photos have v = 0, and a count of
 * 0.1: theirs are rare among these photos, so that being taken for them says little, and they keep their say
 * elsewhere. What concerns all labels (lambda, b) is learnt when all of them have photos; otherwise
 * lambda = 1 and b = 0, and the mean photos that are missing are taken to differ from the others as
 * their words do.
 *
 * Source: Silva-Rodriguez et al., A Closer Look at the Few-Shot Adaptation of Large Vision-Language
 *     Models (CVPR 2024, arXiv:2312.12730): a linear probe that begins at the words and is held to
 *     them; Menon et al. (arXiv:2007.07314) for ln count. Both 0.3 were chosen by measuring
 *     (docs/HEADS.md says on which pictures); fewshot.c chooses the strength from the photos. */
#ifndef WI_HEAD_ANCHOR_H
#define WI_HEAD_ANCHOR_H

#include "head/head.h"

#include <math.h>

/* ln count, as above. */
static inline float wi_anchor_prior(size_t n_photos)
{
    return logf(n_photos > 0 ? (float)n_photos : 0.1f);
}

/* Example photos and what the words say of them. Borrowed. */
typedef struct wi_anchor {
    const wi_kern *kern;
    size_t n, dim, n_labels;
    const float *x;        /* [n, dim] unit rows */
    const uint32_t *label; /* [n] */
    const float *words;    /* [n, n_labels] logits */
    const float *text;     /* [n_labels, dim] a unit row of each label's words */
    double strength;       /* above 0; towards 0, the words' answer stays */
    bool independent;      /* a sigmoid head: a yes is a yes, lambda = 1 and b = 0 */
    double *start; /* [n_labels * (dim + 1) + 1] zeros at first, then where the last fit ended: fits
                      that differ by a few photos or in strength begin there; NULL: at zeros */
} wi_anchor;

/* The photos with skip[i] are left out (NULL: none); the others' count is above 0.
 * Shapes: delta[n_labels, dim] and bias[n_labels], so that
 *     logit = *words_weight * words + delta . x + bias
 * Errors: WI_ERR_NOMEM, WI_ERR_LIMIT */
wi_status wi_anchor_fit(const wi_anchor *anchor, const bool *skip, float *delta, float *bias,
                        float *words_weight, wi_error *error);

#endif
