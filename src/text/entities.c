#include "text/entities.h"

#include "text/entity_tables.h"

#include <string.h>

enum {
    MAX_NAME = 33,       /* html.unescape: 32 characters and a semicolon */
    MAX_STRICT_NAME = 24 /* ftfy: alphanumeric characters between "&" or "&#" and ";" */
};

/* UTF-8 text of the entity with exactly this name, or NULL. */
static const char *find(const wi_entity *table, size_t n_table, const char *name, size_t n_name)
{
    size_t low = 0, high = n_table;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *other = wi_entity_pool + table[middle].name;
        int order = strncmp(other, name, n_name);
        if (order == 0 && other[n_name] == '\0')
            return wi_entity_pool + table[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void append_utf8(wi_chars *text, const char *utf8)
{
    size_t n = strlen(utf8);
    for (size_t pos = 0; pos < n && wi_utf8_next(utf8, n, &pos, &text->at[text->n]);)
        text->n++;
}

static bool is_digit(uint32_t c, unsigned base)
{
    return (c >= '0' && c <= '9') ||
           (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
}

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A code point that html.unescape drops: controls and noncharacters. */
static bool is_dropped(uint32_t c)
{
    return (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f ||
           (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

/* What HTML reads &#128; to &#159; as. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

/* "#123", "#x1F" at `at`, behind the '&': the number of characters with an optional semicolon, 0
 * when there is no number. *out is the character, or 0 for none. */
static size_t parse_number(const uint32_t *at, size_t n, uint32_t *out)
{
    size_t i = 1;
    unsigned base = i < n && (at[i] == 'x' || at[i] == 'X') ? 16 : 10;
    i += base == 16;
    size_t first = i;
    uint32_t value = 0;
    for (; i < n && is_digit(at[i], base); i++) {
        uint32_t digit = at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10;
        value = value > 0x10ffff ? value : value * base + digit;
    }
    if (i == first)
        return 0;
    i += i < n && at[i] == ';';
    if (value == 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        *out = 0xfffd;
    else if (value >= 0x80 && value < 0xa0)
        *out = windows_1252[value - 0x80];
    else
        *out = is_dropped(value) ? 0 : value;
    return i;
}

/* The named part behind an '&': the characters consumed, 0 for none; the value is appended to out.
 */
static size_t unescape_name(const uint32_t *at, size_t n, wi_chars *out)
{
    char name[MAX_NAME + 1];
    size_t n_name = 0;
    for (; n_name < n && n_name < MAX_NAME - 1; n_name++) {
        uint32_t c = at[n_name];
        if (c >= 0x80 || !is_alphanumeric(c)) /* no name has anything else */
            break;
        name[n_name] = (char)c;
    }
    if (n_name < n && n_name > 0 && at[n_name] == ';')
        name[n_name++] = ';';
    for (; n_name >= 2; n_name--) {
        const char *value = find(wi_entities, wi_n_entities, name, n_name);
        if (value) {
            append_utf8(out, value);
            return n_name;
        }
    }
    return 0;
}

void wi_entities_unescape(wi_chars *text)
{
    wi_chars out = {text->at, 0, text->capacity};
    for (size_t i = 0; i < text->n;) {
        uint32_t c = text->at[i++];
        if (c != '&') {
            out.at[out.n++] = c;
            continue;
        }
        size_t n = text->n - i, used;
        uint32_t value;
        if (n && text->at[i] == '#') {
            used = parse_number(text->at + i, n, &value);
            if (used && value)
                out.at[out.n++] = value;
        } else {
            used = unescape_name(text->at + i, n, &out);
        }
        if (!used)
            out.at[out.n++] = '&';
        i += used;
    }
    text->n = out.n;
}

/* The length of "&...;" or "&#...;" at `at`, 0 when there is no such thing. */
static size_t strict_length(const uint32_t *at, size_t n)
{
    size_t first = n > 1 && at[1] == '#' ? 2 : 1;
    size_t i = first;
    while (i < n && i - first < MAX_STRICT_NAME && is_alphanumeric(at[i]))
        i++;
    return i > first && i < n && at[i] == ';' ? i + 1 : 0;
}

/* Resolves a reference that strict_length() found; false leaves it as it is. */
static bool unescape_strict(const uint32_t *at, size_t n, wi_chars *out)
{
    uint32_t c = 0;
    if (at[1] == '#') {
        /* "&#12a;" would leave "a;" behind, and "&#59;" is a semicolon: ftfy declines both. */
        if (parse_number(at + 1, n - 1, &c) != n - 1 || c == ';')
            return false;
        if (c)
            out->at[out->n++] = c;
        return true;
    }
    char name[MAX_STRICT_NAME + 1];
    for (size_t i = 1; i < n; i++)
        name[i - 1] = (char)at[i];
    const char *value = find(wi_entities, wi_n_entities, name, n - 1);
    if (!value)
        value = find(wi_upper_entities, wi_n_upper_entities, name, n - 1);
    if (value)
        append_utf8(out, value);
    return value != NULL;
}

void wi_entities_unescape_strict(wi_chars *text)
{
    wi_chars out = {text->at, 0, text->capacity};
    for (size_t i = 0; i < text->n;) {
        size_t length = text->at[i] == '&' ? strict_length(text->at + i, text->n - i) : 0;
        if (length && unescape_strict(text->at + i, length, &out)) {
            i += length;
            continue;
        }
        size_t copied = length ? length : 1;
        memmove(out.at + out.n, text->at + i, copied * sizeof *out.at);
        out.n += copied;
        i += copied;
    }
    text->n = out.n;
}
