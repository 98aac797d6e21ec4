/* What else a photo might show: by it a search tells whether a photo fits its words at all. */
#ifndef CLI_BACKGROUND_H
#define CLI_BACKGROUND_H

#include "photo_library.h"

typedef struct cli_background {
    float *rows; /* [n, dim], of length 1; NULL: there is none, and no confidence can be told */
    size_t n, dim;
    float scale; /* the model's logit scale */
} cli_background;

/* Embeddings of some hundreds of everyday nouns, from the library's folder; made and kept there when they
 * are not. Nothing where the shipped nouns are missing. CLI_OK, or CLI_FAILED after saying why. */
int cli_background_open(const cli_runtime *runtime, const cli_library *library,
                        cli_background *out);
void cli_background_close(cli_background *background);

/* How sure it is that a photo shows what the query says rather than one of the other things, 0..1; NaN
 * without background. Words that mean nearly the same as the query do not compete with it.
 * Shapes: query[dim], photo[dim], both of length 1 */
double cli_background_confidence(const cli_background *background, const float *query,
                                 const float *photo);

#endif
