/* Reading SentencePiece's model file, a protobuf of which five fields matter.
 * Source: sentencepiece 0.1.97 src/sentencepiece_model.proto */
#include "text/draft.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* A message: fields are read one after the other. */
typedef struct message {
    const uint8_t *at, *end;
    bool bad;
} message;

typedef struct field {
    uint32_t number;
    uint64_t value;       /* varints, and the bits of fixed numbers */
    const uint8_t *bytes; /* length-delimited ones; NULL otherwise */
    size_t n_bytes;
} field;

static uint64_t varint(message *m)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        const uint8_t byte = *m->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    m->bad = true;
    return 0;
}

static uint64_t fixed(message *m, size_t n)
{
    uint64_t value = 0;
    if ((size_t)(m->end - m->at) < n) {
        m->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)m->at[i] << 8 * i;
    m->at += n;
    return value;
}

/* False at the end, and when the bytes are no message (bad). */
static bool next_field(message *m, field *out)
{
    if (m->bad || m->at == m->end)
        return false;
    const uint64_t key = varint(m);
    *out = (field){.number = (uint32_t)(key >> 3)};
    switch (key & 7) {
    case 0:
        out->value = varint(m);
        break;
    case 1:
        out->value = fixed(m, 8);
        break;
    case 5:
        out->value = fixed(m, 4);
        break;
    case 2: {
        const uint64_t n = varint(m);
        if (m->bad || n > (uint64_t)(m->end - m->at)) {
            m->bad = true;
            break;
        }
        out->bytes = m->at;
        out->n_bytes = (size_t)n;
        m->at += n;
        break;
    }
    default:
        m->bad = true;
    }
    m->bad |= out->number == 0;
    return !m->bad;
}

static wi_status broken(wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "not a SentencePiece model");
}

static wi_status read_piece(wi_draft *d, const field *piece, uint32_t id, wi_error *error)
{
    message m = {piece->bytes, piece->bytes + piece->n_bytes, false};
    const uint8_t *bytes = NULL;
    size_t n = 0;
    float score = 0;
    uint64_t type = WI_PIECE_NORMAL;
    for (field f; next_field(&m, &f);) {
        if (f.number == 1 && f.bytes) {
            bytes = f.bytes;
            n = f.n_bytes;
        } else if (f.number == 2 && !f.bytes) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&score, &bits, sizeof score);
        } else if (f.number == 3 && !f.bytes) {
            type = f.value;
        }
    }
    if (m.bad || !bytes || !wi_utf8_check((const char *)bytes, n, NULL))
        return broken(error);
    if (type < WI_PIECE_NORMAL || type > WI_PIECE_BYTE || type == WI_PIECE_UNUSED)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "vocabulary: piece %u is of type %u", id,
                       (unsigned)type);
    wi_status status =
        wi_draft_put(d, (const char *)bytes, n, id, score, (wi_piece_type)type, error);
    if (status == WI_OK && type == WI_PIECE_UNKNOWN)
        d->head.unknown = (int32_t)id;
    return status;
}

static bool flag_of(uint32_t *flags, uint32_t flag, uint64_t value)
{
    *flags = value ? *flags | flag : *flags & ~flag;
    return true;
}

/* TrainerSpec: what kind of model it is, and which ids it names. */
static wi_status read_trainer(wi_draft *d, const field *spec, wi_error *error)
{
    message m = {spec->bytes, spec->bytes + spec->n_bytes, false};
    uint64_t type = 1;
    for (field f; next_field(&m, &f);) {
        if (f.number == 3)
            type = f.value;
        else if (f.number == 35)
            flag_of(&d->head.flags, WI_VOCAB_BYTES, f.value);
        else if (f.number == 24 && f.value)
            return wi_fail(error, WI_ERR_UNSUPPORTED,
                           "SentencePiece's treat_whitespace_as_suffix is not supported");
    }
    if (m.bad)
        return broken(error);
    if (type != 1 && type != 2)
        return wi_fail(
            error, WI_ERR_UNSUPPORTED,
            "a SentencePiece model of words or characters; unigram and BPE are supported");
    d->head.type = type == 1 ? WI_VOCAB_UNIGRAM : WI_VOCAB_PAIRS;
    return WI_OK;
}

static wi_status read_normalizer(wi_draft *d, const field *spec, wi_error *error)
{
    message m = {spec->bytes, spec->bytes + spec->n_bytes, false};
    wi_status status = WI_OK;
    for (field f; status == WI_OK && next_field(&m, &f);) {
        if (f.number == 2 && f.bytes && f.n_bytes) {
            d->charsmap.n_bytes = 0;
            status = wi_buffer_append(&d->charsmap, f.bytes, f.n_bytes, error);
        } else if (f.number == 3) {
            flag_of(&d->head.flags, WI_VOCAB_PREFIX, f.value);
        } else if (f.number == 4) {
            flag_of(&d->head.flags, WI_VOCAB_SQUEEZE, f.value);
        } else if (f.number == 5) {
            flag_of(&d->head.flags, WI_VOCAB_ESCAPE, f.value);
        }
    }
    return status == WI_OK && m.bad ? broken(error) : status;
}

wi_status wi_draft_read_spiece(wi_draft *d, const uint8_t *bytes, size_t n_bytes, wi_error *error)
{
    message m = {bytes, bytes + n_bytes, false};
    uint32_t id = 0;
    wi_status status = WI_OK;
    d->head.type = WI_VOCAB_UNIGRAM;
    d->head.flags = WI_VOCAB_PREFIX | WI_VOCAB_SQUEEZE | WI_VOCAB_ESCAPE | WI_VOCAB_FLOATS;
    for (field f; status == WI_OK && next_field(&m, &f);) {
        if (f.number == 1 && f.bytes)
            status = read_piece(d, &f, id++, error);
        else if (f.number == 2 && f.bytes)
            status = read_trainer(d, &f, error);
        else if (f.number == 3 && f.bytes)
            status = read_normalizer(d, &f, error);
    }
    if (status == WI_OK && (m.bad || id == 0))
        status = broken(error);
    if (status == WI_OK && d->head.type == WI_VOCAB_PAIRS)
        status = wi_draft_make_merges(d, error);
    return status;
}

wi_status wi_draft_read_lines(wi_draft *d, const char *text, size_t n_bytes, wi_error *error)
{
    uint32_t id = 0;
    wi_status status = WI_OK;
    for (size_t at = 0; at < n_bytes && status == WI_OK; id++) {
        const char *stop = memchr(text + at, '\n', n_bytes - at);
        size_t n = stop ? (size_t)(stop - text) - at : n_bytes - at, kept = n;
        if (kept && text[at + kept - 1] == '\r')
            kept--;
        if (!wi_utf8_check(text + at, kept, NULL))
            return wi_fail(error, WI_ERR_FORMAT, "vocabulary: line %u is not UTF-8", id + 1);
        wi_draft_piece *there = kept ? wi_draft_find(d, text + at, kept) : NULL;
        if (there) {
            there->id = id; /* of equal lines the last one counts */
            d->head.n_ids = id + 1;
        } else if (kept) {
            status = wi_draft_put(d, text + at, kept, id, 0, WI_PIECE_NORMAL, error);
        }
        at += n + (stop != NULL);
    }
    return status == WI_OK && id == 0 ? wi_fail(error, WI_ERR_FORMAT, "vocabulary: it is empty")
                                      : status;
}
