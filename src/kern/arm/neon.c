#include "kern/arm/vec_neon.h"
#define TABLE wi_kern_neon
#include "kern/simd/table.inc.h"
