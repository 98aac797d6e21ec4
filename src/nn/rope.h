/* Rotary positions over a square grid of patches: queries and keys of a patch are turned by its row and
 * its column, each in one half of a head's lanes.
 * Source: timm 1.0.31 pos_embed_sincos.py build_rotary_pos_embed; EVA-02 (arXiv:2303.11331), Perception
 * Encoder (arXiv:2504.13181). */
#ifndef WI_NN_ROPE_H
#define WI_NN_ROPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wi_rope {
    size_t grid;        /* patches a side */
    size_t head_dim;    /* a multiple of 4 */
    size_t n_lead;      /* tokens before the patches, which do not turn */
    uint32_t reference; /* rows and columns are counted in 0..reference whatever the grid */
    uint32_t from;      /* the first row's number in the grid */
    bool column_first;  /* the first half turns by the column, the second by the row */
} wi_rope;

/* table[n_lead + grid*grid, head_dim]: cosine and sine of each pair of lanes, as wi_reach.rope wants
 * them. Everything in f32, as the originals' table. */
void wi_rope_fill(const wi_rope *rope, float *table);

#endif
