/* Everything one ISA offers. The including file names the table with TABLE. */
#include "kern/half.h"
#include "kern/kern.h"
#include "kern/ref/ref.h"
#include "kern/variants.h"

#include <math.h>

#include "kern/simd/rows.inc.h"

#include "kern/simd/dots_s8.inc.h"
#include "kern/simd/gemm.inc.h"

#include "kern/simd/depthwise_f32.inc.h"
#include "kern/simd/depthwise_s8.inc.h"

/* What the including file wrote itself: ".name = name," and so on. */
#if !defined(OWN_OPERATIONS)
#define OWN_OPERATIONS
#endif
#define X(name) .name = name,
const wi_kern TABLE = {WI_KERN_VECTORS(X) WI_KERN_INTEGERS(X) OWN_OPERATIONS};
#undef X
