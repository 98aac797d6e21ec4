/* BERT's WordPiece: words, each taken apart from its left into the longest pieces there are.
 * Source: tokenizers 0.23 BertPreTokenizer, WordPiece. */
#include "text/vocab.h"

static bool is_punctuation(uint32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126) || wi_unicode_flags(c) & WI_UNICODE_PUNCTUATION;
}

/* The longest piece that continues a word with text, as wi_strings_longest. */
static size_t longest_inside(const wi_strings *s, const char *text, size_t n)
{
    wi_strings_range range = {0, s->n};
    size_t found = SIZE_MAX;
    if (!wi_strings_step(s, &range, 0, '#') || !wi_strings_step(s, &range, 1, '#'))
        return SIZE_MAX;
    for (size_t i = 0; i < n && wi_strings_step(s, &range, i + 2, text[i]); i++) {
        const size_t ends = wi_strings_ends(s, range, i + 3);
        found = ends != SIZE_MAX ? ends : found;
    }
    return found;
}

/* A word that no pieces make is one unknown token, so they are counted before they are put. */
static void encode_word(const wi_vocab *v, const char *word, size_t n, size_t n_chars,
                        wi_id_list *list)
{
    const wi_id_list before = *list;
    if (n_chars > v->head->max_word) {
        wi_id_put(list, v->head->unknown);
        return;
    }
    for (size_t at = 0; at < n;) {
        const size_t found = at ? longest_inside(&v->pieces, word + at, n - at)
                                : wi_strings_longest(&v->pieces, word, n);
        if (found == SIZE_MAX) {
            *list = before;
            wi_id_put(list, v->head->unknown);
            return;
        }
        wi_id_put(list, v->piece_ids[found]);
        at += v->pieces.at[found + 1] - v->pieces.at[found] - (at ? 2 : 0);
    }
}

static wi_status encode_stretch(const wi_vocab *v, wi_vocab_work *work, wi_id_list *list,
                                wi_error *error)
{
    (void)error;
    const char *text = work->bytes;
    size_t start = 0, n_chars = 0;
    for (size_t pos = 0, at; pos < work->n_bytes;) {
        uint32_t c;
        at = pos;
        if (!wi_utf8_next(text, work->n_bytes, &pos, &c))
            break; /* not reached: it was written as UTF-8 */
        const bool space = wi_unicode_flags(c) & WI_UNICODE_SPACE, alone = is_punctuation(c);
        n_chars += !space && !alone;
        if (!space && !alone)
            continue;
        if (at > start)
            encode_word(v, text + start, at - start, n_chars, list);
        if (alone)
            encode_word(v, text + at, pos - at, 1, list);
        start = pos;
        n_chars = 0;
    }
    if (work->n_bytes > start)
        encode_word(v, text + start, work->n_bytes - start, n_chars, list);
    return WI_OK;
}

static wi_status check(const void *table, size_t n_bytes, wi_error *error)
{
    return wi_vocab_check(WI_VOCAB_WORDPIECE, table, n_bytes, error);
}

static wi_status encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        wi_tokens *out, wi_error *error)
{
    return wi_vocab_encode(tokenizer, text, n_bytes, encode_stretch, out, error);
}

const wi_tokenizer_kind wi_tokenizer_wordpiece = {
    .name = "BERT WordPiece",
    .tensor = "tokenizer.wordpiece",
    .element_bytes = 1,
    .row_elements = 1,
    .check = check,
    .encode = encode,
    .rules = wi_vocab_rules,
};
