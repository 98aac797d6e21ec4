#include "text/clean.h"

#include "base/error.h"
#include "text/entities.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

enum {
    SEGMENT_CHARS = 1000000, /* ftfy's max_decode_length */
    MAX_WORK_CHARS = 1 << 26 /* characters that the repeated passes may touch: about a second */
};

/* ---- plain ASCII, which is nearly every prompt: one pass and no memory ---- */

enum { TEXT = 0, BLANK, REFERENCE, NOT_PLAIN };

static int plain_kind(unsigned char c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r')
        return BLANK;
    if (c == '&')
        return REFERENCE;
    return c < 0x20 || c >= 0x7f ? NOT_PLAIN : TEXT;
}

static bool is_ascii_punctuation(uint32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

/* False when a step other than white space and lower case might change the text. */
static bool clean_plain(const char *text, size_t n, wi_clean_mode mode, char *out, size_t *n_out)
{
    size_t to = 0;
    bool gap = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        int kind = plain_kind((unsigned char)c);
        if (mode == WI_CLEAN_TO_CANONICAL && kind == TEXT &&
            is_ascii_punctuation((unsigned char)c)) {
            gap |= c == '_' && to > 0;
            continue;
        }
        if (kind == BLANK) {
            gap = to > 0;
            continue;
        }
        if (kind == NOT_PLAIN ||
            (kind == REFERENCE && i + 1 < n && !strchr(" \t\n\f<&;", text[i + 1])))
            return false;
        if (kind == REFERENCE && mode == WI_CLEAN_TO_CANONICAL)
            continue;
        if (gap)
            out[to++] = ' ';
        gap = false;
        out[to++] =
            (char)(mode != WI_CLEAN_TO_SPACES && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    *n_out = to;
    return true;
}

/* ---- everything else ---- */

/* Working memory of one clean-up. */
typedef struct cleaner {
    wi_chars input, segment, before, spare, output;
    bool keep_references; /* a '<' was seen: the text is HTML, and ftfy leaves its references alone
                           */
    size_t work;
} cleaner;

/* The length of a terminal escape sequence such as "\033[1;31m" at `at`, 0 when there is none. Its
 * digits are those of any script, as in the original. */
static size_t escape_length(const uint32_t *at, size_t n)
{
    if (n < 3 || at[0] != 0x1b || at[1] != '[')
        return 0;
    size_t i = 2;
    while (i < n && (at[i] == ';' || wi_unicode_flags(at[i]) & WI_UNICODE_DIGIT))
        i++;
    bool ends = i < n && ((at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z'));
    return ends ? i + 1 : 0;
}

static bool is_removed_control(uint32_t c)
{
    return c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f ||
           (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

static void remove_escapes_and_controls(wi_chars *text)
{
    size_t to = 0;
    for (size_t i = 0; i < text->n;) {
        size_t escape = escape_length(text->at + i, text->n - i);
        if (!escape && !is_removed_control(text->at[i]))
            text->at[to++] = text->at[i];
        i += escape ? escape : 1;
    }
    text->n = to;
}

/* C1 controls, ligatures, widths, quotes, line breaks: one pass, since each maps single characters.
 * A CRLF becomes two line breaks here where ftfy has one; both end as one space. */
static wi_status replace_characters(wi_chars *text, wi_chars *spare, wi_error *error)
{
    uint32_t to[3];
    wi_status status = wi_chars_reserve(spare, text->n * 3, error);
    if (status != WI_OK)
        return status;
    spare->n = 0;
    for (size_t i = 0; i < text->n; i++) {
        size_t n = wi_unicode_replace(text->at[i], to);
        for (size_t k = 0; k < n; k++)
            spare->at[spare->n++] = to[k];
    }
    wi_chars swapped = *text;
    *text = *spare;
    *spare = swapped;
    return WI_OK;
}

/* ftfy repeats its steps until nothing changes any more. */
static wi_status fix_segment(cleaner *c, wi_error *error)
{
    wi_chars *text = &c->segment;
    for (;;) {
        c->work += text->n;
        if (c->work > MAX_WORK_CHARS)
            return wi_fail(error, WI_ERR_LIMIT, "text: HTML references nested too deeply");
        wi_status status = wi_chars_copy(&c->before, text->at, text->n, error);
        if (status == WI_OK && !c->keep_references)
            wi_entities_unescape_strict(text);
        if (status == WI_OK)
            status = replace_characters(text, &c->spare, error);
        if (status != WI_OK)
            return status;
        remove_escapes_and_controls(text);
        status = wi_unicode_nfc(text, &c->spare, error);
        if (status != WI_OK)
            return status;
        if (text->n == c->before.n &&
            (text->n == 0 || !memcmp(text->at, c->before.at, text->n * sizeof *text->at)))
            return WI_OK;
    }
}

/* ftfy works line by line; the lines are those of the text as it came. */
static wi_status fix_text(cleaner *c, wi_error *error)
{
    const uint32_t *at = c->input.at;
    for (size_t start = 0, end; start < c->input.n; start = end) {
        for (end = start; end < c->input.n && end - start < SEGMENT_CHARS;) {
            c->keep_references |= at[end] == '<';
            if (at[end++] == '\n')
                break;
        }
        wi_status status = wi_chars_copy(&c->segment, at + start, end - start, error);
        if (status == WI_OK)
            status = fix_segment(c, error);
        if (status == WI_OK)
            status = wi_chars_reserve(&c->output, c->output.n + c->segment.n, error);
        if (status != WI_OK)
            return status;
        if (c->segment.n)
            memcpy(c->output.at + c->output.n, c->segment.at, c->segment.n * sizeof *at);
        c->output.n += c->segment.n;
    }
    return WI_OK;
}

static void collapse_spaces(wi_chars *text)
{
    size_t to = 0;
    bool gap = false;
    for (size_t i = 0; i < text->n; i++) {
        uint32_t c = text->at[i];
        if (wi_unicode_flags(c) & WI_UNICODE_SPACE) {
            gap = to > 0;
            continue;
        }
        if (gap)
            text->at[to++] = ' ';
        gap = false;
        text->at[to++] = c;
    }
    text->n = to;
}

static void drop_punctuation(wi_chars *text)
{
    size_t to = 0;
    for (size_t i = 0; i < text->n; i++) {
        uint32_t c = text->at[i];
        if (c == '_' || !is_ascii_punctuation(c))
            text->at[to++] = c == '_' ? ' ' : c;
    }
    text->n = to;
}

static wi_status decode(const char *text, size_t n_bytes, wi_chars *out, wi_error *error)
{
    wi_status status = wi_chars_reserve(out, n_bytes, error);
    if (status != WI_OK)
        return status;
    for (size_t pos = 0; pos < n_bytes; out->n++) {
        if (!wi_utf8_next(text, n_bytes, &pos, &out->at[out->n]))
            return wi_fail(error, WI_ERR_FORMAT, "text is not UTF-8 (byte 0x%02x at offset %zu)",
                           (unsigned)(unsigned char)text[pos], pos);
    }
    return WI_OK;
}

static wi_status encode(const wi_chars *text, wi_clean_text *out, wi_error *error)
{
    char *bytes = out->small;
    if (text->n > WI_CLEAN_SMALL_BYTES / 4) {
        bytes = malloc(text->n * 4);
        if (!bytes)
            return wi_fail_nomem(error, text->n * 4, "a text");
    }
    out->bytes = bytes;
    for (size_t i = 0; i < text->n; i++)
        out->n_bytes += wi_utf8_put(text->at[i], bytes + out->n_bytes);
    return WI_OK;
}

static wi_status clean_fully(const char *text, size_t n_bytes, wi_clean_mode mode,
                             wi_clean_text *out, wi_error *error)
{
    cleaner c = {0};
    wi_status status = decode(text, n_bytes, &c.input, error);
    if (status == WI_OK)
        status = fix_text(&c, error);
    if (status != WI_OK)
        goto out;
    wi_entities_unescape(&c.output);
    wi_entities_unescape(&c.output);
    if (mode == WI_CLEAN_TO_CANONICAL)
        drop_punctuation(&c.output);
    collapse_spaces(&c.output);
    if (mode != WI_CLEAN_TO_SPACES)
        status = wi_unicode_lower(&c.output, &c.spare, error);
    if (status == WI_OK)
        status = encode(mode == WI_CLEAN_TO_SPACES ? &c.output : &c.spare, out, error);
out:
    wi_chars_free(&c.input);
    wi_chars_free(&c.segment);
    wi_chars_free(&c.before);
    wi_chars_free(&c.spare);
    wi_chars_free(&c.output);
    return status;
}

wi_status wi_clean(const char *text, size_t n_bytes, wi_clean_text *out, wi_error *error)
{
    return wi_clean_as(text, n_bytes, WI_CLEAN_TO_LOWER, out, error);
}

wi_status wi_clean_as(const char *text, size_t n_bytes, wi_clean_mode mode, wi_clean_text *out,
                      wi_error *error)
{
    out->bytes = out->small;
    out->n_bytes = 0;
    if (n_bytes > WI_CLEAN_MAX_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "text of %zu bytes is longer than %d", n_bytes,
                       (int)WI_CLEAN_MAX_BYTES);
    if (n_bytes > WI_CLEAN_SMALL_BYTES) {
        out->bytes = malloc(n_bytes);
        if (!out->bytes) {
            out->bytes = out->small;
            return wi_fail_nomem(error, n_bytes, "a text");
        }
    }
    if (clean_plain(text, n_bytes, mode, out->bytes, &out->n_bytes))
        return WI_OK;
    wi_clean_free(out);
    return clean_fully(text, n_bytes, mode, out, error);
}

void wi_clean_free(wi_clean_text *text)
{
    if (text->bytes != text->small)
        free(text->bytes);
    text->bytes = text->small;
    text->n_bytes = 0;
}
