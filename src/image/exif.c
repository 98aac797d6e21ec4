#include "image/exif.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAG_ORIENTATION = 0x0112,
    TYPE_BYTE = 1,
    TYPE_SHORT = 3,
    TYPE_LONG = 4,
    TYPE_SIGNED_BYTE = 6,
    TYPE_SIGNED_SHORT = 8,
    TYPE_SIGNED_LONG = 9,
    UPRIGHT = 1,
    NOT_SAID = 0,
    MAX_PROFILE_BYTES = 1 << 17
};

static const uint8_t exif_prefix[6] = {'E', 'x', 'i', 'f', 0, 0};

static uint32_t read_be(const uint8_t *at, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static uint32_t read_le(const uint8_t *at, size_t n)
{
    uint32_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

/* Bytes of a value of this type; 0 for types that no number of ours can have. */
static size_t type_bytes(uint32_t type)
{
    switch (type) {
    case TYPE_BYTE:
    case TYPE_SIGNED_BYTE:
        return 1;
    case TYPE_SHORT:
    case TYPE_SIGNED_SHORT:
        return 2;
    case TYPE_LONG:
    case TYPE_SIGNED_LONG:
        return 4;
    default:
        return 0;
    }
}

/* What a TIFF block says; NOT_SAID when it has no such tag, UPRIGHT when the tag's value is none of
 * 1..8. Only the first directory counts (the next one is the thumbnail's), so there is nothing to
 * loop over. */
static int find_in_tiff(const uint8_t *tiff, size_t n_bytes)
{
    if (n_bytes < 8)
        return NOT_SAID;
    uint32_t (*read)(const uint8_t *, size_t);
    if (memcmp(tiff, "II", 2) == 0)
        read = read_le;
    else if (memcmp(tiff, "MM", 2) == 0)
        read = read_be;
    else
        return NOT_SAID;
    if (read(tiff + 2, 2) != 42)
        return NOT_SAID;
    size_t directory = read(tiff + 4, 4);
    if (!wi_size_within(directory, 2, n_bytes))
        return NOT_SAID;
    size_t n_entries = read(tiff + directory, 2);
    for (size_t i = 0; i < n_entries; i++) {
        size_t entry = directory + 2 + 12 * i;
        if (!wi_size_within(entry, 12, n_bytes))
            return NOT_SAID;
        if (read(tiff + entry, 2) != TAG_ORIENTATION)
            continue;
        size_t n = type_bytes(read(tiff + entry + 2, 2));
        uint32_t value = n ? read(tiff + entry + 8, n) : 0;
        return value >= 1 && value <= 8 ? (int)value : UPRIGHT;
    }
    return NOT_SAID;
}

/* A TIFF block behind its prefix, which some write twice and some leave out. */
static int find_in_exif(const uint8_t *block, size_t n_bytes)
{
    while (n_bytes >= sizeof exif_prefix && memcmp(block, exif_prefix, sizeof exif_prefix) == 0) {
        block += sizeof exif_prefix;
        n_bytes -= sizeof exif_prefix;
    }
    return find_in_tiff(block, n_bytes);
}

int wi_exif_orientation_tiff(const uint8_t *tiff, size_t n_bytes)
{
    int found = find_in_tiff(tiff, n_bytes);
    return found == NOT_SAID ? UPRIGHT : found;
}

static const uint8_t *find_bytes(const uint8_t *in, size_t n_in, const char *what)
{
    size_t n = strlen(what);
    const uint8_t *end = in + n_in;
    while ((size_t)(end - in) >= n) {
        const uint8_t *first = memchr(in, what[0], (size_t)(end - in) - n + 1);
        if (!first)
            return NULL;
        if (memcmp(first, what, n) == 0)
            return first;
        in = first + 1;
    }
    return NULL;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* tiff:Orientation="6" or <tiff:Orientation>6</tiff:Orientation>. */
static int find_in_xmp(const uint8_t *xmp, size_t n_bytes)
{
    static const char name[] = "tiff:Orientation";
    const uint8_t *end = xmp + n_bytes, *at = xmp;
    while ((at = find_bytes(at, (size_t)(end - at), name))) {
        at += sizeof name - 1;
        const uint8_t *value = at;
        while (value < end && (is_blank(*value) || *value == '=' || *value == '>' ||
                               *value == '"' || *value == '\''))
            value++;
        bool alone = value + 1 < end && (value[1] < '0' || value[1] > '9');
        if (value > at && alone && *value >= '1' && *value <= '8')
            return *value - '0';
    }
    return NOT_SAID;
}

/* "\nexif\n      156\n457869..." as ImageMagick writes EXIF into a PNG's text. */
static int find_in_raw_profile(const char *text, size_t n_text)
{
    size_t at = 0, n = 0;
    for (int line = 0; line < 2; line++) { /* the name; the length */
        while (at < n_text && is_blank((uint8_t)text[at]))
            at++;
        while (at < n_text && !is_blank((uint8_t)text[at]))
            at++;
    }
    uint8_t *block = malloc(MAX_PROFILE_BYTES);
    int high = -1;
    for (; block && at < n_text && n < MAX_PROFILE_BYTES; at++) {
        char c = text[at];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0 && !is_blank((uint8_t)c))
            break;
        if (digit >= 0 && high >= 0)
            block[n++] = (uint8_t)(high << 4 | digit);
        if (digit >= 0)
            high = high < 0 ? digit : -1;
    }
    int found = block ? find_in_exif(block, n) : NOT_SAID;
    free(block);
    return found;
}

int wi_exif_orientation_text(const char *key, const char *text, size_t n_text)
{
    if (strcmp(key, "Raw profile type exif") == 0 || strcmp(key, "Raw profile type APP1") == 0)
        return find_in_raw_profile(text, n_text);
    if (strcmp(key, "XML:com.adobe.xmp") == 0)
        return find_in_xmp((const uint8_t *)text, n_text);
    return NOT_SAID;
}

/* One APP1 segment: EXIF goes to *exif, XMP to *xmp, the first that says something. */
static void read_app1(const uint8_t *data, size_t n_bytes, int *exif, int *xmp)
{
    static const char xap[] = "http://ns.adobe.com/xap/1.0/";
    if (n_bytes >= sizeof exif_prefix && memcmp(data, exif_prefix, sizeof exif_prefix) == 0)
        *exif = *exif ? *exif : find_in_exif(data, n_bytes);
    else if (n_bytes >= sizeof xap && memcmp(data, xap, sizeof xap) == 0)
        *xmp = *xmp ? *xmp : find_in_xmp(data + sizeof xap, n_bytes - sizeof xap);
}

int wi_exif_orientation_jpeg(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 2; /* after SOI */
    int exif = NOT_SAID, xmp = NOT_SAID;
    while (exif == NOT_SAID && wi_size_within(at, 4, n_bytes)) {
        uint8_t marker = bytes[at + 1];
        /* libjpeg skips what is no marker, fill bytes and zeros stuffed behind FF too. */
        if (bytes[at] != 0xFF || marker == 0xFF || marker == 0) {
            at++;
            continue;
        }
        bool alone = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
        if (marker == 0xD9 || marker == 0xDA) /* EOI, SOS: headers are over */
            break;
        size_t length = alone ? 0 : read_be(bytes + at + 2, 2);
        if (!wi_size_within(at + 2, length, n_bytes))
            break;
        if (marker == 0xE1 && length >= 2)
            read_app1(bytes + at + 4, length - 2, &exif, &xmp);
        at += 2 + length;
    }
    return exif ? exif : xmp ? xmp : UPRIGHT;
}

int wi_exif_orientation_png(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 8; /* after the signature */
    while (wi_size_within(at, 12, n_bytes)) {
        size_t length = read_be(bytes + at, 4);
        if (!wi_size_within(at + 12, length, n_bytes))
            break;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0)
            return find_in_exif(bytes + at + 8, length);
        at += 12 + length;
    }
    return NOT_SAID;
}

int wi_exif_orientation_webp(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 12; /* after RIFF, size, WEBP */
    int exif = NOT_SAID, xmp = NOT_SAID;
    while (wi_size_within(at, 8, n_bytes)) {
        size_t length = read_le(bytes + at + 4, 4);
        if (!wi_size_within(at + 8, length, n_bytes))
            break;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            exif = exif ? exif : find_in_exif(bytes + at + 8, length);
        else if (memcmp(bytes + at, "XMP ", 4) == 0)
            xmp = xmp ? xmp : find_in_xmp(bytes + at + 8, length);
        at += 8 + length + length % 2;
    }
    return exif ? exif : xmp ? xmp : UPRIGHT;
}

int wi_exif_orientation_gif(const uint8_t *bytes, size_t n_bytes)
{
    const uint8_t *xmp = find_bytes(bytes, n_bytes, "XMP DataXMP");
    int found = xmp ? find_in_xmp(xmp, n_bytes - (size_t)(xmp - bytes)) : NOT_SAID;
    return found ? found : UPRIGHT;
}
