/* From a draft to a tokenizer's table. */
#include "text/draft.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* One array of the table: appended, then padded to 8 bytes. */
static wi_status put(wi_buffer *out, const void *data, size_t n_bytes, wi_error *error)
{
    static const char zero[8];
    wi_status status = n_bytes ? wi_buffer_append(out, data, n_bytes, error) : WI_OK;
    const size_t rest = wi_round_up(out->n_bytes, 8) - out->n_bytes;
    return status == WI_OK && rest ? wi_buffer_append(out, zero, rest, error) : status;
}

/* Strings in ascending order of their bytes. */
typedef struct entry {
    const char *bytes;
    uint32_t n, id, flags;
    float score;
} entry;

static int by_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

typedef struct lists {
    entry *pieces, *added;
    uint32_t *numbers; /* scratch: as many as the longest array */
    size_t n_pieces, n_added;
    struct coded {
        uint32_t code, id;
    } *chars;
    size_t n_chars;
    int32_t byte_ids[256];
} lists;

static bool single_char(const entry *e, uint32_t *code)
{
    size_t pos = 0;
    return wi_utf8_next(e->bytes, e->n, &pos, code) && pos == e->n;
}

static int by_code(const void *a, const void *b)
{
    const struct coded *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* "<0xNN>" */
static bool byte_of(const entry *e, uint32_t *byte)
{
    if (e->n != 6 || memcmp(e->bytes, "<0x", 3) != 0 || e->bytes[5] != '>')
        return false;
    *byte = 0;
    for (size_t i = 3; i < 5; i++) {
        const char c = e->bytes[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return false;
        *byte = *byte * 16 + (uint32_t)digit;
    }
    return true;
}

static void sort_out(const wi_draft *d, lists *l)
{
    const bool pairs = d->head.type == WI_VOCAB_PAIRS;
    for (size_t i = 0; i < 256; i++)
        l->byte_ids[i] = -1;
    for (size_t i = 0; i < d->n_pieces; i++) {
        const wi_draft_piece *p = &d->pieces[i];
        const entry e = {wi_draft_bytes(d, p), p->n_bytes, p->id, p->flags, p->score};
        uint32_t code;
        if (p->added)
            l->added[l->n_added++] = e;
        if (byte_of(&e, &code) && (p->type == WI_PIECE_BYTE || d->head.flags & WI_VOCAB_BYTES))
            l->byte_ids[code] = (int32_t)p->id;
        else if (pairs && single_char(&e, &code))
            l->chars[l->n_chars++] = (struct coded){code, p->id};
        else if (!pairs && (p->type == WI_PIECE_NORMAL || p->type == WI_PIECE_USER))
            l->pieces[l->n_pieces++] = e;
    }
    if (l->n_pieces)
        qsort(l->pieces, l->n_pieces, sizeof *l->pieces, by_bytes);
    if (l->n_added)
        qsort(l->added, l->n_added, sizeof *l->added, by_bytes);
    if (l->n_chars)
        qsort(l->chars, l->n_chars, sizeof *l->chars, by_code);
}

static wi_status put_offsets(wi_buffer *out, const entry *e, size_t n, uint32_t *numbers,
                             uint32_t *n_bytes, wi_error *error)
{
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = at;
        at += e[i].n;
    }
    numbers[n] = at;
    *n_bytes = at;
    return put(out, numbers, (n + 1) * sizeof *numbers, error);
}

static wi_status put_bytes(wi_buffer *out, const entry *e, size_t n, wi_error *error)
{
    wi_status status = WI_OK;
    for (size_t i = 0; i < n && status == WI_OK; i++)
        status = wi_buffer_append(out, e[i].bytes, e[i].n, error);
    return status == WI_OK ? put(out, NULL, 0, error) : status;
}

static wi_status put_column(wi_buffer *out, const entry *e, size_t n, size_t offset,
                            uint32_t *numbers, wi_error *error)
{
    for (size_t i = 0; i < n; i++)
        memcpy(&numbers[i], (const char *)&e[i] + offset, sizeof *numbers);
    return put(out, numbers, n * sizeof *numbers, error);
}

static wi_status put_pieces(wi_buffer *out, wi_vocab_head *h, const lists *l, wi_error *error)
{
    const entry *e = l->pieces;
    const size_t n = l->n_pieces;
    wi_status status = put_offsets(out, e, n, l->numbers, &h->piece_bytes, error);
    if (status == WI_OK)
        status = put_column(out, e, n, offsetof(entry, id), l->numbers, error);
    if (status == WI_OK && h->type == WI_VOCAB_UNIGRAM)
        status = put_column(out, e, n, offsetof(entry, score), l->numbers, error);
    return status == WI_OK ? put_bytes(out, e, n, error) : status;
}

static wi_status put_chars(wi_buffer *out, const wi_vocab_head *h, const lists *l, wi_error *error)
{
    for (size_t i = 0; i < l->n_chars; i++)
        l->numbers[i] = l->chars[i].code;
    wi_status status = put(out, l->numbers, l->n_chars * sizeof *l->numbers, error);
    for (size_t i = 0; i < l->n_chars; i++)
        l->numbers[i] = l->chars[i].id;
    if (status == WI_OK)
        status = put(out, l->numbers, l->n_chars * sizeof *l->numbers, error);
    if (status == WI_OK && h->flags & WI_VOCAB_BYTES)
        status = put(out, l->byte_ids, sizeof l->byte_ids, error);
    return status;
}

static int by_left(const void *a, const void *b)
{
    const wi_draft_pair *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    if (x->right != y->right)
        return x->right < y->right ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* A pair that is listed twice counts where it came first. */
static void sort_pairs(wi_draft *d)
{
    size_t n = 0;
    if (d->n_pairs)
        qsort(d->pairs, d->n_pairs, sizeof *d->pairs, by_left);
    for (size_t i = 0; i < d->n_pairs; i++)
        if (n == 0 || d->pairs[n - 1].left != d->pairs[i].left ||
            d->pairs[n - 1].right != d->pairs[i].right)
            d->pairs[n++] = d->pairs[i];
    d->n_pairs = n;
}

static wi_status put_pairs(wi_buffer *out, const wi_draft *d, uint32_t *numbers, wi_error *error)
{
    if (d->head.type != WI_VOCAB_PAIRS)
        return WI_OK;
    size_t at = 0;
    for (size_t id = 0; id <= d->head.n_ids; id++) {
        while (at < d->n_pairs && d->pairs[at].left < id)
            at++;
        numbers[id] = (uint32_t)at;
    }
    wi_status status = put(out, numbers, ((size_t)d->head.n_ids + 1) * sizeof *numbers, error);
    static const size_t columns[] = {offsetof(wi_draft_pair, right), offsetof(wi_draft_pair, rank),
                                     offsetof(wi_draft_pair, whole)};
    for (size_t c = 0; c < 3 && status == WI_OK; c++) {
        for (size_t i = 0; i < d->n_pairs; i++)
            memcpy(&numbers[i], (const char *)&d->pairs[i] + columns[c], sizeof *numbers);
        status = put(out, numbers, d->n_pairs * sizeof *numbers, error);
    }
    return status;
}

static wi_status put_added(wi_buffer *out, wi_vocab_head *h, const lists *l, wi_error *error)
{
    const entry *e = l->added;
    const size_t n = l->n_added;
    wi_status status = put_offsets(out, e, n, l->numbers, &h->added_bytes, error);
    if (status == WI_OK)
        status = put_column(out, e, n, offsetof(entry, id), l->numbers, error);
    if (status == WI_OK)
        status = put_column(out, e, n, offsetof(entry, flags), l->numbers, error);
    return status == WI_OK ? put_bytes(out, e, n, error) : status;
}

/* Unknown characters cost 10 more than the rarest piece. */
static float unknown_score(const lists *l)
{
    float least = l->n_pieces ? l->pieces[0].score : 0.0f;
    for (size_t i = 1; i < l->n_pieces; i++)
        least = l->pieces[i].score < least ? l->pieces[i].score : least;
    return least - 10.0f;
}

static wi_status write_all(wi_draft *d, lists *l, wi_buffer *out, wi_error *error)
{
    wi_vocab_head *h = &d->head;
    h->n_pieces = (uint32_t)l->n_pieces;
    h->n_chars = (uint32_t)l->n_chars;
    h->n_pairs = (uint32_t)d->n_pairs;
    h->n_added = (uint32_t)l->n_added;
    h->charsmap_bytes = (uint32_t)d->charsmap.n_bytes;
    h->unknown_score = unknown_score(l);
    wi_status status = put(out, h, sizeof *h, error);
    if (status == WI_OK)
        status = put_pieces(out, h, l, error);
    if (status == WI_OK)
        status = put_chars(out, h, l, error);
    if (status == WI_OK)
        status = put_pairs(out, d, l->numbers, error);
    if (status == WI_OK)
        status = put_added(out, h, l, error);
    if (status == WI_OK)
        status = put(out, d->charsmap.bytes, d->charsmap.n_bytes, error);
    if (status == WI_OK)
        memcpy(out->bytes, h, sizeof *h); /* counts of bytes are known now */
    return status;
}

wi_status wi_draft_compile(wi_draft *d, wi_tokenizer *out, wi_error *error)
{
    static const wi_tokenizer_kind *const kinds[] = {[WI_VOCAB_UNIGRAM] = &wi_tokenizer_unigram,
                                                     [WI_VOCAB_PAIRS] = &wi_tokenizer_pairs,
                                                     [WI_VOCAB_WORDPIECE] =
                                                         &wi_tokenizer_wordpiece};
    sort_pairs(d);
    size_t n_numbers = d->n_pieces > d->n_pairs ? d->n_pieces : d->n_pairs;
    n_numbers = (n_numbers > d->head.n_ids ? n_numbers : d->head.n_ids) + 2;
    lists l = {.pieces = calloc(d->n_pieces + 1, sizeof *l.pieces),
               .added = calloc(d->n_pieces + 1, sizeof *l.added),
               .chars = calloc(d->n_pieces + 1, sizeof *l.chars),
               .numbers = calloc(n_numbers, sizeof *l.numbers)};
    wi_buffer table;
    wi_buffer_init(&table, WI_VOCAB_MAX_BYTES);
    wi_status status = WI_OK;
    if (!l.pieces || !l.added || !l.chars || !l.numbers) {
        status = wi_fail_nomem(error, d->n_pieces * sizeof *l.pieces, "a vocabulary");
    } else {
        sort_out(d, &l);
        status = write_all(d, &l, &table, error);
    }
    if (status == WI_OK)
        status = wi_tok_bind(kinds[d->head.type], table.bytes, table.n_bytes, out, error);
    if (status == WI_OK)
        out->own = table.bytes;
    else
        wi_buffer_free(&table);
    free(l.pieces);
    free(l.added);
    free(l.chars);
    free(l.numbers);
    return status;
}
