#define WI_RELAXED 1
#include "kern/wasm/vec_wasm.h"
#define TABLE wi_kern_relaxed
#include "kern/simd/table.inc.h"
