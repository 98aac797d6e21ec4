#include "text/unicode.h"

#include "base/error.h"
#include "base/size.h"
#include "text/unicode_tables.h"

#include <stdlib.h>
#include <string.h>

wi_status wi_chars_reserve(wi_chars *chars, size_t capacity, wi_error *error)
{
    if (capacity <= chars->capacity)
        return WI_OK;
    size_t grown, n_bytes;
    if (!wi_size_add(capacity, capacity / 2, &grown) ||
        !wi_size_mul(grown, sizeof *chars->at, &n_bytes))
        return wi_fail_nomem(error, SIZE_MAX, "a text");
    uint32_t *at = realloc(chars->at, n_bytes);
    if (!at)
        return wi_fail_nomem(error, n_bytes, "a text");
    chars->at = at;
    chars->capacity = grown;
    return WI_OK;
}

wi_status wi_chars_copy(wi_chars *to, const uint32_t *from, size_t n, wi_error *error)
{
    wi_status status = wi_chars_reserve(to, n, error);
    if (status != WI_OK)
        return status;
    if (n)
        memcpy(to->at, from, n * sizeof *from);
    to->n = n;
    return WI_OK;
}

void wi_chars_free(wi_chars *chars)
{
    free(chars->at);
    *chars = (wi_chars){0};
}

static const wi_unicode_record *record_of(uint32_t c)
{
    size_t block = wi_unicode_blocks[c / WI_UNICODE_BLOCK];
    return &wi_unicode_records[wi_unicode_index[block * WI_UNICODE_BLOCK + c % WI_UNICODE_BLOCK]];
}

unsigned wi_unicode_flags(uint32_t c)
{
    return record_of(c)->flags;
}

size_t wi_unicode_replace(uint32_t c, uint32_t out[3])
{
    size_t low = 0, high = c < 0x80 && c != '\r' ? 0 : wi_unicode_n_replacements;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const wi_unicode_replacement *r = &wi_unicode_replacements[middle];
        if (r->from == c) {
            for (size_t i = 0; i < r->n; i++)
                out[i] = r->to[i];
            return r->n;
        }
        if (r->from < c)
            low = middle + 1;
        else
            high = middle;
    }
    out[0] = c;
    return 1;
}

/* Hangul syllables are composed by arithmetic (Unicode Standard, section 3.12). */
enum {
    HANGUL_S = 0xac00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11a7,
    HANGUL_N_L = 19,
    HANGUL_N_V = 21,
    HANGUL_N_T = 28,
    HANGUL_N_S = HANGUL_N_L * HANGUL_N_V * HANGUL_N_T
};

static size_t decompose_hangul(uint32_t syllable, uint32_t *out)
{
    uint32_t s = syllable - HANGUL_S;
    out[0] = HANGUL_L + s / (HANGUL_N_V * HANGUL_N_T);
    out[1] = HANGUL_V + s % (HANGUL_N_V * HANGUL_N_T) / HANGUL_N_T;
    out[2] = HANGUL_T + s % HANGUL_N_T;
    return out[2] == HANGUL_T ? 2 : 3;
}

enum { MAX_DECOMPOSED = 4 };

/* The full canonical decomposition of c: how many code points, at most MAX_DECOMPOSED. */
static size_t decompose(uint32_t c, uint32_t *out)
{
    if (c - HANGUL_S < HANGUL_N_S)
        return decompose_hangul(c, out);
    size_t low = 0,
           high = wi_unicode_flags(c) & WI_UNICODE_DECOMPOSES ? wi_unicode_n_decompositions : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const wi_unicode_decomposition *d = &wi_unicode_decompositions[middle];
        if (d->from == c) {
            memcpy(out, wi_unicode_decomposed + d->at, d->n * sizeof *out);
            return d->n;
        }
        if (d->from < c)
            low = middle + 1;
        else
            high = middle;
    }
    out[0] = c;
    return 1;
}

/* 0 when the two do not compose: U+0000 is no composite. */
static uint32_t compose_pair(uint32_t first, uint32_t second)
{
    if (first - HANGUL_L < HANGUL_N_L && second - HANGUL_V < HANGUL_N_V)
        return HANGUL_S + ((first - HANGUL_L) * HANGUL_N_V + (second - HANGUL_V)) * HANGUL_N_T;
    if (first - HANGUL_S < HANGUL_N_S && (first - HANGUL_S) % HANGUL_N_T == 0 &&
        second > HANGUL_T && second < HANGUL_T + HANGUL_N_T)
        return first + (second - HANGUL_T);
    size_t low = 0, high = wi_unicode_n_compositions;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint32_t *row = wi_unicode_compositions[middle];
        if (row[0] == first && row[1] == second)
            return row[2];
        if (row[0] < first || (row[0] == first && row[1] < second))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Stable sort of a run of combining marks by class. Counting keeps a hostile text of nothing but
 * marks linear; `spare` holds n code points. */
static void sort_marks(uint32_t *marks, size_t n, uint32_t *spare)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            uint32_t mark = marks[i];
            size_t to = i;
            for (; to > 0 && record_of(marks[to - 1])->ccc > record_of(mark)->ccc; to--)
                marks[to] = marks[to - 1];
            marks[to] = mark;
        }
        return;
    }
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++)
        start[record_of(marks[i])->ccc + 1]++;
    for (size_t i = 1; i < 257; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < n; i++)
        spare[start[record_of(marks[i])->ccc]++] = marks[i];
    memcpy(marks, spare, n * sizeof *marks);
}

