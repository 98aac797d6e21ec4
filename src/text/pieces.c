#include "text/pieces.h"

#include "text/unicode.h"

#include <string.h>

typedef enum char_class { LETTER, NUMBER, SPACE, OTHER, NOTHING } char_class;

static char_class class_of(uint32_t c)
{
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return LETTER;
        return c >= '0' && c <= '9' ? NUMBER : c == ' ' ? SPACE : OTHER;
    }
    unsigned flags = wi_unicode_flags(c);
    if (flags & WI_UNICODE_LETTER)
        return LETTER;
    if (flags & WI_UNICODE_NUMBER)
        return NUMBER;
    /* U+0345 is a mark that folds to the letter iota: under IGNORECASE the regex module's negated
     * set excludes it, and so no alternative of the pattern takes it. */
    return c == 0x345 ? NOTHING : flags & WI_UNICODE_SPACE ? SPACE : OTHER;
}

/* Length of `word` at the start of text, where a long s (U+017F) stands for an s under IGNORECASE.
 */
static size_t match(const char *text, size_t n, const char *word)
{
    size_t i = 0;
    for (; *word; word++) {
        if (i < n && text[i] == *word)
            i++;
        else if (*word == 's' && n - i >= 2 && !memcmp(text + i, "\xc5\xbf", 2))
            i += 2;
        else
            return 0;
    }
    return i;
}

/* A marker or a contraction at the start of text: its length, or 0. */
static size_t match_fixed(const char *text, size_t n, wi_piece_kind *kind)
{
    static const char start[] = "<|startoftext|>", end[] = "<|endoftext|>";
    static const char *const contractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    size_t length = 0;
    if (text[0] == '<') {
        length = match(text, n, start);
        if (length) {
            /* Spelt with a long s it is cut off as one piece, but it is not the marker. */
            *kind = length == sizeof start - 1 ? WI_PIECE_START : WI_PIECE_WORD;
            return length;
        }
        length = match(text, n, end);
        *kind = length ? WI_PIECE_END : WI_PIECE_WORD;
    } else if (text[0] == '\'') {
        for (size_t i = 0; i < sizeof contractions / sizeof *contractions && !length; i++)
            length = match(text, n, contractions[i]);
    }
    return length;
}

bool wi_piece_next(const char *text, size_t n, size_t *pos, wi_piece *out)
{
    size_t at = *pos, start = at;
    uint32_t c;
    char_class class = SPACE;
    for (; at < n;) {
        start = at;
        if (!wi_utf8_next(text, n, &at, &c))
            return false; /* not reached: the text was cleaned */
        class = class_of(c);
        if (class != SPACE && class != NOTHING)
            break;
    }
    if (class == SPACE || class == NOTHING) {
        *pos = at;
        return false;
    }
    *out = (wi_piece){WI_PIECE_WORD, text + start, 0};
    size_t fixed = match_fixed(text + start, n - start, &out->kind);
    if (fixed) {
        at = start + fixed;
    } else if (class != NUMBER) {
        for (size_t next = at; next < n && wi_utf8_next(text, n, &next, &c); at = next) {
            if (class_of(c) != class)
                break;
        }
    }
    out->n_bytes = at - start;
    *pos = at;
    return true;
}
