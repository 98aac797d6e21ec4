#include "kern/x86/vec_avx512.h"
#define TABLE wi_kern_avx512vnni
#include "kern/simd/integers.inc.h"
