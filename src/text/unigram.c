/* SentencePiece's unigram model: the pieces whose scores have the greatest sum.
 * Source: sentencepiece 0.1.97 unigram_model.cc Model::EncodeOptimized; tokenizers 0.23 unigram. */
#include "text/vocab.h"

/* The best way to cover a text up to some byte. */
typedef struct node {
    double score;
    uint32_t from; /* where its last piece begins; NONE when nothing ends here */
    uint32_t next; /* on the best way: where the piece that begins here ends */
    int32_t id;
} node;

enum { NONE = INT32_MAX };

static size_t char_bytes(const char *text, size_t n)
{
    const unsigned char lead = (unsigned char)*text;
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return length < n ? length : n;
}

/* In sentencepiece a candidate is a double, but what is kept is a float. */
static void offer(node *to, double score, uint32_t from, int32_t id, bool floats)
{
    if (to->from == NONE || score > to->score)
        *to = (node){floats ? (double)(float)score : score, from, 0, id};
}

static void extend(const wi_vocab *v, const char *text, size_t n, size_t at, node *nodes)
{
    const bool floats = v->head->flags & WI_VOCAB_FLOATS;
    const size_t one = char_bytes(text + at, n - at);
    const double here = nodes[at].score;
    wi_strings_range range = {0, v->pieces.n};
    bool single = false;
    for (size_t i = 0; at + i < n && wi_strings_step(&v->pieces, &range, i, text[at + i]); i++) {
        const size_t ends = wi_strings_ends(&v->pieces, range, i + 1);
        if (ends == SIZE_MAX)
            continue;
        offer(&nodes[at + i + 1], (double)v->scores[ends] + here, (uint32_t)at, v->piece_ids[ends],
              floats);
        single |= i + 1 == one;
    }
    if (!single)
        offer(&nodes[at + one], (double)v->head->unknown_score + here, (uint32_t)at,
              v->head->unknown, floats);
}

static wi_status encode_stretch(const wi_vocab *v, wi_vocab_work *work, wi_id_list *list,
                                wi_error *error)
{
    const size_t n = work->n_bytes;
    if (n == 0)
        return WI_OK;
    const wi_status status = wi_vocab_block(work, n + 1, sizeof(node), error);
    if (status != WI_OK)
        return status;
    node *nodes = work->block;
    for (size_t i = 0; i <= n; i++)
        nodes[i] = (node){0, NONE, 0, 0};
    nodes[0].from = 0;
    for (size_t at = 0; at < n; at += char_bytes(work->bytes + at, n - at))
        extend(v, work->bytes, n, at, nodes);
    /* Back from the end, leaving links behind; then forward along them. */
    for (size_t at = n; at > 0; at = nodes[at].from)
        nodes[nodes[at].from].next = (uint32_t)at;
    bool unknown = false;
    for (size_t at = 0, to; at < n; at = to) {
        to = nodes[at].next;
        const bool no_piece = nodes[to].id == v->head->unknown;
        const bool bytes = no_piece && wi_vocab_has_bytes(v, work->bytes + at, to - at);
        for (size_t i = at; bytes && i < to; i++)
            wi_id_put(list, v->byte_ids[(unsigned char)work->bytes[i]]);
        if (!bytes && !(no_piece && unknown)) /* unknown neighbours are one token */
            wi_id_put(list, nodes[to].id);
        unknown = no_piece && !bytes;
    }
    return WI_OK;
}

static wi_status check(const void *table, size_t n_bytes, wi_error *error)
{
    return wi_vocab_check(WI_VOCAB_UNIGRAM, table, n_bytes, error);
}

static wi_status encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        wi_tokens *out, wi_error *error)
{
    return wi_vocab_encode(tokenizer, text, n_bytes, encode_stretch, out, error);
}

const wi_tokenizer_kind wi_tokenizer_unigram = {
    .name = "SentencePiece unigram",
    .tensor = "tokenizer.unigram",
    .element_bytes = 1,
    .row_elements = 1,
    .check = check,
    .encode = encode,
    .rules = wi_vocab_rules,
};
