#include "text/vocab.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(wi_vocab_head) == 128, "the head is 32 numbers, as FORMATS.md says");

/* ---- sorted strings ---- */

static int byte_at(const wi_strings *s, size_t i, size_t depth)
{
    const size_t at = (size_t)s->at[i] + depth;
    return at < s->at[i + 1] ? (unsigned char)s->bytes[at] : -1;
}

bool wi_strings_step(const wi_strings *s, wi_strings_range *range, size_t depth, char c)
{
    const int wanted = (unsigned char)c;
    size_t low = range->low, high = range->high;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (byte_at(s, middle, depth) < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    const size_t first = low;
    high = range->high;
    /* Few strings share a long beginning: the end is looked for nearby first. */
    for (size_t step = 1; low + step < high; step *= 2) {
        if (byte_at(s, low + step, depth) != wanted) {
            high = low + step;
            break;
        }
        low += step;
    }
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (byte_at(s, middle, depth) == wanted)
            low = middle + 1;
        else
            high = middle;
    }
    *range = (wi_strings_range){first, high};
    return first < high;
}

size_t wi_strings_ends(const wi_strings *s, wi_strings_range range, size_t depth)
{
    const size_t i = range.low;
    return i < range.high && s->at[i + 1] - s->at[i] == depth ? i : SIZE_MAX;
}

size_t wi_strings_longest(const wi_strings *s, const char *text, size_t n)
{
    wi_strings_range range = {0, s->n};
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < n && wi_strings_step(s, &range, i, text[i]); i++) {
        const size_t ends = wi_strings_ends(s, range, i + 1);
        found = ends != SIZE_MAX ? ends : found;
    }
    return found;
}

/* ---- the block ---- */

typedef struct cutter {
    const char *at;
    size_t left;
    bool ok;
} cutter;

static const void *cut(cutter *c, size_t n, size_t element_bytes)
{
    size_t n_bytes;
    if (!c->ok || !wi_size_mul(n, element_bytes, &n_bytes) || n_bytes > WI_VOCAB_MAX_BYTES ||
        wi_round_up(n_bytes, 8) > c->left) {
        c->ok = false;
        return NULL;
    }
    const char *at = c->at;
    n_bytes = wi_round_up(n_bytes, 8);
    c->at += n_bytes;
    c->left -= n_bytes;
    return at;
}

bool wi_vocab_bind(const void *table, size_t n_bytes, wi_vocab *out)
{
    cutter c = {table, n_bytes, table && (uintptr_t)table % 8 == 0};
    const wi_vocab_head *h = cut(&c, 1, sizeof *h);
    if (!h || h->magic != WI_VOCAB_MAGIC || h->n_ids > WI_VOCAB_MAX_IDS)
        return false;
    const bool pairs = h->type == WI_VOCAB_PAIRS;
    wi_vocab v = {.head = h, .pieces.n = h->n_pieces, .added.n = h->n_added};
    v.pieces.at = cut(&c, (size_t)h->n_pieces + 1, sizeof(uint32_t));
    v.piece_ids = cut(&c, h->n_pieces, sizeof(int32_t));
    v.scores = cut(&c, h->type == WI_VOCAB_UNIGRAM ? h->n_pieces : 0, sizeof(float));
    v.pieces.bytes = cut(&c, h->piece_bytes, 1);
    v.chars = cut(&c, h->n_chars, sizeof(uint32_t));
    v.char_ids = cut(&c, h->n_chars, sizeof(int32_t));
    v.byte_ids = cut(&c, h->flags & WI_VOCAB_BYTES ? 256 : 0, sizeof(int32_t));
    v.pair_first = cut(&c, pairs ? (size_t)h->n_ids + 1 : 0, sizeof(uint32_t));
    v.pair_right = cut(&c, h->n_pairs, sizeof(uint32_t));
    v.pair_rank = cut(&c, h->n_pairs, sizeof(uint32_t));
    v.pair_whole = cut(&c, h->n_pairs, sizeof(uint32_t));
    v.added.at = cut(&c, (size_t)h->n_added + 1, sizeof(uint32_t));
    v.added_ids = cut(&c, h->n_added, sizeof(int32_t));
    v.added_flags = cut(&c, h->n_added, sizeof(uint32_t));
    v.added.bytes = cut(&c, h->added_bytes, 1);
    v.charsmap = cut(&c, h->charsmap_bytes, 1);
    if (!c.ok || c.left != 0)
        return false;
    *out = v;
    return true;
}

/* ---- checks ---- */

static bool check_ids(const int32_t *ids, size_t n, uint32_t n_ids)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_ids)
            return false;
    return true;
}

static bool check_byte_ids(const wi_vocab *v)
{
    for (size_t i = 0; i < 256; i++)
        if (v->byte_ids[i] != -1 && !check_ids(&v->byte_ids[i], 1, v->head->n_ids))
            return false;
    return true;
}

static bool check_strings(const wi_strings *s, size_t n_bytes)
{
    if (s->at[0] != 0 || s->at[s->n] != n_bytes)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i] >= s->at[i + 1])
            return false;
    return true;
}

