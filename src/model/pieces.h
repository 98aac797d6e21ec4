/* The tensors in which a model's parts are stored. */
#ifndef WI_MODEL_PIECES_H
#define WI_MODEL_PIECES_H

#include "nn/part.h"

/* One stored tensor of a packed part: what is written to a file, bound from one, and hashed. */
typedef struct wi_piece {
    char name[80];
    uint32_t type; /* wi_ggml_type */
    uint32_t rank;
    uint64_t dims[4]; /* dims[0] fastest */
    const void *data;
    size_t n_bytes;
} wi_piece;
enum { WI_MAX_PIECES = 6 };

/* The pieces of a packed or bound part, in file order. Returns how many. */
size_t wi_part_pieces(const wi_part *part, wi_piece pieces[WI_MAX_PIECES]);

#endif
