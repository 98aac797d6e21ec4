#include "kern/wasm/vec_wasm.h"
#define TABLE wi_kern_wasm
#include "kern/simd/table.inc.h"
