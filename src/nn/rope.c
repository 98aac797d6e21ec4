#include "nn/rope.h"

#include <math.h>

/* By how much pair j of a patch's lanes turns. */
static float angle_of(const wi_rope *rope, size_t patch, size_t pair)
{
    const size_t quarter = rope->head_dim / 4, row = patch / rope->grid,
                 column = patch % rope->grid;
    const size_t place = (pair < quarter) == rope->column_first ? column : row;
    const float at =
        ((float)place + (float)rope->from) / (float)rope->grid * (float)rope->reference;
    const float band = powf(10000.0f, (float)(pair % quarter) / (float)quarter);
    return at * (1.0f / band);
}

void wi_rope_fill(const wi_rope *rope, float *table)
{
    const size_t n_pairs = rope->head_dim / 2, n_tokens = rope->n_lead + rope->grid * rope->grid;
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t pair = 0; pair < n_pairs; pair++) {
            const float angle = t < rope->n_lead ? 0.0f : angle_of(rope, t - rope->n_lead, pair);
            table[t * rope->head_dim + 2 * pair] = cosf(angle);
            table[t * rope->head_dim + 2 * pair + 1] = sinf(angle);
        }
}
