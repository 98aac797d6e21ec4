#include "kern/x86/vec_avx512.h"
#define TABLE wi_kern_avx512
#include "kern/simd/table.inc.h"
