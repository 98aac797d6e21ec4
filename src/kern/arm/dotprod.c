#include "kern/arm/vec_neon.h"
#define TABLE wi_kern_dotprod
#include "kern/simd/integers.inc.h"
