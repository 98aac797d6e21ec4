/* A head in memory: its labels and the numbers that turn an image embedding into one score per
 * label.
 *
 * Every road to a head (prompts, training, example photos, a file) fills a wi_head_parts and passes
 * it through wi_head_create, which is the only gate: what stands behind a wi_head is checked. Heads
 * are immutable.
 *
 * How a head answers, x being the normalised image embedding:
 *   cosine[l] = max over the rows r of label l of weight[r] . x      (one row per synonym)
 *   logit[l]  = logit_scale * cosine[l] + logit_bias + bias[l]
 *             + delta[l] . x
 *             - in sigmoid heads: ln of the sum over the background b of exp(logit_scale * b . x +
 * logit_bias) score     = softmax(logit / temperature) over the labels, or sigmoid(logit /
 * temperature) each Absent tensors contribute nothing. In linear heads weight[r] . x is not a
 * cosine and logit_scale is 1. */
#ifndef WI_HEAD_HEAD_H
#define WI_HEAD_HEAD_H

#include "kern/kern.h"

#include <whatsit/head.h>

/* Bounds that untrusted files are checked against before anything is multiplied. */
enum {
    WI_HEAD_MAX_LABELS = 1 << 20,
    WI_HEAD_MAX_ROWS = 1 << 22,
    WI_HEAD_MAX_DIM = 16384,
    WI_HEAD_MAX_LABEL_BYTES = 4096, /* with synonyms */
    WI_HEAD_MAX_NAME_BYTES = 255,
    WI_HEAD_MAX_NOTE_BYTES = 1 << 16 /* licence, source, sensitivity */
};

/* Whom a head belongs to. */
typedef struct wi_head_model {
    const wi_kern *kern; /* of the engine that runs it */
    const char *name, *fingerprint;
    size_t dim;
    float logit_scale, logit_bias;
    bool sigmoid; /* trained for independent answers */
} wi_head_model;

typedef struct wi_head_parts {
    const wi_kern *kern; /* what multiplies; a head has a copy of its own */
    /* Texts: UTF-8 without control characters; "" for none, never NULL once created. */
    const char *name, *model_name, *model_fingerprint;
    const char *licence, *source, *sensitivity;
    const char *const *labels; /* [n_labels] with synonyms: "cat|kitty" */
    const char *const *groups; /* [n_labels] or NULL: "" for none */
    size_t n_labels;
    const char *const *templates; /* [n_templates] */
    size_t n_templates;

    wi_head_kind kind;
    bool sigmoid;
    float logit_scale, logit_bias, temperature;
    float words_weight; /* what photos left of the words' own scale: logit_scale holds it already */
    float none_threshold; /* of the head's known measure; NaN: not calibrated */
    float none_rate;      /* false accepts per unknown picture that the threshold was set for; NaN:
                             unknown */

    size_t dim;
    const float *weight;      /* [n_rows, dim] or NULL; unit rows unless linear */
    const int32_t *row_label; /* [n_rows] ascending, or NULL: row i is label i */
    size_t n_rows;
    const float *bias;        /* [n_labels] or NULL */
    const float *delta;       /* [n_labels, dim] or NULL: what example photos add to words */
    const float *keys;        /* [n_keys, dim] or NULL: unit embeddings of the example photos */
    const int32_t *key_label; /* [n_keys] */
    size_t n_keys;
    const float
        *background; /* [n_background, dim] or NULL: unit embeddings of what no label names */
    size_t n_background;
} wi_head_parts;

/* Which groups there are, and whose each label is; SIZE_MAX: nobody's. */
typedef struct wi_groups {
    const char **names; /* [n], in order */
    size_t n;
    size_t *of; /* [n_labels]; NULL without groups */
} wi_groups;

struct wi_head {
    wi_kern kern; /* so that no engine needs to outlive a head */
    wi_head_parts parts;
    char *strings;             /* one block: the texts and the arrays that point to them */
    const char *const *firsts; /* [n_labels] each label's first name */
    wi_groups groups;
    char *origin; /* the file's path, or NULL: put before messages */
    void *block;  /* memory of tensors that are not in the file, or NULL */
    void *file;   /* the mapped file that tensors point into, or NULL */
    void (*close_file)(void *file);
};

/* Fills parts with what "nothing said" means: no texts, softmax, scale and temperature 1, no
 * threshold. */
void wi_head_parts_init(wi_head_parts *parts, const wi_kern *kern);

/* Copies the texts, borrows the tensors and checks everything.
 * Owns: on success the head owns block (malloc, may be NULL), which holds the tensors; on
 *     failure nothing.
 * Errors: status_of_bad (WI_ERR_ARG for callers' parts, WI_ERR_FORMAT for a file's),
 *     WI_ERR_NOMEM */
wi_status wi_head_create(const wi_head_parts *parts, void *block, wi_status status_of_bad,
                         wi_head **out, wi_error *error);

/* The same with tensors of its own: copies those that parts point to. */
wi_status wi_head_copy(const wi_head_parts *parts, wi_head **out, wi_error *error);

/* WI_ERR_MISMATCH with the way out unless the head was made for the model of this fingerprint. */
wi_status wi_head_check_owner(const wi_head *head, const char *model_name, const char *fingerprint,
                              wi_error *error);

/* A name within a label: not NUL-terminated. */
typedef struct wi_label_name {
    const char *text;
    size_t n_bytes;
} wi_label_name;
/* The name that answers show; the label is checked. */
wi_label_name wi_label_first_name(const char *label);

/* What is wrong with a text, as words for a message, or NULL: not UTF-8, too long, control
 * characters. */
const char *wi_text_fault(const char *text, size_t max_bytes);

/* Checks names, labels (each named once, no empty synonym), templates (one {}) and notes. */
wi_status wi_head_check_texts(const wi_head_parts *parts, wi_status status_of_bad, wi_error *error);

#endif
