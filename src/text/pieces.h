/* Cuts a cleaned text into the pieces that are encoded one by one, as the original's pattern does.
 */
#ifndef WI_TEXT_PIECES_H
#define WI_TEXT_PIECES_H

#include <whatsit/status.h>

typedef enum wi_piece_kind { WI_PIECE_WORD = 0, WI_PIECE_START, WI_PIECE_END } wi_piece_kind;

typedef struct wi_piece {
    wi_piece_kind kind; /* START and END: the markers written out in the text */
    const char *bytes;  /* within the text */
    size_t n_bytes;
} wi_piece;

/* The next piece at or after *pos, which moves behind it; false at the end. text is UTF-8 in lower
 * case.
 * Source: OpenAI CLIP simple_tokenizer.py, SimpleTokenizer.pat with IGNORECASE */
bool wi_piece_next(const char *text, size_t n, size_t *pos, wi_piece *out);

#endif
