/* A build of a zero-shot head that goes on where an interrupted one stopped.
 *
 * All that such a build has done lies in one block: a header, and one row of numbers per name. A row
 * is the sum of its prompts' unit embeddings while the names of its part (labels, or background words)
 * are under way, and the finished unit row afterwards. Whoever keeps the block between two batches of
 * prompts and gives it back later gets the same head, bit for bit: the batches that follow are the same. */
#ifndef WI_HEAD_RESUME_H
#define WI_HEAD_RESUME_H

#include "head/head.h"

typedef struct wi_resume {
    const wi_head_keeper *keeper;
    void *block; /* header and rows */
    size_t n_bytes;
    float *rows; /* in it: [n_rows, dim], zero at first */
} wi_resume;

/* recipe: digest of all that the rows depend on.
 * Owns: the caller frees block, also after a failure; the keeper is borrowed
 * Errors: WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_resume_open(wi_resume *resume, const wi_head_keeper *keeper, const uint8_t recipe[32],
                         size_t n_rows, size_t dim, wi_error *error);

/* Asks the keeper for what was done before. False, and the block as it was, when there is nothing,
 * or it belongs to another recipe, or was damaged, or claims more than n_total prompts. */
bool wi_resume_load(wi_resume *resume, uint64_t n_total, uint64_t *n_done, size_t *n_truncated);

/* Offers the keeper the block. */
void wi_resume_save(wi_resume *resume, uint64_t n_done, size_t n_truncated);

#endif