/* Every left id has its range; wholes and rights are ids. */
static bool check_pairs(const wi_vocab *v)
{
    const wi_vocab_head *h = v->head;
    if (h->type != WI_VOCAB_PAIRS)
        return h->n_pairs == 0 && h->n_chars == 0;
    if (v->pair_first[0] != 0 || v->pair_first[h->n_ids] != h->n_pairs)
        return false;
    for (size_t i = 0; i < h->n_ids; i++)
        if (v->pair_first[i] > v->pair_first[i + 1])
            return false;
    for (size_t i = 0; i < h->n_pairs; i++)
        if (v->pair_right[i] >= h->n_ids || v->pair_whole[i] >= h->n_ids ||
            v->pair_rank[i] == UINT32_MAX)
            return false;
    return true;
}

static bool check_scores(const wi_vocab *v)
{
    if (v->head->type != WI_VOCAB_UNIGRAM)
        return true;
    for (size_t i = 0; i < v->head->n_pieces; i++)
        if (!isfinite(v->scores[i]))
            return false;
    return isfinite(v->head->unknown_score);
}

static bool is_marker(int32_t id, uint32_t n_ids)
{
    return id >= -1 && id < (int32_t)n_ids;
}

static bool check_head(const wi_vocab_head *h)
{
    for (size_t i = 0; i < sizeof h->reserved / sizeof *h->reserved; i++)
        if (h->reserved[i])
            return false;
    return h->n_ids > 0 && h->clean < WI_N_CLEANS && h->normal < WI_N_NORMALS &&
           h->flags < WI_VOCAB_FLAGS_BELOW && is_marker(h->start, h->n_ids) &&
           is_marker(h->end, h->n_ids) && h->pad >= 0 && is_marker(h->pad, h->n_ids) &&
           h->unknown >= 0 && is_marker(h->unknown, h->n_ids) && h->n_pairs <= WI_VOCAB_MAX_PAIRS &&
           h->context_length <= 1 << 16;
}

/* The trie's size comes first; a mapping ends at a NUL, so the last byte must be one. */
static bool check_charsmap(const wi_vocab *v)
{
    const size_t n = v->head->charsmap_bytes;
    uint32_t trie_bytes;
    if (n == 0)
        return true;
    if (n < 9 || v->charsmap[n - 1] != '\0')
        return false;
    memcpy(&trie_bytes, v->charsmap, sizeof trie_bytes);
    return trie_bytes % 4 == 0 && trie_bytes >= 4 && trie_bytes < n - 4;
}

wi_status wi_vocab_check(wi_vocab_type type, const void *table, size_t n_bytes, wi_error *error)
{
    wi_vocab v;
    const char *what = NULL;
    if (!wi_vocab_bind(table, n_bytes, &v) || v.head->type != type)
        what = "size";
    else if (!check_head(v.head))
        what = "head";
    else if (!check_strings(&v.pieces, v.head->piece_bytes) ||
             !check_ids(v.piece_ids, v.head->n_pieces, v.head->n_ids))
        what = "pieces";
    else if (!check_strings(&v.added, v.head->added_bytes) ||
             !check_ids(v.added_ids, v.head->n_added, v.head->n_ids))
        what = "added tokens";
    else if (!check_ids(v.char_ids, v.head->n_chars, v.head->n_ids) ||
             (v.head->flags & WI_VOCAB_BYTES && !check_byte_ids(&v)))
        what = "characters";
    else if (!check_pairs(&v))
        what = "pairs";
    else if (!check_scores(&v))
        what = "scores";
    else if (!check_charsmap(&v))
        what = "normalisation";
    return what ? wi_fail(error, WI_ERR_FORMAT, "tokenizer table: its %s cannot be right", what)
                : WI_OK;
}

void wi_vocab_rules(const wi_tokenizer *tokenizer, wi_token_rules *out)
{
    const wi_vocab_head *h = tokenizer->table;
    *out = (wi_token_rules){h->n_ids, h->start, h->end, h->pad, h->context_length};
}

bool wi_vocab_has_bytes(const wi_vocab *vocab, const char *text, size_t n)
{
    bool all = vocab->head->flags & WI_VOCAB_BYTES;
    for (size_t i = 0; i < n && all; i++)
        all = vocab->byte_ids[(unsigned char)text[i]] >= 0;
    return all;
}

/* ---- working memory ---- */

wi_status wi_vocab_reserve(wi_vocab_work *work, size_t n, wi_error *error)
{
    if (work->capacity - work->n_bytes >= n)
        return WI_OK;
    size_t capacity;
    if (!wi_size_add(work->n_bytes, n, &capacity) || capacity > WI_VOCAB_MAX_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "text: longer than %d bytes once normalised",
                       (int)WI_VOCAB_MAX_BYTES);
    capacity += capacity / 2 + 64;
    char *grown = realloc(work->bytes, capacity);
    if (!grown)
        return wi_fail_nomem(error, capacity, "a text");
    work->bytes = grown;
    work->capacity = capacity;
    return WI_OK;
}

wi_status wi_vocab_block(wi_vocab_work *work, size_t n, size_t element_bytes, wi_error *error)
{
    size_t n_bytes;
    if (!wi_size_mul(n, element_bytes, &n_bytes))
        return wi_fail_nomem(error, SIZE_MAX, "a text");
    if (work->block_bytes >= n_bytes)
        return WI_OK;
    free(work->block);
    work->block = malloc(n_bytes);
    work->block_bytes = work->block ? n_bytes : 0;
    return work->block ? WI_OK : wi_fail_nomem(error, n_bytes, "a text");
}
