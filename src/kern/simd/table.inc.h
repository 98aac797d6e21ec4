/* Everything one ISA offers. The including file names the table with TABLE. */
#include "kern/half.h"
#include "kern/kern.h"
#include "kern/ref/ref.h"
#include "kern/variants.h"

#include <math.h>

#include "kern/simd/rows.inc.h"

#include "kern/simd/dots_s8.inc.h"
#include "kern/simd/gemm.inc.h"

const wi_kern TABLE = {
    .gemm_f32 = gemm_f32,
    .gemm_s8 = gemm_s8,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .layer_norm = layer_norm,
    .quantise_row = quantise_row,
    .softmax = softmax,
    .activate = activate,
    .attend = attend,
    .dots_f32 = dots_f32,
    .dots_f16 = dots_f16,
    .dots_s8 = dots_s8,
};
