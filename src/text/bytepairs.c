/* SentencePiece's byte-pair encoding: characters, then the pair of the lowest rank merges. What is
 * no piece becomes its bytes. Source: tokenizers 0.23 BPE with byte_fallback and fuse_unk. */
#include "text/vocab.h"

#include "base/error.h"
#include "base/size.h"
#include "text/merging.h"

static uint32_t rank_of(const void *table, uint32_t left, uint32_t right, uint32_t *whole)
{
    const wi_vocab *v = table;
    size_t low = v->pair_first[left], end = v->pair_first[left + 1], high = end;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (v->pair_right[middle] < right)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == end || v->pair_right[low] != right)
        return WI_MERGE_NONE;
    *whole = v->pair_whole[low];
    return v->pair_rank[low];
}

static int32_t char_id(const wi_vocab *v, uint32_t c)
{
    size_t low = 0, high = v->head->n_chars;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (v->chars[middle] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->head->n_chars && v->chars[low] == c ? v->char_ids[low] : -1;
}

/* The characters of text as ids; returns how many. */
static size_t take_symbols(const wi_vocab *v, const char *text, size_t n, uint32_t *ids)
{
    size_t n_ids = 0;
    bool unknown = false;
    for (size_t pos = 0, at; pos < n;) {
        uint32_t c;
        at = pos;
        if (!wi_utf8_next(text, n, &pos, &c))
            break; /* not reached: it was written as UTF-8 */
        const int32_t id = char_id(v, c);
        const bool bytes = id < 0 && wi_vocab_has_bytes(v, text + at, pos - at);
        if (id >= 0)
            ids[n_ids++] = (uint32_t)id;
        for (size_t i = at; bytes && i < pos; i++)
            ids[n_ids++] = (uint32_t)v->byte_ids[(unsigned char)text[i]];
        const bool no_piece = id < 0 && !bytes;
        if (no_piece && !unknown) /* unknown neighbours are one token */
            ids[n_ids++] = (uint32_t)v->head->unknown;
        unknown = no_piece;
    }
    return n_ids;
}

static wi_status encode_stretch(const wi_vocab *v, wi_vocab_work *work, wi_id_list *list,
                                wi_error *error)
{
    size_t n = work->n_bytes, n_bytes;
    if (n == 0)
        return WI_OK;
    if (!wi_merging_bytes(n, &n_bytes))
        return wi_fail_nomem(error, SIZE_MAX, "a text");
    n_bytes = wi_round_up(n_bytes, 8);
    const wi_status status = wi_vocab_block(work, n_bytes + n * sizeof(uint32_t), 1, error);
    if (status != WI_OK)
        return status;
    uint32_t *ids = (uint32_t *)(void *)((char *)work->block + n_bytes);
    n = take_symbols(v, work->bytes, n, ids);
    n = wi_merging_run(rank_of, v, ids, n, work->block);
    for (size_t i = 0; i < n; i++)
        wi_id_put(list, (int32_t)ids[i]);
    return WI_OK;
}

static wi_status check(const void *table, size_t n_bytes, wi_error *error)
{
    return wi_vocab_check(WI_VOCAB_PAIRS, table, n_bytes, error);
}

static wi_status encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        wi_tokens *out, wi_error *error)
{
    return wi_vocab_encode(tokenizer, text, n_bytes, encode_stretch, out, error);
}

const wi_tokenizer_kind wi_tokenizer_pairs = {
    .name = "SentencePiece BPE",
    .tensor = "tokenizer.pairs",
    .element_bytes = 1,
    .row_elements = 1,
    .check = check,
    .encode = encode,
    .rules = wi_vocab_rules,
};
