/* UTF-8 in names of files, which are bytes. */
#ifndef SRV_UTF8_H
#define SRV_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the letter at `at`, which has n: 0 when it is none. */
static inline size_t srv_utf8_length(const char *at, size_t n)
{
    const uint8_t *b = (const uint8_t *)at;
    if (n == 0) {
        return 0;
    }
    const size_t length = b[0] < 0x80             ? 1
                          : (b[0] & 0xe0) == 0xc0 ? 2
                          : (b[0] & 0xf0) == 0xe0 ? 3
                          : (b[0] & 0xf8) == 0xf0 ? 4
                                                  : 0;
    bool good = length > 0 && length <= n;
    for (size_t k = 1; good && k < length; k++) {
        good = (b[k] & 0xc0) == 0x80;
    }
    /* too long forms, surrogates, and what is beyond Unicode */
    good = good && !(length == 2 && b[0] < 0xc2) &&
           !(length == 3 && ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0))) &&
           !(length == 4 &&
             ((b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] >= 0x90) || b[0] > 0xf4));
    return good ? length : 0;
}

#endif
