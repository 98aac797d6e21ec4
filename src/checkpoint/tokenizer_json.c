#include "checkpoint/tokenizer_json.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static const char space_symbol[] = "\xe2\x96\x81";

/* What the steps of normaliser and pre-tokenizer come to, until all are seen. */
typedef struct steps {
    wi_draft *draft;
    bool escapes, doubles, strips, splits, prefixes, prefix_each, prepends, bert_words;
} steps;

static bool is_string(const wi_json *object, const char *key, const char *wanted)
{
    const char *text = wi_json_string(wi_json_get(object, key));
    return text && strcmp(text, wanted) == 0;
}

static bool is_true(const wi_json *object, const char *key, bool fallback)
{
    bool value = fallback;
    wi_json_boolean(wi_json_get(object, key), &value);
    return value;
}

static wi_status unknown_step(const char *where, const char *what, wi_error *error)
{
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "the tokenizer's %s '%.60s' is not supported in this form", where,
                   what ? what : "?");
}

/* ---- base64 ---- */

static int digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static wi_status decode_base64(const char *text, wi_buffer *out, wi_error *error)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (; *text && *text != '='; text++) {
        const int digit = digit_of(*text);
        if (digit < 0)
            return wi_fail(error, WI_ERR_FORMAT, "precompiled_charsmap is not base64");
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            const uint8_t byte = (uint8_t)(bits >> n_bits);
            const wi_status status = wi_buffer_append(out, &byte, 1, error);
            if (status != WI_OK)
                return status;
        }
    }
    return WI_OK;
}

/* ---- normaliser ---- */

static wi_status read_replace(steps *s, const wi_json *step, wi_error *error)
{
    const wi_json *pattern = wi_json_get(step, "pattern");
    const bool to_symbol = is_string(step, "content", space_symbol),
               to_space = is_string(step, "content", " ");
    if (is_string(pattern, "String", " ") && to_symbol)
        s->escapes = true;
    else if (is_string(pattern, "Regex", " {2,}") && (to_symbol || to_space))
        s->doubles = true;
    else
        return unknown_step("normaliser", "Replace", error);
    return WI_OK;
}

static wi_status read_bert(steps *s, const wi_json *step, wi_error *error)
{
    const bool lower = is_true(step, "lowercase", true);
    if (!is_true(step, "clean_text", true) || !is_true(step, "handle_chinese_chars", true) ||
        is_true(step, "strip_accents", lower) != lower)
        return unknown_step("normaliser", "BertNormalizer", error);
    s->draft->head.normal = lower ? WI_NORMAL_BERT : WI_NORMAL_BERT_CASED;
    return WI_OK;
}

static wi_status read_normal(steps *s, const wi_json *step, wi_error *error)
{
    const char *type = wi_json_string(wi_json_get(step, "type"));
    if (!step)
        return WI_OK;
    if (!type)
        return unknown_step("normaliser", type, error);
    if (strcmp(type, "Precompiled") == 0) {
        const char *map = wi_json_string(wi_json_get(step, "precompiled_charsmap"));
        s->draft->charsmap.n_bytes = 0;
        return map ? decode_base64(map, &s->draft->charsmap, error) : WI_OK;
    }
    if (strcmp(type, "Replace") == 0)
        return read_replace(s, step, error);
    if (strcmp(type, "BertNormalizer") == 0)
        return read_bert(s, step, error);
    if (strcmp(type, "Strip") == 0 && is_true(step, "strip_right", false))
        s->strips = true;
    else if (strcmp(type, "Lowercase") == 0 && s->draft->charsmap.n_bytes == 0)
        s->draft->head.normal = WI_NORMAL_LOWER;
    else if (strcmp(type, "Prepend") == 0 && is_string(step, "prepend", space_symbol))
        s->prepends = true;
    else
        return unknown_step("normaliser", type, error);
    return WI_OK;
}

static wi_status read_metaspace(steps *s, const wi_json *step, wi_error *error)
{
    const char *scheme = wi_json_string(wi_json_get(step, "prepend_scheme"));
    if (!is_string(step, "replacement", space_symbol))
        return unknown_step("pre-tokenizer", "Metaspace", error);
    s->escapes = true;
    if (!scheme)
        s->prefixes = s->prefix_each = is_true(step, "add_prefix_space", true);
    else if (strcmp(scheme, "always") == 0)
        s->prefixes = s->prefix_each = true;
    else if (strcmp(scheme, "first") == 0)
        s->prefixes = true;
    else if (strcmp(scheme, "never") != 0)
        return unknown_step("pre-tokenizer", "Metaspace", error);
    return WI_OK;
}

