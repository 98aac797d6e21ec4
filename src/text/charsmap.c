#include "text/charsmap.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* A double array as darts-clone stores it; every step is checked against its size, since a map from
 * outside may lead anywhere. */
typedef struct trie {
    const char *units; /* n little-endian u32 */
    size_t n;
    const char *values; /* NUL-terminated strings */
    size_t n_values;
} trie;

static trie trie_of(const wi_vocab *v)
{
    uint32_t n_bytes;
    if (v->head->charsmap_bytes == 0)
        return (trie){0};
    memcpy(&n_bytes, v->charsmap, sizeof n_bytes);
    return (trie){v->charsmap + 4, n_bytes / 4, v->charsmap + 4 + n_bytes,
                  v->head->charsmap_bytes - 4 - n_bytes};
}

static uint32_t unit_at(const trie *t, size_t i)
{
    uint32_t unit;
    memcpy(&unit, t->units + 4 * i, sizeof unit);
    return unit;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* Length of the longest key that text begins with, and its value; 0 when there is none. */
static size_t longest(const trie *t, const char *text, size_t n, const char **value)
{
    size_t found = 0;
    if (t->n == 0)
        return 0;
    size_t at = offset_of(unit_at(t, 0));
    for (size_t i = 0; i < n; i++) {
        at ^= (unsigned char)text[i];
        if (at >= t->n)
            break;
        const uint32_t unit = unit_at(t, at);
        if ((unit & (1u << 31 | 0xffu)) != (unsigned char)text[i])
            break;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1))
            continue;
        if (at >= t->n)
            break;
        const uint32_t leaf = unit_at(t, at) & 0x7fffffffu;
        if (leaf < t->n_values) {
            *value = t->values + leaf;
            found = i + 1;
        }
    }
    return found;
}

/* The next character or mapped sequence of text[n > 0] and how many bytes of it were read. */
static size_t next_chunk(const trie *t, const char *text, size_t n, const char **chunk,
                         size_t *n_chunk)
{
    const size_t key = longest(t, text, n, chunk);
    if (key) {
        *n_chunk = strlen(*chunk);
        return key;
    }
    uint32_t c;
    size_t pos = 0;
    if (!wi_utf8_next(text, n, &pos, &c))
        pos = 1; /* not reached: texts are checked first */
    *chunk = text;
    *n_chunk = pos;
    return pos;
}

static const char space_symbol[] = "\xe2\x96\x81";
enum { SYMBOL = 3 };

static wi_status put(wi_vocab_work *work, const char *bytes, size_t n, bool escape, wi_error *error)
{
    const wi_status status = wi_vocab_reserve(work, n * SYMBOL, error);
    if (status != WI_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        if (escape && bytes[i] == ' ') {
            memcpy(work->bytes + work->n_bytes, space_symbol, SYMBOL);
            work->n_bytes += SYMBOL;
        } else {
            work->bytes[work->n_bytes++] = bytes[i];
        }
    }
    return WI_OK;
}

static bool ends_with_space(const wi_vocab_work *work, size_t from, bool escape)
{
    const size_t n = work->n_bytes - from;
    if (!escape)
        return n >= 1 && work->bytes[work->n_bytes - 1] == ' ';
    return n >= SYMBOL && !memcmp(work->bytes + work->n_bytes - SYMBOL, space_symbol, SYMBOL);
}

static size_t skip_spaces(const trie *t, const char *text, size_t n)
{
    size_t pos = 0;
    while (pos < n) {
        const char *chunk;
        size_t n_chunk;
        const size_t used = next_chunk(t, text + pos, n - pos, &chunk, &n_chunk);
        if (n_chunk != 1 || *chunk != ' ')
            break;
        pos += used;
    }
    return pos;
}

wi_status wi_charsmap_normalise(const wi_vocab *vocab, const char *text, size_t n, bool prefix,
                                wi_vocab_work *work, wi_error *error)
{
    const trie t = trie_of(vocab);
    const uint32_t flags = vocab->head->flags;
    const bool squeeze = flags & WI_VOCAB_SQUEEZE, escape = flags & WI_VOCAB_ESCAPE;
    const size_t from = work->n_bytes;
    size_t pos = squeeze ? skip_spaces(&t, text, n) : 0;
    wi_status status = WI_OK;
    if (prefix && pos < n)
        status = put(work, " ", 1, escape, error);
    bool after_space = squeeze;
    while (pos < n && status == WI_OK) {
        const char *chunk;
        size_t n_chunk;
        pos += next_chunk(&t, text + pos, n - pos, &chunk, &n_chunk);
        for (; after_space && n_chunk && *chunk == ' '; chunk++)
            n_chunk--;
        if (n_chunk) {
            after_space = squeeze && chunk[n_chunk - 1] == ' ';
            status = put(work, chunk, n_chunk, escape, error);
        }
    }
    while (squeeze && ends_with_space(work, from, escape))
        work->n_bytes -= escape ? SYMBOL : 1;
    return status;
}

wi_status wi_charsmap_normalise_in_place(const wi_vocab *vocab, bool prefix, wi_vocab_work *work,
                                         wi_error *error)
{
    const size_t n = work->n_bytes;
    wi_status status = wi_vocab_block(work, n + 1, 1, error);
    if (status != WI_OK)
        return status;
    if (n)
        memcpy(work->block, work->bytes, n);
    work->n_bytes = 0;
    return wi_charsmap_normalise(vocab, work->block, n, prefix, work, error);
}
