/* CoCa's decoder of sentences: tokens go through the model's text tower, which is causal, then through a
 * second stack whose blocks look at the picture in between.
 *
 *     x = text tower of the tokens so far, without its last norm
 *     each layer: x = block(x); x += cross(ln x, ln picture); x += mlp(ln x)
 *     logits = W norm(x)
 *
 * It has no tokens of its own: it lives in one file with its text tower, whose blocks it uses where they
 * lie. What text towers forget by their mask (text.h), it forgets too.
 * Source: open_clip 3.3 coca_model.py CoCa, transformer.py MultimodalTransformer; CoCa (arXiv:2205.01917) */
#ifndef WI_NN_COCA_H
#define WI_NN_COCA_H

#include "nn/sayer.h"

typedef struct wi_coca_params {
    wi_sayer_params say; /* its places are rows as wide as a token */
} wi_coca_params;

extern const wi_tower_kind wi_coca_kind;

#endif
