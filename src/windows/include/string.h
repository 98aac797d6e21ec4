#ifndef WI_WINDOWS_STRING_H
#define WI_WINDOWS_STRING_H

#include_next <string.h>

char *strndup(const char *text, size_t n_bytes);

#endif
