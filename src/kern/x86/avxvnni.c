#include "kern/x86/vec_avx2.h"
#define TABLE wi_kern_avxvnni
#include "kern/simd/integers.inc.h"
