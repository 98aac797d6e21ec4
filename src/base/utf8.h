/* UTF-8, said once. */
#ifndef WI_BASE_UTF8_H
#define WI_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the code point at *pos < n and moves *pos behind it. False for anything but well-formed
 * UTF-8: overlong forms, surrogates and code points past U+10FFFF are refused. */
bool wi_utf8_next(const char *text, size_t n, size_t *pos, uint32_t *out);
/* Writes a code point's 1 to 4 bytes and says how many. */
size_t wi_utf8_put(uint32_t c, char *out);
/* True when text is UTF-8; otherwise *bad (nullable) is the offset of the first byte that is not.
 */
bool wi_utf8_check(const char *text, size_t n, size_t *bad);

/* Bytes of the character at text, which has n: 0 when it is none. */
size_t wi_utf8_length(const char *text, size_t n);

#endif