static wi_status read_words(steps *s, const wi_json *step, wi_error *error)
{
    const char *type = wi_json_string(wi_json_get(step, "type"));
    if (!step)
        return WI_OK;
    if (type && strcmp(type, "Metaspace") == 0)
        return read_metaspace(s, step, error);
    /* After the normaliser no space is left to split at. */
    if (type && strcmp(type, "Split") == 0 && s->escapes &&
        is_string(wi_json_get(step, "pattern"), "String", " "))
        return WI_OK;
    if (type && strcmp(type, "WhitespaceSplit") == 0)
        s->splits = true;
    else if (type && strcmp(type, "BertPreTokenizer") == 0)
        s->bert_words = true;
    else
        return unknown_step("pre-tokenizer", type, error);
    return WI_OK;
}

/* One step, or those of a Sequence, whose list has the name `list`. */
static wi_status read_steps(steps *s, const wi_json *step, const char *list,
                            wi_status (*read)(steps *, const wi_json *, wi_error *),
                            wi_error *error)
{
    if (!is_string(step, "type", "Sequence"))
        return read(s, step, error);
    const wi_json *all = wi_json_get(step, list);
    wi_status status = WI_OK;
    for (size_t i = 0; i < wi_json_count(all) && status == WI_OK; i++)
        status = read(s, wi_json_at(all, i), error);
    return status;
}

static wi_status settle(const steps *s, wi_error *error)
{
    wi_vocab_head *h = &s->draft->head;
    const bool squeezes = s->splits || (s->doubles && s->strips);
    if (h->type == WI_VOCAB_WORDPIECE)
        return s->bert_words && h->normal != WI_NORMAL_NONE
                   ? WI_OK
                   : unknown_step("pre-tokenizer", "other than BERT's", error);
    if (s->bert_words || h->normal == WI_NORMAL_BERT || h->normal == WI_NORMAL_BERT_CASED)
        return unknown_step("normaliser", "BertNormalizer", error);
    if ((s->doubles || s->strips) && !squeezes)
        return unknown_step("normaliser", s->doubles ? "Replace" : "Strip", error);
    if (!s->escapes || (s->prefixes && !squeezes))
        return unknown_step("pre-tokenizer", "without U+2581", error);
    h->flags |= WI_VOCAB_ESCAPE;
    h->flags |= squeezes ? WI_VOCAB_SQUEEZE : 0;
    h->flags |= s->prefixes || s->prepends ? WI_VOCAB_PREFIX : 0;
    h->flags |= s->prefix_each || s->prepends ? WI_VOCAB_PREFIX_EACH : 0;
    return WI_OK;
}

/* ---- markers, padding, truncation ---- */

static wi_status read_template(const wi_json *step, wi_vocab_head *h, wi_error *error)
{
    const wi_json *single = wi_json_get(step, "single"),
                  *names = wi_json_get(step, "special_tokens");
    bool seen = false;
    for (size_t i = 0; i < wi_json_count(single); i++) {
        const wi_json *item = wi_json_at(single, i), *special = wi_json_get(item, "SpecialToken");
        if (!special) {
            if (seen || !wi_json_get(item, "Sequence"))
                return unknown_step("post-processor", "TemplateProcessing", error);
            seen = true;
            continue;
        }
        const char *name = wi_json_string(wi_json_get(special, "id"));
        const wi_json *ids = wi_json_get(name ? wi_json_get(names, name) : NULL, "ids");
        int64_t id = -1;
        int32_t *to = seen ? &h->end : &h->start;
        if (wi_json_count(ids) != 1 || !wi_json_integer(wi_json_at(ids, 0), &id) || id < 0 ||
            id >= WI_VOCAB_MAX_IDS || *to >= 0)
            return unknown_step("post-processor", "TemplateProcessing", error);
        *to = (int32_t)id;
    }
    return seen ? WI_OK : unknown_step("post-processor", "TemplateProcessing", error);
}

static wi_status read_markers(const wi_json *step, wi_vocab_head *h, wi_error *error)
{
    const char *type = wi_json_string(wi_json_get(step, "type"));
    if (!step)
        return WI_OK;
    if (type && strcmp(type, "TemplateProcessing") == 0)
        return read_template(step, h, error);
    if (!type || (strcmp(type, "BertProcessing") != 0 && strcmp(type, "RobertaProcessing") != 0))
        return unknown_step("post-processor", type, error);
    int64_t start = -1, end = -1;
    if (!wi_json_integer(wi_json_at(wi_json_get(step, "cls"), 1), &start) ||
        !wi_json_integer(wi_json_at(wi_json_get(step, "sep"), 1), &end) || start < 0 || end < 0 ||
        start >= WI_VOCAB_MAX_IDS || end >= WI_VOCAB_MAX_IDS)
        return unknown_step("post-processor", type, error);
    h->start = (int32_t)start;
    h->end = (int32_t)end;
    return WI_OK;
}

