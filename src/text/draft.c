#include "text/draft.h"

#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

void wi_draft_init(wi_draft *draft, wi_vocab_type type)
{
    *draft = (wi_draft){
        .head = {.magic = WI_VOCAB_MAGIC, .type = type, .start = -1, .end = -1, .max_word = 100}};
    wi_buffer_init(&draft->pool, WI_VOCAB_MAX_BYTES);
    wi_buffer_init(&draft->charsmap, WI_VOCAB_MAX_BYTES);
}

void wi_draft_free(wi_draft *draft)
{
    wi_buffer_free(&draft->pool);
    wi_buffer_free(&draft->charsmap);
    free(draft->pieces);
    free(draft->slots);
    free(draft->pairs);
    wi_draft_init(draft, (wi_vocab_type)draft->head.type);
}

/* ---- pieces ---- */

static uint32_t *slot_of(const wi_draft *d, const char *bytes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    size_t at = (size_t)(hash ^ hash >> 32) & (d->n_slots - 1);
    for (; d->slots[at]; at = (at + 1) & (d->n_slots - 1)) {
        const wi_draft_piece *other = &d->pieces[d->slots[at] - 1];
        if (other->n_bytes == n && !memcmp(wi_draft_bytes(d, other), bytes, n))
            break;
    }
    return &d->slots[at];
}

wi_draft_piece *wi_draft_find(const wi_draft *draft, const char *bytes, size_t n_bytes)
{
    if (!draft->n_slots)
        return NULL;
    const uint32_t slot = *slot_of(draft, bytes, n_bytes);
    return slot ? &draft->pieces[slot - 1] : NULL;
}

static wi_status grow(wi_draft *d, wi_error *error)
{
    const size_t capacity = d->piece_capacity ? 2 * d->piece_capacity : 4096;
    wi_draft_piece *pieces = realloc(d->pieces, capacity * sizeof *pieces);
    if (pieces)
        d->pieces = pieces;
    uint32_t *slots = pieces ? calloc(2 * capacity, sizeof *slots) : NULL;
    if (!slots)
        return wi_fail_nomem(error, capacity * sizeof *pieces, "a vocabulary");
    free(d->slots);
    d->slots = slots;
    d->n_slots = 2 * capacity;
    d->piece_capacity = capacity;
    for (size_t i = 0; i < d->n_pieces; i++)
        *slot_of(d, wi_draft_bytes(d, &d->pieces[i]), d->pieces[i].n_bytes) = (uint32_t)i + 1;
    return WI_OK;
}

wi_status wi_draft_put(wi_draft *d, const char *bytes, size_t n_bytes, uint32_t id, float score,
                       wi_piece_type type, wi_error *error)
{
    if (id >= WI_VOCAB_MAX_IDS || d->n_pieces >= WI_VOCAB_MAX_IDS)
        return wi_fail(error, WI_ERR_LIMIT, "vocabulary: more than %d ids", (int)WI_VOCAB_MAX_IDS);
    if (n_bytes == 0 || n_bytes > 1 << 16)
        return wi_fail(error, WI_ERR_FORMAT, "vocabulary: piece %u has %zu bytes", id, n_bytes);
    wi_status status = WI_OK;
    if (d->n_pieces == d->piece_capacity)
        status = grow(d, error);
    if (status != WI_OK)
        return status;
    uint32_t *slot = slot_of(d, bytes, n_bytes);
    if (*slot)
        return wi_fail(error, WI_ERR_FORMAT, "vocabulary: piece %u is there twice", id);
    const size_t at = d->pool.n_bytes;
    status = wi_buffer_append(&d->pool, bytes, n_bytes, error);
    if (status != WI_OK)
        return status;
    d->pieces[d->n_pieces] = (wi_draft_piece){
        .at = at, .n_bytes = (uint32_t)n_bytes, .id = id, .score = score, .type = (uint8_t)type};
    *slot = (uint32_t)++d->n_pieces;
    if (id >= d->head.n_ids)
        d->head.n_ids = id + 1;
    return WI_OK;
}

wi_status wi_draft_id(const wi_draft *draft, const char *name, int32_t *out, wi_error *error)
{
    const wi_draft_piece *piece = wi_draft_find(draft, name, strlen(name));
    if (!piece)
        return wi_fail(error, WI_ERR_FORMAT, "vocabulary: there is no '%s'", name);
    *out = (int32_t)piece->id;
    return WI_OK;
}

