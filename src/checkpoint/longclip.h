/* LongCLIP's texts of 248 tokens: its own files keep two tables of positions, of which each rules a part. */
#ifndef WI_CHECKPOINT_LONGCLIP_H
#define WI_CHECKPOINT_LONGCLIP_H

#include "checkpoint/layout.h"

/* What the table of both is called once it is there, below the text tower's prefix. */
#define WI_LONGCLIP_POSITIONS "positional_embedding_of_both"

/* Whether the source has a second table. */
bool wi_longclip_has_two(const wi_source *source);
/* Adds a tensor WI_LONGCLIP_POSITIONS: the first 20 rows of positional_embedding, the rest of
 * positional_embedding_res. Does nothing where there is no second table.
 * Errors: WI_ERR_FORMAT when their shapes differ, WI_ERR_NOMEM.
 * Source: LongCLIP model_longclip.py encode_text (mask1, mask2); arXiv:2403.15378. */
wi_status wi_longclip_merge(wi_source *source, wi_error *error);

#endif
