#ifndef WI_WINDOWS_ERRNO_H
#define WI_WINDOWS_ERRNO_H

#include_next <errno.h>

#ifndef EDQUOT
#define EDQUOT 1069 /* which nothing gives */
#endif

#endif
