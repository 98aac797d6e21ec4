#define WI_RELAXED 1
#define WI_RELAXED_DOT 1
#include "kern/wasm/vec_wasm.h"
#define TABLE wi_kern_relaxed_dot
#include "kern/simd/integers.inc.h"
