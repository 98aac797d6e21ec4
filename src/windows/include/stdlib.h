#ifndef WI_WINDOWS_STDLIB_H
#define WI_WINDOWS_STDLIB_H

#include_next <stdlib.h>

/* Lives as long as the process. HOME, where it is not set, is the user's profile. */
char *wi_posix_getenv(const char *name);
/* room: NULL alone. The caller frees. */
char *realpath(const char *path, char *room);

#define getenv wi_posix_getenv

#endif
