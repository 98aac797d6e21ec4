/* A head: labels and what turns an image embedding into one score per label.
 * Threads: heads are immutable; any number of threads may share one. wi_head_build counts as a call on its
 *     session. */
#ifndef WHATSIT_HEAD_H
#define WHATSIT_HEAD_H

#include <whatsit/session.h>
#include <whatsit/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_head wi_head;

typedef enum wi_head_kind { WI_HEAD_ZERO_SHOT = 0, WI_HEAD_LINEAR, WI_HEAD_FEW_SHOT } wi_head_kind;

/* Where a build that takes long is kept while it runs, so that one that was interrupted (by its
 * progress callback, or because the process ended) goes on from there. The bytes are of use to the
 * same recipe, model and kind of machine alone; others, and damaged ones, are found out and ignored.
 * Called from the building thread, between batches of prompts; small heads are done in one batch and
 * call nothing. */
typedef struct wi_head_keeper {
    /* Fills bytes[n_bytes] with what was saved; false when there is not exactly that much of it. */
    bool (*load)(void *context, void *bytes, size_t n_bytes);
    /* Nullable: whether to save now. Making the bytes ready costs a checksum of them. */
    bool (*due)(void *context);
    /* Replaces what was saved before. Its failure is its own affair: the build goes on. */
    void (*save)(void *context, const void *bytes, size_t n_bytes);
    /* Nullable: what was loaded is good, and the build goes on after done of total prompts. */
    void (*resumed)(void *context, uint64_t done, uint64_t total);
    void *context;
    uint64_t reserved[4];
} wi_head_keeper;

/* Texts are UTF-8 without control characters. A label's first name must be its own; a synonym may
 * belong to several labels, which then rise together. */
typedef struct wi_head_recipe {
    const char *name;
    const char *const *labels; /* n_labels; "cat|kitty|tomcat": synonyms that share one answer */
    const char *const *groups; /* nullable; n_labels: the label's group ("animal"), "" for none */
    size_t n_labels;
    const char *const *templates; /* n_templates, each with one {}; none: "a photo of a {}." */
    size_t n_templates;
    const char *licence, *source; /* nullable */
    const char *sensitivity;      /* nullable: shown with every answer of a head about people */
    /* Independent yes/no per label in place of softmax over the set. With a model that was trained
     * for softmax, a yes is weighed against the distractors, or against neutral words. */
    bool sigmoid;
    /* One answer of the set even with a model that was trained for independent answers (SigLIP),
     * whose heads are sigmoid ones otherwise. Not together with sigmoid. */
    bool softmax;
    /* Nullable; n_distractors words for what the head is not about: with them it can answer
     * none-of-these. Those that are close to a label are left out. */
    const char *const *distractors;
    size_t n_distractors;
    wi_progress progress;         /* counts prompts */
    const wi_head_keeper *keeper; /* nullable; borrowed */
    uint64_t reserved[4];
} wi_head_recipe;

/* Builds a zero-shot head: per label, every template's embedding is normalised, averaged,
 * normalised. Synonyms are embedded one by one; a label answers with the best of them, and softmax
 * runs over labels. With a keeper the head is the same, bit for bit, however often its build was
 * interrupted.
 * Owns: the caller closes *out; it borrows nothing. n_truncated may be NULL.
 * Errors: WI_ERR_ARG (no labels, duplicate label, template without {}), those of encode_texts
 * Source: OpenAI CLIP notebooks/Prompt_Engineering_for_ImageNet.ipynb, zeroshot_classifier */
WI_API wi_status wi_head_build(wi_session *session, const wi_head_recipe *recipe, wi_head **out,
                               size_t *n_truncated, wi_error *error);

/* Head files are safetensors. engine: whose kernels the head answers with, not borrowed; NULL: those
 * of this processor. save writes beside, fsyncs and renames. open checks everything it
 * reads and maps the weights without copying them; open_memory copies the bytes. */
WI_API wi_status wi_head_open(const wi_engine *engine, const char *path, wi_head **out,
                              wi_error *error);
WI_API wi_status wi_head_open_memory(const wi_engine *engine, const void *bytes, size_t n_bytes,
                                     wi_head **out, wi_error *error);
WI_API wi_status wi_head_save(const wi_head *head, const char *path, wi_error *error);
/* The head's file into a sink, which the caller commits. */
WI_API wi_status wi_head_write(const wi_head *head, wi_sink *sink, wi_error *error);
WI_API void wi_head_close(wi_head **head);