static wi_status read_context(const wi_json *root, wi_vocab_head *h, wi_error *error)
{
    const wi_json *cut = wi_json_get(root, "truncation"), *pad = wi_json_get(root, "padding");
    int64_t value;
    if (wi_json_integer(wi_json_get(cut, "max_length"), &value) && value > 1 && value <= 4096)
        h->context_length = (uint32_t)value;
    if (wi_json_integer(wi_json_get(pad, "pad_id"), &value) && value >= 0 &&
        value < WI_VOCAB_MAX_IDS)
        h->pad = (int32_t)value;
    if (is_string(pad, "direction", "Left") || is_string(cut, "direction", "Left"))
        return unknown_step("padding", "Left", error);
    return WI_OK;
}

/* ---- vocabulary ---- */

static wi_status read_scores(const wi_json *model, wi_draft *d, wi_error *error)
{
    const wi_json *vocab = wi_json_get(model, "vocab");
    int64_t unknown = -1;
    wi_status status = WI_OK;
    for (size_t i = 0; i < wi_json_count(vocab) && status == WI_OK; i++) {
        const wi_json *row = wi_json_at(vocab, i);
        const char *piece = wi_json_string(wi_json_at(row, 0));
        double score = 0;
        if (!piece || !wi_json_number(wi_json_at(row, 1), &score))
            return wi_fail(error, WI_ERR_FORMAT, "vocabulary: row %zu is no piece with its score",
                           i);
        status = wi_draft_put(d, piece, strlen(piece), (uint32_t)i, (float)score, WI_PIECE_NORMAL,
                              error);
    }
    if (status != WI_OK)
        return status;
    if (!wi_json_integer(wi_json_get(model, "unk_id"), &unknown) || unknown < 0 ||
        unknown >= d->head.n_ids)
        return wi_fail(error, WI_ERR_FORMAT, "vocabulary: no unk_id");
    d->head.unknown = (int32_t)unknown;
    d->pieces[unknown].type = WI_PIECE_UNKNOWN;
    return WI_OK;
}

static wi_status read_names(const wi_json *model, wi_draft *d, wi_error *error)
{
    const wi_json *vocab = wi_json_get(model, "vocab");
    const char *unknown = wi_json_string(wi_json_get(model, "unk_token"));
    wi_status status = WI_OK;
    for (wi_json_member m = wi_json_first(vocab); m.key && status == WI_OK;
         m = wi_json_next(vocab, m)) {
        int64_t id = -1;
        if (!wi_json_integer(m.value, &id) || id < 0 || id >= WI_VOCAB_MAX_IDS)
            return wi_fail(error, WI_ERR_FORMAT, "vocabulary: '%.40s' has no id", m.key);
        if (*m.key) /* BERT's lists have an empty line, which no text can match */
            status = wi_draft_put(d, m.key, strlen(m.key), (uint32_t)id, 0, WI_PIECE_NORMAL, error);
        else if ((uint32_t)id >= d->head.n_ids)
            d->head.n_ids = (uint32_t)id + 1;
    }
    if (status == WI_OK && unknown)
        status = wi_draft_id(d, unknown, &d->head.unknown, error);
    return status;
}

static wi_status read_merge(const wi_json *merge, wi_draft *d, wi_error *error)
{
    const char *left = wi_json_string(merge), *right = NULL;
    size_t n_left = 0;
    if (left) {
        right = strchr(left, ' ');
        n_left = right ? (size_t)(right++ - left) : 0;
    } else if (wi_json_count(merge) == 2) {
        left = wi_json_string(wi_json_at(merge, 0));
        right = wi_json_string(wi_json_at(merge, 1));
        n_left = left ? strlen(left) : 0;
    }
    if (!left || !right)
        return wi_fail(error, WI_ERR_FORMAT, "merge %zu is no pair", d->n_pairs + 1);
    return wi_draft_merge(d, left, n_left, right, strlen(right), error);
}

