/* What the room's files share: UTF-8 and the system's wide text, its errors and errno. */
#ifndef WI_WINDOWS_TEXT_H
#define WI_WINDOWS_TEXT_H

#include <wchar.h>

/* The path as Windows takes it, long ones as well. NULL with errno set: no UTF-8, or out of memory. The caller frees. */
wchar_t *wi_windows_path(const char *path);
/* Slashes go forward, and \\?\ goes. NULL: out of memory. The caller frees. */
char *wi_windows_utf8_path(const wchar_t *path);
/* NULL: out of memory. The caller frees. */
char *wi_windows_utf8(const wchar_t *text);
/* Sets errno by GetLastError and gives -1. */
int wi_windows_failed(void);

#endif