typedef struct wi_head_info {
    const char *name;
    wi_head_kind kind;
    size_t n_labels, dim, n_templates;
    size_t n_groups; /* that labels belong to */
    const char *model_name, *model_fingerprint;
    const char *licence, *source, *sensitivity; /* "" when there is none */
    bool sigmoid;
    float logit_scale, logit_bias;
    float temperature; /* logits are divided by it before softmax or sigmoid; 1 unless calibrated */
    size_t n_examples; /* photos that a few-shot head carries */
    float none_threshold; /* NaN: not calibrated */
    float none_rate;      /* the false-accept rate that the threshold was set for; NaN: unknown */
    uint64_t reserved[4];
} wi_head_info;
WI_API void wi_head_get_info(const wi_head *head, wi_head_info *out);
/* The label's first name, without synonyms; NULL past the end. */
WI_API const char *wi_head_label(const wi_head *head, size_t index);
/* The label as it was given, with its synonyms. */
WI_API const char *wi_head_label_full(const wi_head *head, size_t index);
/* The label's group, "" when it has none. */
WI_API const char *wi_head_group(const wi_head *head, size_t index);
WI_API const char *wi_head_template(const wi_head *head, size_t index);

/* The label that a name means: the one whose first name it is, byte for byte, else the first one with
 * such a name, synonyms too, whatever the letter case, with '_' and '-' for blanks. SIZE_MAX when
 * there is none. */
WI_API size_t wi_head_find_label(const wi_head *head, const char *name);

/* "zero-shot", "linear", "few-shot"; "" for any other number. */
WI_API const char *wi_head_kind_name(wi_head_kind kind);

/* WI_ERR_MISMATCH, naming both models, unless the head was made for this model. */
WI_API wi_status wi_head_check_model(const wi_head *head, const wi_model *model, wi_error *error);

typedef struct wi_answer {
    size_t label; /* index into the head's labels */
    float score;  /* probability: softmax over the set, or sigmoid per label */
    float cosine; /* of embedding and label (its best synonym); NaN for heads that are not made of
                     words */
    float logit;
} wi_answer;

/* Scores one image embedding (normalised here; any length) and gives the k best, best first; equal
 * logits keep label order. *n_out = min(k, n_labels).
 * Shapes: embedding[dim]; out[k]
 * Errors: WI_ERR_MISMATCH if dim differs from the head's; WI_ERR_ARG for an embedding with NaN,
 *     infinities or only zeros; WI_ERR_NOMEM
 * Source: OpenAI CLIP model.py CLIP.forward; SigLIP (arXiv:2303.15343) for sigmoid heads */
WI_API wi_status wi_head_answer(const wi_head *head, const float *embedding, size_t dim, size_t k,
                                wi_answer *out, size_t *n_out, wi_error *error);
/* All scores in label order; each array has n_labels floats and may be NULL. */
WI_API wi_status wi_head_scores(const wi_head *head, const float *embedding, size_t dim,
                                float *score, float *cosine, float *logit, wi_error *error);

/* What a picture's answer says of the groups that labels belong to. */
typedef struct wi_group_answer {
    const char *group; /* lives as long as the head */
    float score;       /* the sum of its labels' probabilities; of independent ones the largest */
} wi_group_answer;

/* The k best groups, best first, equal ones in the order of their names. *n_out = min(k, n_groups):
 * 0 for a head without groups.
 * Shapes: embedding[dim]; out[k]
 * Errors: as wi_head_answer */
WI_API wi_status wi_head_answer_groups(const wi_head *head, const float *embedding, size_t dim,
                                       size_t k, wi_group_answer *out, size_t *n_out,
                                       wi_error *error);

/* How sure an answer is, in words. */
typedef enum wi_certainty {
    WI_NONE_OF_THESE = 0, /* the head says that no label fits */
    WI_CANNOT_TELL,       /* nothing stands out */
    WI_PERHAPS,           /* the best answer, more often wrong than right */
    WI_PROBABLY,          /* more often right than wrong */
    WI_ALMOST_CERTAINLY   /* wrong in one of ten, if the head's probabilities are true */
} wi_certainty;
/* "none of these", "can't tell", "perhaps", "probably", "almost certainly". */
WI_API const char *wi_certainty_name(wi_certainty certainty);

/* The one thing to say of a picture. */
typedef struct wi_verdict {
    wi_certainty certainty;
    const char *name; /* the label's first name, or its group's; "" when there is nothing to say */
    size_t label;     /* SIZE_MAX: name is a group, or "" */
    float score;      /* of name; 0 when there is nothing to say */
    uint64_t reserved[4];
} wi_verdict;

/* The specific word when it is more likely than not; else the group whose labels together are, as
 * the broad word ("dog" where the breeds share the probability); else the best label as "perhaps".
 * Shapes: embedding[dim]
 * Errors: as wi_head_answer */
WI_API wi_status wi_head_verdict(const wi_head *head, const float *embedding, size_t dim,
                                 wi_verdict *out, wi_error *error);

/* A copy of the head with other groups: n_labels of them, "" for none.
 * Owns: the caller closes *out
 * Errors: WI_ERR_ARG (a group with control characters), WI_ERR_NOMEM */
WI_API wi_status wi_head_regroup(const wi_head *head, const char *const *groups, wi_head **out,
                                 wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
