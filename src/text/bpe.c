#include "text/bpe.h"

#include "base/error.h"
#include "text/clean.h"
#include "text/merge.h"
#include "text/pieces.h"

#include <string.h>

wi_status wi_bpe_check(const wi_bpe *bpe, wi_error *error)
{
    if (bpe->n_merges > WI_BPE_MAX_MERGES)
        return wi_fail(error, WI_ERR_FORMAT, "merge table has %u rows, more than %d",
                       (unsigned)bpe->n_merges, (int)WI_BPE_MAX_MERGES);
    uint64_t seen[(WI_BPE_MAX_MERGES + 63) / 64] = {0};
    uint32_t last = 0;
    for (uint32_t i = 0; i < bpe->n_merges; i++) {
        const uint16_t *row = bpe->sorted[i];
        uint32_t key = (uint32_t)row[0] << 16 | row[1], rank = row[2];
        if (i > 0 && key <= last)
            return wi_fail(error, WI_ERR_FORMAT, "merge table is not sorted at row %u",
                           (unsigned)i);
        if (rank >= bpe->n_merges || seen[rank / 64] >> rank % 64 & 1)
            return wi_fail(error, WI_ERR_FORMAT, "merge table has a wrong rank at row %u",
                           (unsigned)i);
        /* Parts come before the whole; the order of merging relies on it. */
        if (row[0] >= WI_BPE_N_SYMBOLS + rank || row[1] >= WI_BPE_N_SYMBOLS + rank)
            return wi_fail(error, WI_ERR_FORMAT, "merge table refers to a later merge at row %u",
                           (unsigned)i);
        seen[rank / 64] |= (uint64_t)1 << rank % 64;
        last = key;
    }
    return WI_OK;
}

/* The ids as they come, up to `most`; one more is counted to know that there are more. */
typedef struct id_list {
    int32_t *ids;
    size_t n, most;
} id_list;

static void put(id_list *list, uint32_t id)
{
    if (list->n < list->most)
        list->ids[list->n] = (int32_t)id;
    list->n++;
}

static wi_status encode_pieces(const wi_bpe *bpe, const wi_clean_text *text, id_list *list,
                               wi_error *error)
{
    wi_merge merge;
    wi_merge_init(&merge);
    wi_status status = WI_OK;
    wi_piece piece;
    for (size_t pos = 0;
         list->n <= list->most && wi_piece_next(text->bytes, text->n_bytes, &pos, &piece);) {
        if (piece.kind != WI_PIECE_WORD) {
            put(list, WI_BPE_N_SYMBOLS + bpe->n_merges + (piece.kind == WI_PIECE_END));
            continue;
        }
        status = wi_merge_piece(bpe, piece.bytes, piece.n_bytes, &merge, error);
        if (status != WI_OK)
            break;
        for (size_t i = 0; i < merge.n_ids && list->n <= list->most; i++)
            put(list, merge.ids[i]);
    }
    wi_merge_free(&merge);
    return status;
}

wi_status wi_bpe_encode(const wi_bpe *bpe, const char *text, size_t n_bytes, size_t context_length,
                        int32_t *ids, size_t *n_ids, bool *truncated, wi_error *error)
{
    if (context_length < 2)
        return wi_fail(error, WI_ERR_ARG, "a context of %zu tokens has no room for the markers",
                       context_length);
    uint32_t start = WI_BPE_N_SYMBOLS + bpe->n_merges, end = start + 1;
    id_list list = {ids, 0, context_length};
    wi_clean_text clean;
    wi_status status = wi_clean(text, n_bytes, &clean, error);
    if (status == WI_OK) {
        put(&list, start);
        status = encode_pieces(bpe, &clean, &list, error);
    }
    wi_clean_free(&clean);
    if (status != WI_OK)
        return status;
    put(&list, end);
    bool over = list.n > context_length;
    size_t n = over ? context_length : list.n;
    ids[n - 1] = (int32_t)end;
    memset(ids + n, 0, (context_length - n) * sizeof *ids);
    if (n_ids)
        *n_ids = n;
    if (truncated)
        *truncated = over;
    return WI_OK;
}

/* ---- as a kind of tokenizer ---- */

static wi_bpe of_table(const void *table, size_t n_bytes)
{
    const uint16_t(*rows)[3] = table;
    return (wi_bpe){rows, (uint32_t)(n_bytes / sizeof *rows)};
}

static wi_status check_table(const void *table, size_t n_bytes, wi_error *error)
{
    if (n_bytes / sizeof(uint16_t[3]) > WI_BPE_MAX_MERGES || n_bytes % sizeof(uint16_t[3]))
        return wi_fail(error, WI_ERR_FORMAT, "merge table of %zu bytes", n_bytes);
    const wi_bpe bpe = of_table(table, n_bytes);
    return wi_bpe_check(&bpe, error);
}

static wi_status encode_table(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                              wi_tokens *out, wi_error *error)
{
    const wi_bpe bpe = of_table(tokenizer->table, tokenizer->n_bytes);
    return wi_bpe_encode(&bpe, text, n_bytes, out->context_length, out->ids, &out->n_ids,
                         &out->truncated, error);
}

static void rules_of_table(const wi_tokenizer *tokenizer, wi_token_rules *out)
{
    const int32_t start =
        WI_BPE_N_SYMBOLS + (int32_t)of_table(tokenizer->table, tokenizer->n_bytes).n_merges;
    *out = (wi_token_rules){(uint32_t)start + 2, start, start + 1, 0, 77};
}

const wi_tokenizer_kind wi_tokenizer_clip = {
    .name = "CLIP's BPE",
    .tensor = "tokenizer.merges",
    .element_bytes = sizeof(uint16_t),
    .row_elements = 3,
    .check = check_table,
    .encode = encode_table,
    .rules = rules_of_table,
};

wi_tokenizer wi_bpe_tokenizer(const wi_bpe *bpe)
{
    return (wi_tokenizer){&wi_tokenizer_clip, bpe->sorted, bpe->n_merges * sizeof *bpe->sorted,
                          NULL};
}
