/* From token ids back to text: what CLIP's tokens spell. */
#ifndef WI_TEXT_SPELL_H
#define WI_TEXT_SPELL_H

#include "text/tokenizer.h"

typedef struct wi_spelling {
    char *bytes;     /* of all tokens, one after the other */
    uint32_t *first; /* [n + 1] */
    bool *ends_word; /* [n] */
    size_t n;
} wi_spelling;

/* Of n tokens of the tokenizer, ids[n] (whole numbers; NULL: 0, 1, 2, ...); markers spell nothing.
 * Owns: the caller frees *out, also after failure
 * Errors: WI_ERR_UNSUPPORTED for a tokenizer that is not CLIP's, WI_ERR_FORMAT for an id that it does
 *     not have or that spells more than a word, WI_ERR_NOMEM */
wi_status wi_spelling_open(const wi_tokenizer *tokenizer, const float *ids, size_t n,
                           wi_spelling *out, wi_error *error);
void wi_spelling_free(wi_spelling *spelling);

/* Writes tokens[n] (indices into the ids) as a sentence: blanks between words, none before a comma or
 * an apostrophe, about a hyphen, or between digits. Cut to n_out - 1 bytes between characters. Returns
 * its length. */
size_t wi_spell(const wi_spelling *spelling, const int32_t *tokens, size_t n, char *out,
                size_t n_out);

#endif