static wi_status read_pairs(const wi_json *model, wi_draft *d, wi_error *error)
{
    const wi_json *merges = wi_json_get(model, "merges");
    if (wi_json_get(model, "end_of_word_suffix") ||
        wi_json_get(model, "continuing_subword_prefix") || is_true(model, "ignore_merges", false))
        return unknown_step("model", "BPE", error);
    d->head.flags |= is_true(model, "byte_fallback", false) ? WI_VOCAB_BYTES : 0;
    wi_status status = read_names(model, d, error);
    for (size_t i = 0; status == WI_OK && i < wi_json_count(merges); i++)
        status = read_merge(wi_json_at(merges, i), d, error);
    return status;
}

static wi_status read_wordpiece(const wi_json *model, wi_draft *d, wi_error *error)
{
    int64_t most = 100;
    const char *prefix = wi_json_string(wi_json_get(model, "continuing_subword_prefix"));
    wi_json_integer(wi_json_get(model, "max_input_chars_per_word"), &most);
    if ((prefix && strcmp(prefix, "##") != 0) || most < 1 || most > 1 << 20)
        return unknown_step("model", "WordPiece", error);
    d->head.max_word = (uint32_t)most;
    return read_names(model, d, error);
}

static wi_status read_model(const wi_json *model, wi_draft *d, wi_error *error)
{
    const char *type = wi_json_string(wi_json_get(model, "type"));
    if (type && strcmp(type, "Unigram") == 0) {
        d->head.type = WI_VOCAB_UNIGRAM;
        d->head.flags |= is_true(model, "byte_fallback", false) ? WI_VOCAB_BYTES : 0;
        return read_scores(model, d, error);
    }
    if (type && strcmp(type, "BPE") == 0) {
        d->head.type = WI_VOCAB_PAIRS;
        return read_pairs(model, d, error);
    }
    if (type && strcmp(type, "WordPiece") == 0) {
        d->head.type = WI_VOCAB_WORDPIECE;
        return read_wordpiece(model, d, error);
    }
    return unknown_step("model", type, error);
}

static wi_status read_added(const wi_json *token, wi_draft *d, wi_error *error)
{
    const char *content = wi_json_string(wi_json_get(token, "content"));
    int64_t id = -1;
    if (!content || !wi_json_integer(wi_json_get(token, "id"), &id) || id < 0 ||
        id >= WI_VOCAB_MAX_IDS)
        return wi_fail(error, WI_ERR_FORMAT, "an added token without content or id");
    if (is_true(token, "single_word", false) || is_true(token, "normalized", false))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "the added token '%.40s' asks for single_word or normalized, which is not "
                       "supported",
                       content);
    wi_draft_piece *piece = wi_draft_find(d, content, strlen(content));
    if (!piece) {
        const wi_status status =
            wi_draft_put(d, content, strlen(content), (uint32_t)id, 0, WI_PIECE_CONTROL, error);
        if (status != WI_OK)
            return status;
        piece = wi_draft_find(d, content, strlen(content));
    }
    if (piece->id != (uint32_t)id)
        return wi_fail(error, WI_ERR_FORMAT, "the added token '%.40s' has two ids", content);
    piece->added = true;
    piece->flags = (is_true(token, "lstrip", false) ? WI_ADDED_LEFT : 0u) |
                   (is_true(token, "rstrip", false) ? WI_ADDED_RIGHT : 0u);
    if (is_true(token, "special", false) && piece->type == WI_PIECE_NORMAL &&
        d->head.type == WI_VOCAB_UNIGRAM)
        piece->type = WI_PIECE_CONTROL;
    return WI_OK;
}

bool wi_tokenizer_json_is_clip(const wi_json *root)
{
    const wi_json *model = wi_json_get(root, "model");
    const char *type = wi_json_string(wi_json_get(model, "type"));
    return (!type || strcmp(type, "BPE") == 0) && !is_true(model, "byte_fallback", false);
}

wi_status wi_tokenizer_json_read(const wi_json *root, wi_draft *draft, wi_error *error)
{
    steps s = {.draft = draft};
    const wi_json *added = wi_json_get(root, "added_tokens");
    wi_status status = read_model(wi_json_get(root, "model"), draft, error);
    for (size_t i = 0; status == WI_OK && i < wi_json_count(added); i++)
        status = read_added(wi_json_at(added, i), draft, error);
    if (status == WI_OK)
        status = read_steps(&s, wi_json_get(root, "normalizer"), "normalizers", read_normal, error);
    if (status == WI_OK)
        status =
            read_steps(&s, wi_json_get(root, "pre_tokenizer"), "pretokenizers", read_words, error);
    if (status == WI_OK)
        status = settle(&s, error);
    if (status == WI_OK)
        status = read_markers(wi_json_get(root, "post_processor"), &draft->head, error);
    return status == WI_OK ? read_context(root, &draft->head, error) : status;
}