static void order_marks(wi_chars *text, uint32_t *spare)
{
    for (size_t i = 0; i < text->n;) {
        size_t end = i;
        while (end < text->n && record_of(text->at[end])->ccc != 0)
            end++;
        if (end - i > 1)
            sort_marks(text->at + i, end - i, spare);
        i = end + 1;
    }
}

/* The composition algorithm of Annex 15: a mark joins the last starter unless a mark of its own or
 * a higher class, or another starter, stands between them. */
static void compose(wi_chars *text)
{
    size_t to = 0, starter = 0;
    unsigned last_class = 256; /* no starter yet: nothing is below it */
    for (size_t i = 0; i < text->n; i++) {
        uint32_t c = text->at[i];
        unsigned class = record_of(c)->ccc;
        bool may_join = last_class == 0 || last_class < class;
        uint32_t composite = may_join && last_class != 256 ? compose_pair(text->at[starter], c) : 0;
        if (composite) {
            text->at[starter] = composite;
            continue;
        }
        if (class == 0)
            starter = to;
        if (class == 0 || last_class != 256)
            last_class = class;
        text->at[to++] = c;
    }
    text->n = to;
}

/* The decomposed, ordered text in `spare`; text has room for as much. */
static wi_status decompose_all(wi_chars *text, wi_chars *spare, wi_error *error)
{
    size_t n = 0;
    uint32_t parts[MAX_DECOMPOSED];
    for (size_t i = 0; i < text->n; i++)
        n += decompose(text->at[i], parts);
    wi_status status = wi_chars_reserve(spare, n, error);
    if (status == WI_OK)
        status = wi_chars_reserve(text, n, error);
    if (status != WI_OK)
        return status;
    spare->n = 0;
    for (size_t i = 0; i < text->n; i++) {
        size_t n_parts = decompose(text->at[i], parts);
        memcpy(spare->at + spare->n, parts, n_parts * sizeof *parts);
        spare->n += n_parts;
    }
    /* What is ordered is no longer needed undone, so the old array serves as memory for sorting. */
    order_marks(spare, text->at);
    return WI_OK;
}

static void swap(wi_chars *a, wi_chars *b)
{
    wi_chars swapped = *a;
    *a = *b;
    *b = swapped;
}

wi_status wi_unicode_nfc(wi_chars *text, wi_chars *spare, wi_error *error)
{
    bool unsure = false;
    for (size_t i = 0; i < text->n; i++)
        unsure |= text->at[i] >= 0x300 && (wi_unicode_flags(text->at[i]) & WI_UNICODE_NFC_UNSURE);
    if (!unsure)
        return WI_OK;
    wi_status status = decompose_all(text, spare, error);
    if (status != WI_OK)
        return status;
    compose(spare);
    swap(text, spare);
    return WI_OK;
}

wi_status wi_unicode_nfd(wi_chars *text, wi_chars *spare, wi_error *error)
{
    wi_status status = decompose_all(text, spare, error);
    if (status == WI_OK)
        swap(text, spare);
    return status;
}

/* A capital sigma is final when a cased character comes before and none after, ignorable ones
 * aside. */
static bool sigma_is_final(const wi_chars *text, size_t at)
{
    size_t i = at;
    while (i > 0 && wi_unicode_flags(text->at[i - 1]) & WI_UNICODE_IGNORABLE)
        i--;
    if (i == 0 || !(wi_unicode_flags(text->at[i - 1]) & WI_UNICODE_CASED))
        return false;
    i = at + 1;
    while (i < text->n && wi_unicode_flags(text->at[i]) & WI_UNICODE_IGNORABLE)
        i++;
    return i == text->n || !(wi_unicode_flags(text->at[i]) & WI_UNICODE_CASED);
}

wi_status wi_unicode_lower(const wi_chars *text, wi_chars *out, wi_error *error)
{
    size_t most;
    if (!wi_size_mul(text->n, 2, &most))
        return wi_fail_nomem(error, SIZE_MAX, "a text");
    wi_status status = wi_chars_reserve(out, most, error);
    if (status != WI_OK)
        return status;
    out->n = 0;
    for (size_t i = 0; i < text->n; i++) {
        uint32_t c = text->at[i];
        if (c == 0x3a3) {
            out->at[out->n++] = sigma_is_final(text, i) ? 0x3c2 : 0x3c3;
        } else if (c == 0x130) {
            out->at[out->n++] = 'i';
            out->at[out->n++] = 0x307;
        } else {
            out->at[out->n++] = (uint32_t)((int32_t)c + record_of(c)->lower);
        }
    }
    return WI_OK;
}

wi_status wi_unicode_lower_each(wi_chars *text, wi_chars *spare, wi_error *error)
{
    size_t most;
    if (!wi_size_mul(text->n, 2, &most))
        return wi_fail_nomem(error, SIZE_MAX, "a text");
    wi_status status = wi_chars_reserve(spare, most, error);
    if (status != WI_OK)
        return status;
    spare->n = 0;
    for (size_t i = 0; i < text->n; i++) {
        uint32_t c = text->at[i];
        spare->at[spare->n++] = c == 0x130 ? 'i' : (uint32_t)((int32_t)c + record_of(c)->lower);
        if (c == 0x130)
            spare->at[spare->n++] = 0x307;
    }
    swap(text, spare);
    return WI_OK;
}
