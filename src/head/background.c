#include "head/background.h"

#include "base/error.h"
#include "base/size.h"
#include "head/score.h"
#include "text/templates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEPT = 1024, MAX_TEMPLATES = 8 };

static const char *const neutral_words[] = {"thing",      "object",  "picture", "scene",
                                            "background", "texture", "pattern", "place",
                                            "surface",    "shape",   "text",    "landscape",
                                            "room",       "blur",    "nothing", "something else"};

void wi_background_free(wi_background *b)
{
    free(b->names);
    free(b->rows);
}

static int compare_names(const void *a, const void *b)
{
    const wi_label_name *x = a, *y = b;
    size_t n = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
    int order = memcmp(x->text, y->text, n);
    return order ? order : (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* Adds the words that are no label's name; sorted[n_labels] are the labels' names in order. */
static wi_status add_words(wi_background *b, const char *const *words, size_t n,
                           const wi_label_name *sorted, size_t n_labels, wi_error *error)
{
    b->names = calloc(n, sizeof *b->names);
    if (!b->names)
        return wi_fail_nomem(error, n * sizeof *b->names, "background words");
    for (size_t i = 0; i < n; i++) {
        const char *fault = wi_text_fault(words[i], WI_HEAD_MAX_LABEL_BYTES);
        if (fault)
            return wi_fail(error, WI_ERR_ARG, "background word %zu %s", i + 1, fault);
        if (wi_synonym_count(words[i]) == 0)
            continue;
        wi_label_name name = wi_label_first_name(words[i]);
        if (!bsearch(&name, sorted, n_labels, sizeof name, compare_names))
            b->names[b->n_names++] = name;
    }
    return WI_OK;
}

wi_status wi_background_list(wi_background *b, const wi_head_model *model,
                             const wi_head_recipe *recipe, const wi_label_name *labels,
                             size_t n_labels, wi_error *error)
{
    const char *const *words = recipe->distractors;
    size_t n = recipe->n_distractors;
    memset(b, 0, sizeof *b);
    if (n > WI_HEAD_MAX_LABELS)
        return wi_fail(error, WI_ERR_LIMIT, "%zu background words; at most %d are possible", n,
                       WI_HEAD_MAX_LABELS);
    if (n == 0 && recipe->sigmoid && !model->sigmoid) {
        words = neutral_words;
        n = sizeof neutral_words / sizeof *neutral_words;
        b->neutral = true;
    }
    if (n == 0)
        return WI_OK;
    wi_label_name *sorted = malloc(n_labels * sizeof *sorted);
    if (!sorted)
        return wi_fail_nomem(error, n_labels * sizeof *sorted, "label names");
    memcpy(sorted, labels, n_labels * sizeof *sorted);
    qsort(sorted, n_labels, sizeof *sorted, compare_names);
    wi_status status = add_words(b, words, n, sorted, n_labels, error);
    free(sorted);
    return status;
}

static size_t count_templates(size_t n)
{
    return n < MAX_TEMPLATES ? n : MAX_TEMPLATES;
}

uint64_t wi_background_prompts(const wi_background *b, size_t n_templates)
{
    return (uint64_t)b->n_names * count_templates(n_templates);
}

typedef struct ranked {
    float closeness; /* largest cosine to a label */
    size_t row;
} ranked;

static int by_closeness(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->closeness != y->closeness)
        return x->closeness < y->closeness ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static float closest_label(const wi_head_parts *labels, const float *row)
{
    float most = -INFINITY;
    for (size_t i = 0; i < labels->n_rows; i++) {
        float dot;
        labels->kern->dots_f32(1, labels->dim, labels->weight + i * labels->dim, labels->dim, row,
                               &dot);
        most = dot > most ? dot : most;
    }
    return most;
}

/* words: [n_names, dim]. */
static wi_status keep_rows(wi_background *b, const wi_head_parts *labels, const float *words,
                           wi_error *error)
{
    size_t dim = labels->dim, n_far = b->neutral ? b->n_names : b->n_names - b->n_names / 5;
    size_t n_kept = n_far < MAX_KEPT ? n_far : MAX_KEPT;
    ranked *rank = calloc(b->n_names, sizeof *rank);
    float *kept = calloc(n_kept * dim, sizeof *kept);
    if (!rank || !kept) {
        free(rank);
        free(kept);
        return wi_fail_nomem(error, n_kept * dim * sizeof *kept, "background words");
    }
    for (size_t i = 0; i < b->n_names; i++)
        rank[i] = (ranked){closest_label(labels, words + i * dim), i};
    qsort(rank, b->n_names, sizeof *rank, by_closeness);
    for (size_t i = 0; i < n_kept; i++)
        memcpy(kept + i * dim, words + rank[i * n_far / n_kept].row * dim, dim * sizeof *kept);
    free(rank);
    b->rows = kept;
    b->n = n_kept;
    return WI_OK;
}

wi_status wi_background_embed(wi_background *b, const wi_head_encoder *encoder,
                              const wi_head_parts *labels, wi_prompt_count *count, float *words,
                              wi_error *error)
{
    if (b->n_names == 0)
        return WI_OK;
    wi_status status = wi_zeroshot_rows(encoder, b->names, b->n_names, labels->templates,
                                        count_templates(labels->n_templates), count, words, error);
    return status == WI_OK ? keep_rows(b, labels, words, error) : status;
}
