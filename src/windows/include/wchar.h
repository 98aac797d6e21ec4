/* Text is UTF-8 in every locale. A character beyond the first 65,536 is given as the first half of its pair. */
#ifndef WI_WINDOWS_WCHAR_H
#define WI_WINDOWS_WCHAR_H

#include_next <wchar.h>

size_t wi_posix_mbrtowc(wchar_t *out, const char *text, size_t n_bytes, mbstate_t *state);
int wcwidth(wchar_t c);

#define mbrtowc wi_posix_mbrtowc

#endif
