/* What a dot-product extension adds to its base ISA: the integer operations alone. TABLE names the
 * table. */
#include "kern/half.h"
#include "kern/kern.h"
#include "kern/ref/ref.h"
#include "kern/variants.h"

#include <math.h>

/* Activations of an epilogue come from the base ISA's code compiled once more; the rest is not used
 * here. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "kern/simd/rows.inc.h"

#include "kern/simd/dots_s8.inc.h"
#include "kern/simd/gemm.inc.h"

#include "kern/simd/depthwise_s8.inc.h"

#define X(name) .name = name,
const wi_kern TABLE = {WI_KERN_INTEGERS(X)};
#undef X
