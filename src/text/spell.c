#include "text/spell.h"

#include "base/error.h"
#include "text/bpe.h"
#include "text/merge.h"

#include <stdlib.h>
#include <string.h>

/* Longer than any word; a table that doubles itself with every merge would spell gigabytes. */
enum { MAX_SPELLED = 255 };

typedef struct speller {
    const wi_bpe *bpe;
    uint32_t *row;                      /* of each rank */
    uint16_t *length;                   /* of what each rank spells, up to MAX_SPELLED + 1 */
    unsigned char byte[WI_BPE_N_BYTES]; /* of each byte symbol */
} speller;

static size_t length_of(const speller *s, uint32_t id)
{
    return id < WI_BPE_N_SYMBOLS ? 1 : s->length[id - WI_BPE_N_SYMBOLS];
}

/* Parts come before the whole (wi_bpe_check), so lengths are there when they are asked for. */
static void prepare(speller *s)
{
    for (uint32_t b = 0; b < WI_BPE_N_BYTES; b++)
        s->byte[wi_merge_byte_id((unsigned char)b)] = (unsigned char)b;
    for (uint32_t i = 0; i < s->bpe->n_merges; i++)
        s->row[s->bpe->sorted[i][2]] = i;
    for (uint32_t r = 0; r < s->bpe->n_merges; r++) {
        const uint16_t *pair = s->bpe->sorted[s->row[r]];
        const size_t n = length_of(s, pair[0]) + length_of(s, pair[1]);
        s->length[r] = (uint16_t)(n > MAX_SPELLED ? MAX_SPELLED + 1 : n);
    }
}

/* Each level spells less than the one above, so there are at most MAX_SPELLED. */
static bool write_token(const speller *s, uint32_t id, char *out)
{
    if (id < WI_BPE_N_SYMBOLS) {
        *out = (char)s->byte[id % WI_BPE_N_BYTES];
        return id >= WI_BPE_N_BYTES;
    }
    const uint16_t *pair = s->bpe->sorted[s->row[id - WI_BPE_N_SYMBOLS]];
    write_token(s, pair[0], out);
    return write_token(s, pair[1], out + length_of(s, pair[0]));
}

static uint32_t id_of(const float *ids, size_t i)
{
    return ids ? (uint32_t)ids[i] : (uint32_t)i;
}

static wi_status spell_all(const speller *s, const float *ids, wi_spelling *out, wi_error *error)
{
    const uint32_t n_words = WI_BPE_N_SYMBOLS + s->bpe->n_merges;
    uint32_t n = 0;
    for (size_t i = 0; i < out->n; i++) {
        const uint32_t id = id_of(ids, i);
        out->first[i] = n;
        if (id >= n_words + 2 || (id < n_words && length_of(s, id) > MAX_SPELLED))
            return wi_fail(error, WI_ERR_FORMAT,
                           "token %u is none of the tokenizer's, or longer than any word", id);
        n += id < n_words ? (uint32_t)length_of(s, id) : 0;
    }
    out->first[out->n] = n;
    out->bytes = malloc(n ? n : 1);
    if (!out->bytes)
        return wi_fail_nomem(error, n, "words");
    for (size_t i = 0; i < out->n; i++)
        if (id_of(ids, i) < n_words)
            out->ends_word[i] = write_token(s, id_of(ids, i), out->bytes + out->first[i]);
    return WI_OK;
}

wi_status wi_spelling_open(const wi_tokenizer *tokenizer, const float *ids, size_t n,
                           wi_spelling *out, wi_error *error)
{
    *out = (wi_spelling){0};
    if (tokenizer->kind != &wi_tokenizer_clip)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "only CLIP's tokens can be spelled");
    const wi_bpe bpe = {tokenizer->table, (uint32_t)(tokenizer->n_bytes / sizeof(uint16_t[3]))};
    speller s = {.bpe = &bpe,
                 .row = malloc((bpe.n_merges + 1) * sizeof *s.row),
                 .length = malloc((bpe.n_merges + 1) * sizeof *s.length)};
    *out = (wi_spelling){.first = calloc(n + 1, sizeof *out->first),
                         .ends_word = calloc(n + 1, sizeof *out->ends_word),
                         .n = n};
    wi_status status = WI_OK;
    if (s.row && s.length && out->first && out->ends_word) {
        prepare(&s);
        status = spell_all(&s, ids, out, error);
    } else {
        status = wi_fail_nomem(error, n * sizeof *out->first, "words");
    }
    free(s.row);
    free(s.length);
    return status;
}

void wi_spelling_free(wi_spelling *spelling)
{
    free(spelling->bytes);
    free(spelling->first);
    free(spelling->ends_word);
    *spelling = (wi_spelling){0};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether words that end and begin so are written without a blank. CLIP's pieces part "t-shirt" at its
 * hyphen, "man's" before its apostrophe, "12" between its digits. */
static bool joined(char before, char after)
{
    return after == ',' || after == '.' || after == '\'' || after == '-' || before == '-' ||
           (is_digit(before) && is_digit(after));
}

size_t wi_spell(const wi_spelling *spelling, const int32_t *tokens, size_t n, char *out,
                size_t n_out)
{
    size_t at = 0;
    bool blank = false;
    for (size_t i = 0; i < n; i++) {
        const size_t token = (size_t)tokens[i], first = spelling->first[token],
                     length = spelling->first[token + 1] - first;
        const char *bytes = spelling->bytes + first;
        if (length == 0)
            continue;
        const bool apart = blank && !joined(out[at - 1], bytes[0]);
        if (at + apart + length + 1 > n_out)
            break;
        if (apart)
            out[at++] = ' ';
        memcpy(out + at, bytes, length);
        at += length;
        blank = spelling->ends_word[token];
    }
    out[at] = '\0';
    return at;
}
