#ifndef WI_WINDOWS_MATH_H
#define WI_WINDOWS_MATH_H

#include_next <math.h>

/* The system's choose by size, and warn. */
#undef isfinite
#undef isinf
#undef isnan
#define isfinite(x) __builtin_isfinite(x)
#define isinf(x) __builtin_isinf(x)
#define isnan(x) __builtin_isnan(x)

#endif
