#ifndef WI_WINDOWS_FCNTL_H
#define WI_WINDOWS_FCNTL_H

#include_next <fcntl.h>

#define O_CLOEXEC _O_NOINHERIT
#define O_DIRECTORY 0x200000 /* refused: folders have no descriptors */

/* Bytes, whatever the flags say; path is UTF-8. */
int wi_posix_open(const char *path, int flags, ...);
#undef open
#define open wi_posix_open

#endif
