#include "base/utf8.h"

bool wi_utf8_next(const char *text, size_t n, size_t *pos, uint32_t *out)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    size_t at = *pos;
    uint32_t c = (unsigned char)text[at++];
    size_t more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    if (more) {
        if (c < 0xc2 || c > 0xf4 || more > n - at)
            return false;
        c &= 0x3fu >> more;
        for (size_t i = 0; i < more; i++) {
            uint32_t byte = (unsigned char)text[at++];
            if ((byte & 0xc0) != 0x80)
                return false;
            c = c << 6 | (byte & 0x3f);
        }
        if (c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return false;
    }
    *pos = at;
    *out = c;
    return true;
}

size_t wi_utf8_put(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[more] | c >> 6 * more);
    for (size_t i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
    return more + 1;
}

bool wi_utf8_check(const char *text, size_t n, size_t *bad)
{
    uint32_t c;
    for (size_t pos = 0; pos < n;) {
        if (!wi_utf8_next(text, n, &pos, &c)) {
            if (bad)
                *bad = pos;
            return false;
        }
    }
    return true;
}

size_t wi_utf8_length(const char *text, size_t n)
{
    uint32_t c;
    size_t pos = 0;
    return n > 0 && wi_utf8_next(text, n, &pos, &c) ? pos : 0;
}
