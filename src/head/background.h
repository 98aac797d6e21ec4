/* The background of a zero-shot head: words for what its labels are not.
 *
 * An image that is closer to them than to every label shows none of the labels. In a sigmoid head
 * made with a model that was trained for softmax they are what each label's yes is weighed against.
 *
 * Source: NegLabel (arXiv:2403.20078), which takes words far from the labels as negatives */
#ifndef WI_HEAD_BACKGROUND_H
#define WI_HEAD_BACKGROUND_H

#include "head/zeroshot.h"

typedef struct wi_background {
    wi_label_name *names; /* [n_names], borrowed texts */
    size_t n_names;
    bool neutral; /* built-in words, all kept */
    float *rows;  /* [n, dim] */
    size_t n;
} wi_background;

/* Chooses the words: the recipe's distractors without those that are a label's name, or neutral
 * ones for a sigmoid head that has none and needs them. Checks them.
 * Owns: freed with wi_background_free, also after a failure */
wi_status wi_background_list(wi_background *background, const wi_head_model *model,
                             const wi_head_recipe *recipe, const wi_label_name *labels,
                             size_t n_labels, wi_error *error);
uint64_t wi_background_prompts(const wi_background *background, size_t n_templates);
/* Embeds them with the head's templates (eight at most) into words[n_names, dim], zero at first, and
 * keeps rows: the fifth of the words that
 * is closest to the labels goes, since it may name the same things, and of the rest at most 1,024
 * stay, evenly spread. */
wi_status wi_background_embed(wi_background *background, const wi_head_encoder *encoder,
                              const wi_head_parts *labels, wi_prompt_count *count, float *words,
                              wi_error *error);
void wi_background_free(wi_background *background);

#endif
