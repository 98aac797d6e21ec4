/* The road that all tokenizers but CLIP's take: clean-up, added strings cut out, each stretch
 * between them normalised and encoded, ids cut and filled up. */
#include "text/vocab.h"

#include "base/error.h"
#include "text/charsmap.h"
#include "text/clean.h"

#include <stdlib.h>
#include <string.h>

enum { LOWER_ONE_EIGHTH_BLOCK = 0x2581 }; /* what SentencePiece writes for a space */

typedef struct road {
    const wi_vocab *vocab;
    wi_stretch_encoder *encode;
    wi_vocab_work work;
    wi_id_list list;
    size_t n_unk; /* ids of "<unk>" as plain text */
} road;

static bool is_space(uint32_t c)
{
    return (wi_unicode_flags(c) & WI_UNICODE_SPACE) != 0;
}

static bool is_ascii_punctuation(uint32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

/* Source: transformers 5.24 SiglipTokenizer.canonicalize_text */
static wi_status normal_siglip(wi_vocab_work *work, wi_error *error)
{
    const wi_status status = wi_unicode_lower(&work->chars, &work->spare, error);
    if (status != WI_OK)
        return status;
    wi_chars *out = &work->chars;
    wi_status reserved = wi_chars_reserve(out, work->spare.n, error);
    if (reserved != WI_OK)
        return reserved;
    bool gap = false;
    out->n = 0;
    for (size_t i = 0; i < work->spare.n; i++) {
        const uint32_t c = work->spare.at[i];
        if (is_ascii_punctuation(c))
            continue;
        if (is_space(c)) {
            gap = out->n > 0;
            continue;
        }
        if (gap)
            out->at[out->n++] = ' ';
        gap = false;
        out->at[out->n++] = c;
    }
    return WI_OK;
}

/* Ideographs stand for words of their own. Source: BERT tokenization.py _is_chinese_char */
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* Source: tokenizers 0.23 BertNormalizer: clean_text, handle_chinese_chars */
static wi_status clean_bert(wi_vocab_work *work, wi_error *error)
{
    const wi_status status = wi_chars_reserve(&work->spare, work->chars.n * 3, error);
    if (status != WI_OK)
        return status;
    wi_chars *out = &work->spare;
    out->n = 0;
    for (size_t i = 0; i < work->chars.n; i++) {
        const uint32_t c = work->chars.at[i];
        const bool white = c == '\t' || c == '\n' || c == '\r' || is_space(c);
        if (c == 0 || c == 0xfffd ||
            (c != '\t' && c != '\n' && c != '\r' && wi_unicode_flags(c) & WI_UNICODE_CONTROL))
            continue;
        const bool apart = is_ideograph(c);
        if (apart)
            out->at[out->n++] = ' ';
        out->at[out->n++] = white ? ' ' : c;
        if (apart)
            out->at[out->n++] = ' ';
    }
    const wi_chars swapped = work->chars;
    work->chars = work->spare;
    work->spare = swapped;
    return WI_OK;
}

static wi_status normal_bert(wi_vocab_work *work, wi_error *error)
{
    wi_status status = clean_bert(work, error);
    if (status == WI_OK)
        status = wi_unicode_nfd(&work->chars, &work->spare, error);
    if (status != WI_OK)
        return status;
    size_t n = 0;
    for (size_t i = 0; i < work->chars.n; i++)
        if (!(wi_unicode_flags(work->chars.at[i]) & WI_UNICODE_NONSPACING))
            work->chars.at[n++] = work->chars.at[i];
    work->chars.n = n;
    return wi_unicode_lower_each(&work->chars, &work->spare, error);
}

static wi_status normalise(road *r, wi_error *error)
{
    wi_vocab_work *work = &r->work;
    wi_status status = WI_OK;
    switch ((wi_vocab_normal)r->vocab->head->normal) {
    case WI_NORMAL_LOWER:
        return wi_unicode_lower_each(&work->chars, &work->spare, error);
    case WI_NORMAL_SIGLIP:
        return normal_siglip(work, error);
    case WI_NORMAL_BERT:
        return normal_bert(work, error);
    case WI_NORMAL_BERT_CASED:
        return clean_bert(work, error);
    case WI_NORMAL_NONE:
    case WI_N_NORMALS:
        break;
    }
    return status;
}

static wi_status put_chars(wi_vocab_work *work, wi_error *error)
{
    const wi_status status = wi_vocab_reserve(work, work->chars.n * 4, error);
    if (status != WI_OK)
        return status;
    for (size_t i = 0; i < work->chars.n; i++)
        work->n_bytes += wi_utf8_put(work->chars.at[i], work->bytes + work->n_bytes);
    return WI_OK;
}

/* text[n] as code points, with U+2581 in front of the first stretch of SigLIP's. */
static wi_status take_chars(road *r, const char *text, size_t n, bool first, wi_error *error)
{
    const bool siglip = r->vocab->head->normal == WI_NORMAL_SIGLIP;
    wi_chars *chars = &r->work.chars;
    const wi_status status = wi_chars_reserve(chars, n + 1, error);
    if (status != WI_OK)
        return status;
    chars->n = 0;
    if (siglip && first)
        chars->at[chars->n++] = LOWER_ONE_EIGHTH_BLOCK;
    for (size_t pos = 0; pos < n;) {
        uint32_t c;
        if (!wi_utf8_next(text, n, &pos, &c))
            return wi_fail(error, WI_ERR_FORMAT, "text is not UTF-8");
        chars->at[chars->n++] = siglip && c == LOWER_ONE_EIGHTH_BLOCK ? ' ' : c;
    }
    return WI_OK;
}

static const char unk_text[] = "<unk>";

/* How many ids "<unk>" gives when it is no token: what HF's SiglipTokenizer puts before a stretch
 * and takes off again, lest SentencePiece strip the space in front. */
static wi_status count_unk(road *r, wi_error *error)
{
    wi_id_list none = {NULL, 0, 0, 0};
    r->work.n_bytes = 0;
    wi_status status =
        wi_charsmap_normalise(r->vocab, unk_text, sizeof unk_text - 1, false, &r->work, error);
    if (status == WI_OK)
        status = r->encode(r->vocab, &r->work, &none, error);
    r->n_unk = none.n;
    return status;
}

static wi_status encode_stretch(road *r, const char *text, size_t n, bool first, wi_error *error)
{
    const wi_vocab_head *h = r->vocab->head;
    wi_vocab_work *work = &r->work;
    const bool trick = h->flags & WI_VOCAB_UNK_TRICK;
    if (n == 0 && !(first && trick))
        return WI_OK;
    wi_status status = take_chars(r, text, n, first, error);
    if (status == WI_OK)
        status = normalise(r, error);
    if (status != WI_OK)
        return status;
    work->n_bytes = 0;
    if (trick)
        status = wi_vocab_reserve(work, sizeof unk_text, error);
    if (status == WI_OK && trick) {
        memcpy(work->bytes, unk_text, sizeof unk_text - 1);
        work->n_bytes = sizeof unk_text - 1;
    }
    if (status == WI_OK)
        status = put_chars(work, error);
    if (status == WI_OK && h->type != WI_VOCAB_WORDPIECE) {
        const bool prefix =
            h->flags & WI_VOCAB_PREFIX && (first || h->flags & WI_VOCAB_PREFIX_EACH);
        /* The normaliser writes behind what it reads, then moves it to the front. */
        status = wi_charsmap_normalise_in_place(r->vocab, prefix, work, error);
    }
    if (status != WI_OK || !trick)
        return status == WI_OK ? r->encode(r->vocab, work, &r->list, error) : status;
    wi_id_list *list = &r->list;
    list->skip = r->n_unk;
    status = r->encode(r->vocab, work, list, error);
    list->skip = 0;
    return status;
}

static size_t spaces_before(const char *text, size_t start, size_t end)
{
    while (end > start) {
        size_t at = end - 1;
        while (at > start && ((unsigned char)text[at] & 0xc0) == 0x80)
            at--;
        size_t pos = at;
        uint32_t c;
        if (!wi_utf8_next(text, end, &pos, &c) || !is_space(c))
            break;
        end = at;
    }
    return end;
}

static size_t spaces_behind(const char *text, size_t n, size_t pos)
{
    for (size_t next = pos; next < n; pos = next) {
        uint32_t c;
        if (!wi_utf8_next(text, n, &next, &c) || !is_space(c))
            break;
    }
    return pos;
}

static wi_status encode_text(road *r, const char *text, size_t n, wi_error *error)
{
    const wi_vocab *v = r->vocab;
    size_t start = 0, pos = 0;
    bool first = true;
    wi_status status = WI_OK;
    while (pos < n && v->added.n && status == WI_OK) {
        const size_t found = wi_strings_longest(&v->added, text + pos, n - pos);
        if (found == SIZE_MAX) {
            pos++;
            continue;
        }
        const uint32_t flags = v->added_flags[found];
        const size_t end = flags & WI_ADDED_LEFT ? spaces_before(text, start, pos) : pos;
        status = encode_stretch(r, text + start, end - start, first, error);
        first = false;
        wi_id_put(&r->list, v->added_ids[found]);
        pos += v->added.at[found + 1] - v->added.at[found];
        pos = flags & WI_ADDED_RIGHT ? spaces_behind(text, n, pos) : pos;
        start = pos;
    }
    return status == WI_OK ? encode_stretch(r, text + start, n - start, first, error) : status;
}

static wi_status clean_and_encode(road *r, const char *text, size_t n_bytes, wi_error *error)
{
    static const wi_clean_mode modes[] = {[WI_CLEAN_LOWER] = WI_CLEAN_TO_LOWER,
                                          [WI_CLEAN_WHITESPACE] = WI_CLEAN_TO_SPACES,
                                          [WI_CLEAN_CANONICAL] = WI_CLEAN_TO_CANONICAL};
    const uint32_t clean = r->vocab->head->clean;
    wi_status status = WI_OK;
    if (r->vocab->head->flags & WI_VOCAB_UNK_TRICK)
        status = count_unk(r, error);
    if (status != WI_OK)
        return status;
    if (clean != WI_CLEAN_NONE) {
        wi_clean_text cleaned;
        status = wi_clean_as(text, n_bytes, modes[clean], &cleaned, error);
        if (status == WI_OK)
            status = encode_text(r, cleaned.bytes, cleaned.n_bytes, error);
        wi_clean_free(&cleaned);
        return status;
    }
    size_t bad;
    if (n_bytes > WI_CLEAN_MAX_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "text of %zu bytes is longer than %d", n_bytes,
                       (int)WI_CLEAN_MAX_BYTES);
    if (!wi_utf8_check(text, n_bytes, &bad))
        return wi_fail(error, WI_ERR_FORMAT, "text is not UTF-8 (byte 0x%02x at offset %zu)",
                       (unsigned)(unsigned char)text[bad], bad);
    return encode_text(r, text, n_bytes, error);
}

static void fill_context(const wi_vocab_head *h, const wi_id_list *list, size_t room,
                         wi_tokens *out)
{
    size_t n = list->n < room ? list->n : room, at = (h->start >= 0) + n;
    if (h->start >= 0)
        out->ids[0] = h->start;
    const bool there = h->flags & WI_VOCAB_END_ONCE && n > 0 && out->ids[at - 1] == h->end;
    if (h->end >= 0 && !there)
        out->ids[at++] = h->end;
    for (size_t i = at; i < out->context_length; i++)
        out->ids[i] = h->pad;
    out->n_ids = at;
    out->truncated = list->n > room;
}

wi_status wi_vocab_encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                          wi_stretch_encoder *encode, wi_tokens *out, wi_error *error)
{
    wi_vocab vocab;
    if (!wi_vocab_bind(tokenizer->table, tokenizer->n_bytes, &vocab))
        return wi_fail(error, WI_ERR_INTERNAL, "a tokenizer's table was not checked");
    const wi_vocab_head *h = vocab.head;
    const size_t markers = (size_t)(h->start >= 0) + (size_t)(h->end >= 0);
    if (out->context_length < markers || out->context_length == 0)
        return wi_fail(error, WI_ERR_ARG, "a context of %zu tokens has no room for the markers",
                       out->context_length);
    const size_t room = out->context_length - markers;
    road r = {.vocab = &vocab, .encode = encode};
    r.list = (wi_id_list){out->ids + (h->start >= 0), 0, room, 0};
    const wi_status status = clean_and_encode(&r, text, n_bytes, error);
    if (status == WI_OK)
        fill_context(h, &r.list, room, out);
    wi_chars_free(&r.work.chars);
    wi_chars_free(&r.work.spare);
    free(r.work.bytes);
    free(r.work.block);
    return status;
}
