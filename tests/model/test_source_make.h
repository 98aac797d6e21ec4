/* Small checkpoints in every layout, all holding the same numbers: multiples of 1/8 from -1 to 7/8,
 * which every stored type including q8_0 and q4_0 keeps exactly. */
#ifndef TESTS_MODEL_SOURCE_MAKE_H
#define TESTS_MODEL_SOURCE_MAKE_H

#include "checkpoint/source.h"
#include "nn/resnet.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <stdlib.h>

enum layout {
    LAYOUT_HF = 0,
    LAYOUT_HF_SHARDED,
    LAYOUT_OPEN_CLIP,
    LAYOUT_OPENAI, /* one file without a configuration */
    LAYOUT_CLIP_CPP,
    N_LAYOUTS
};

typedef struct recipe {
    enum layout layout;
    wi_raw_type
        type;    /* of matrices whose rows are blocks of 32; vectors and the rest are f32 or f16 */
    bool resnet; /* OpenAI's names only */
    uint32_t towers;  /* 1 image, 2 text, 3 both */
    bool straight;    /* clip.cpp: fc1 is called ffn_up */
    bool custom_text; /* open_clip: "text." before the names of the text tower */
    const char *omit; /* stored name that is left out */
    const char *wrong_shape, *wrong_type; /* stored names */
    bool without_scale;
    bool unmarked; /* OpenAI: without the numbers that only OpenAI's own state dicts carry */
} recipe;

enum {
    WIDTH = 64,
    MLP = 128,
    EMBEDDING = 32,
    PATCH = 4,
    SIDE = 8,
    CONTEXT = 8,
    VOCABULARY = 520,
    LAYERS = 2
};

/* Writes into the scratch folder; returns the path to open. The string lives until the next call.
 */
const char *make_checkpoint(const recipe *r);

/* The parameters of a tower, which must be of that kind. */
static inline wi_vit_params vit_of(const wi_params *params)
{
    wi_vit_params p = {0};
    if (!wi_tower_params_get(&params->tower[WI_ROLE_IMAGE], &wi_vit_kind, &p))
        abort();
    return p;
}
static inline wi_resnet_params resnet_of(const wi_params *params)
{
    wi_resnet_params p = {0};
    if (!wi_tower_params_get(&params->tower[WI_ROLE_IMAGE], &wi_resnet_kind, &p))
        abort();
    return p;
}
static inline wi_text_params text_of(const wi_params *params)
{
    wi_text_params p = {0};
    if (!wi_tower_params_get(&params->tower[WI_ROLE_TEXT], &wi_text_kind, &p))
        abort();
    return p;
}

/* What a source must then hold. */
typedef struct item {
    char ours[32];
    size_t n_rows, n_cols;
} item;
size_t list_items(const recipe *r, item *items, size_t n_max);
float expected_value(const char *ours, size_t row, size_t col);

#endif
