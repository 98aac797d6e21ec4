#include "kern/x86/vec_avx2.h"
#define TABLE wi_kern_avx2
#include "kern/simd/table.inc.h"