/* ---- merges ---- */

static wi_status put_pair(wi_draft *d, wi_draft_pair pair, wi_error *error)
{
    if (d->n_pairs == WI_VOCAB_MAX_PAIRS)
        return wi_fail(error, WI_ERR_LIMIT, "vocabulary: more than %d merges",
                       (int)WI_VOCAB_MAX_PAIRS);
    if (d->n_pairs == d->pair_capacity) {
        const size_t capacity = d->pair_capacity ? 2 * d->pair_capacity : 4096;
        wi_draft_pair *grown = realloc(d->pairs, capacity * sizeof *grown);
        if (!grown)
            return wi_fail_nomem(error, capacity * sizeof *grown, "merges");
        d->pairs = grown;
        d->pair_capacity = capacity;
    }
    d->pairs[d->n_pairs++] = pair;
    return WI_OK;
}

wi_status wi_draft_merge(wi_draft *d, const char *left, size_t n_left, const char *right,
                         size_t n_right, wi_error *error)
{
    char small[256], *whole = small;
    if (n_left + n_right > sizeof small) {
        whole = malloc(n_left + n_right);
        if (!whole)
            return wi_fail_nomem(error, n_left + n_right, "a merge");
    }
    memcpy(whole, left, n_left);
    memcpy(whole + n_left, right, n_right);
    const wi_draft_piece *l = wi_draft_find(d, left, n_left), *r = wi_draft_find(d, right, n_right),
                         *w = wi_draft_find(d, whole, n_left + n_right);
    if (whole != small)
        free(whole);
    if (!l || !r || !w)
        return wi_fail(error, WI_ERR_FORMAT,
                       "merge %zu names a piece that is not in the vocabulary", d->n_pairs + 1);
    const wi_draft_pair pair = {l->id, r->id, (uint32_t)d->n_pairs, w->id};
    return put_pair(d, pair, error);
}

/* A merge with what it is ranked by. */
typedef struct candidate {
    uint32_t left, right, whole;
    uint32_t n_left, n_right; /* characters */
    float score;
    size_t order; /* as found: of equals, the first comes first */
} candidate;

static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->n_left != y->n_left)
        return x->n_left > y->n_left ? -1 : 1;
    if (x->n_right != y->n_right)
        return x->n_right > y->n_right ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_parts(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return (x->right > y->right) - (x->right < y->right);
}

typedef struct candidates {
    candidate *at;
    size_t n, capacity;
} candidates;

static uint32_t count_chars(const char *text, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static wi_status splits_of(const wi_draft *d, const wi_draft_piece *piece, candidates *all,
                           wi_error *error)
{
    const char *text = wi_draft_bytes(d, piece);
    const size_t n = piece->n_bytes, before = all->n;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text[i] & 0xc0) == 0x80)
            continue;
        const wi_draft_piece *left = wi_draft_find(d, text, i);
        const wi_draft_piece *right = left ? wi_draft_find(d, text + i, n - i) : NULL;
        if (!right)
            continue;
        if (all->n == all->capacity) {
            const size_t capacity = all->capacity ? 2 * all->capacity : 4096;
            candidate *grown = realloc(all->at, capacity * sizeof *grown);
            if (!grown)
                return wi_fail_nomem(error, capacity * sizeof *grown, "merges");
            all->at = grown;
            all->capacity = capacity;
        }
        all->at[all->n++] = (candidate){
            left->id,     right->id, piece->id, count_chars(text, i), count_chars(text + i, n - i),
            piece->score, 0};
    }
    if (all->n - before > 1)
        qsort(all->at + before, all->n - before, sizeof *all->at, by_parts);
    for (size_t i = before; i < all->n; i++)
        all->at[i].order = i;
    return WI_OK;
}

wi_status wi_draft_make_merges(wi_draft *d, wi_error *error)
{
    candidates all = {0};
    wi_status status = WI_OK;
    for (size_t i = 0; i < d->n_pieces && status == WI_OK; i++)
        status = splits_of(d, &d->pieces[i], &all, error);
    if (status == WI_OK && all.n)
        qsort(all.at, all.n, sizeof *all.at, by_score);
    for (size_t i = 0; i < all.n && status == WI_OK; i++) {
        const candidate *c = &all.at[i];
        const wi_draft_pair pair = {c->left, c->right, (uint32_t)i, c->whole};
        status = put_pair(d, pair, error);
    }
    free(all.at);
    return status;
}
