#include "kern/arm/resample.inc.h"
#include "kern/arm/vec_neon.h"
#define OWN_OPERATIONS RESAMPLING
#define TABLE wi_kern_neon
#include "kern/simd/table.inc.h"
