#include "kern/arm/vec_neon.h"

#include "kern/simd/resample.inc.h"
#define OWN_OPERATIONS RESAMPLING
#define TABLE wi_kern_neon
#include "kern/simd/table.inc.h"
